"""The table of verbs, each a function that is imported when it is asked for."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any, Literal, NamedTuple


class Option(NamedTuple):
    """One argument of a verb: the names and keywords of ``argparse.add_argument``."""

    names: tuple[str, ...]
    keywords: dict[str, Any]


class Verb(NamedTuple):
    """A verb, the function that does it, and its arguments."""

    function: str
    """``module:name``. Its parameters are called as the arguments; it returns an exit status, or False where not
    everything that was asked for was done."""
    help: str
    options: tuple[Option, ...] = ()


def _option(*names: str, **keywords: Any) -> Option:
    return Option(names, keywords)


def _overrides(help: str) -> Option:  # argparse's word
    return _option("overrides", nargs="*", metavar="OVERRIDE", help=help)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text}: should be a whole number, 1 or more")
    return int(text)


def _existing(text: str) -> Path:
    if not (path := Path(text)).exists():
        raise ArgumentTypeError(f"no file or folder {text} (looked from {Path.cwd()})")
    return path


_ALLOW = _option(
    "--allow", action="append", default=[], metavar="NAME", help="a package of your own that the record may use"
)
_SHORT = "or `last`, a lab's name for its newest run, or the end of a path"
_RECORD = (_option("record", metavar="RECORD", type=Path, help=f"a run's folder; {_SHORT}"), _ALLOW)
_LAB = _overrides("those that `leyden run` would get, such as experiment=tour_gan model.lr=1e-3")
_COMMANDS = "leyden.bench.commands"

SEE = {
    "list": Verb(
        "leyden.cli.listing:show",
        "labs, models, data sources and trainers, a line each",
        (
            _option(
                "words",
                nargs="*",
                metavar="WORD",
                help="only these: a kind (labs, models, sources, ...), a family (gan, transfer, ...), or the beginning "
                "of a name; 'hydra.searchpath=[file://FOLDER]' lists your own, too",
            ),
        ),
    ),
}
SEE["show"] = Verb(
    "leyden.cli.show:show",
    "every key of a lab or a part, with its value and what it means",
    (
        _option(
            "words",
            nargs="*",
            metavar="WORD",
            help="overrides, such as experiment=gan_dcgan or model=gan/dcgan; keys, to see only those: model "
            "trainer.precision",
        ),
    ),
)
TRAIN = {
    "run": Verb(f"{_COMMANDS}.run:run", "compose, check, train, test and record a lab", (_LAB,)),
    "tour": Verb(
        "leyden.cli.commands.tour:tour",
        "three labs side by side, and a page about them",
        (_overrides("of all its labs, such as seed=1"),),
    ),
    "sweep": Verb(f"{_COMMANDS}.run:run", "many jobs, side by side; typed again, it goes on", (_LAB,)),
    "resume": Verb(
        f"{_COMMANDS}.run:resume",
        "go on where a run or a sweep was stopped, in the same folder, with the same config",
        (_option("folder", metavar="RECORD", type=Path, help=f"the folder of a run or of a sweep; {_SHORT}"), _ALLOW),
    ),
    "check": Verb(f"{_COMMANDS}.run:check", "every mistake in a config at once; nothing is run", (_LAB,)),
    "find-lr": Verb(
        f"{_COMMANDS}.find_lr:find_lr",
        "try growing learning rates on a lab; draws the loss, suggests a rate",
        (
            _LAB,
            _option("--from", dest="least", type=float, default=1e-6, help="first rate (default %(default)s)"),
            _option("--to", dest="greatest", type=float, default=1.0, help="last rate (default %(default)s)"),
            _option("--steps", type=_count, default=100, help="steps between them (default %(default)s)"),
        ),
    ),
}
USE = {
    "predict": Verb(
        f"{_COMMANDS}.predict:predict",
        "what a record's technique predicts: labels, samples, boxes",
        (
            *_RECORD,
            _option(
                "--input", dest="source", type=_existing, help="a file or a folder of files; default: the test split"
            ),
            _option("--output", type=Path, help="folder for the predictions; default: <record>/predictions"),
            _option("--count", type=_count, help="test examples or samples (default 16), or continuations (default 1)"),
            _option(
                "--prompt",
                action="append",
                dest="prompts",
                metavar="TEXT",
                help="a text's begin, to continue; or a description, of samples or to choose from; may be repeated",
            ),
            _option("--class", dest="label", metavar="CLASS", help="of the samples: a name or number (default: all)"),
            _option("--seed", type=int, help="of what is drawn: the same number draws the same (default: any)"),
            _option("--threshold", type=float, help="least score of a detection (default: the detector's)"),
            _option("--direction", choices=("A2B", "B2A"), help="of a translation between domains (default: A2B)"),
            _option(
                "--mask", type=_existing, help="of holes to fill: an image, white where, or a folder of one per input"
            ),
            _option("--support", type=_existing, metavar="FOLDER", help="a folder of examples per new class, or style"),
        ),
    ),
    "evaluate": Verb(f"{_COMMANDS}.evaluate:evaluate", "test a record's best checkpoint again", _RECORD),
    "export": Verb(
        f"{_COMMANDS}.export:export",
        "a record's network as an ONNX file, checked against PyTorch",
        (*_RECORD, _option("--output", type=Path, help="the file; default: <record>/model.onnx")),
    ),
    "compare": Verb(
        f"{_COMMANDS}.compare:compare",
        "records and sweeps side by side: a table, charts and images on one page",
        (
            _option(
                "folders",
                nargs="+",
                metavar="RECORD",
                type=Path,
                help=f"records, or folders that hold some, such as a sweep's; {_SHORT}",
            ),
            _option("--to", type=Path, help="folder for the page; default: the one that all lie in"),
            _option(
                "--metric",
                dest="metrics",
                action="append",
                default=[],
                metavar="NAME",
                help="show this one, such as test/ap50; may be repeated (default: all test/... and best/... in common)",
            ),
            _option("--all", dest="every", action="store_true", help="show every metric"),
        ),
    ),
    "reproduce": Verb(
        f"{_COMMANDS}.reproduce:reproduce",
        "run a record's config again: identical, within the lab's spread, or different",
        (
            *_RECORD,
            _option(
                "--output", type=Path, help="folder of the new record; default: outputs/reproduced/<date>_<time>_<n>"
            ),
        ),
    ),
    "verify": Verb(
        f"{_COMMANDS}.verify:verify",
        "compare labs with what they expect: finished runs, or labs run over seeds; runs their controls too",
        (
            _option(
                "words",
                nargs="*",
                metavar="RECORD|OVERRIDE",
                help="runs, or `last`; or experiment=NAME, with seed=0,1,2 unless given",
            ),
            _ALLOW,
            _option(
                "--record",
                dest="to_paste",
                action="store_true",
                help="print each lab's `expect` with the values, to be pasted",
            ),
        ),
    ),
}
OWN_DATA = {
    "check-data": Verb(
        f"{_COMMANDS}.check_data:check_data",
        "count what a data source holds, find what is wrong, draw its boxes",
        (
            _overrides("data/source=voc data.source.root=FOLDER ..., or a lab"),
            _option("--output", type=Path, help="folder for the report; default: outputs/check_data/<source>"),
        ),
    ),
    "advise": Verb(
        f"{_COMMANDS}.advise:advise",
        "which of the lecture's four cases some data is, and the strategy for it",
        (_overrides("data.source.root=FOLDER of images, a folder per class; or data/source=..., a lab, a backbone"),),
    ),
}
MAKE = {
    "new": Verb(
        "leyden.cli.new:new",
        "the files of a lab or of a technique of your own, which run as they are",
        (
            _option("kind", choices=["lab", "technique"], metavar="lab|technique", help="what to make"),
            _option("name", metavar="NAME", help="of the lab, or of the technique's module"),
            _option("--folder", type=Path, help="where (default: here); the repository of Leyden, or one of your own"),
            _option("--family", metavar="NAME", help="of a technique in the repository (default: transfer)"),
            _option("--from", dest="source", metavar="LAB", help="the lab that is copied"),
        ),
    ),
}
SHELL = {
    "completion": Verb(
        "leyden.cli.completion:completion",
        'completion with the tab key: eval "$(leyden completion bash)", or zsh, in the shell\'s start-up file',
        (_option("shell", choices=["bash", "zsh", "words"], metavar="bash|zsh", help="the shell"),),
    ),
}
SECTIONS = {
    "What there is": SEE,
    "Train": TRAIN,
    "Use and compare": USE,
    "Your own data": OWN_DATA,
    "Make your own": MAKE,
    "The shell": SHELL,
}
"""The verbs, in the order of the help."""
VERBS = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}
TAKES_RECORDS = {"resume", *USE}
"""Verbs whose RECORD may be a short name."""
NEEDS: dict[str, Literal["checkpoint", "end"]] = {
    VERBS["predict"].function: "checkpoint",
    VERBS["evaluate"].function: "checkpoint",
    VERBS["export"].function: "checkpoint",
    VERBS["reproduce"].function: "end",
}
"""What a run must have reached for a function that takes its record."""
