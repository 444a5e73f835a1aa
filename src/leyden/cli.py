"""The verbs. Light: ``leyden --help``, ``leyden list`` and shell completion import no torch."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leyden.bench.run.record import Record

RECORD = "LEYDEN_RECORD"
"""Environment variable by which the other processes of a distributed run know their record."""

INTERRUPTED = 130
"""Exit status of a run that was stopped and can go on."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit status is 0 only where everything that was asked for was done."""
    words = list(sys.argv[1:] if words is None else words)
    if RECORD in os.environ and int(os.environ.get("LOCAL_RANK", 0)) > 0:
        return _guarded(_join_run)
    if words and words[0] == "sweep":
        return _guarded(lambda: _run(["-m", *words[1:]]))
    if words and (words[0] == "run" or words[0] in ("-sc", "--shell-completion")):
        return _guarded(lambda: _run(words[words[0] == "run" :]))
    arguments = _parser().parse_args(words or ["--help"])
    return _guarded(lambda: arguments.do(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="leyden", description="The lab bench: transfer learning, GANs and object detection, one command each."
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, do: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        return added

    verb("run", lambda a: _run([]), "compose, check, train, test and record a lab: leyden run experiment=gan_dcgan")
    verb(
        "sweep", lambda a: _run(["-m"]), "the same for many jobs, side by side: leyden sweep seed=0,1,2 sweep.name=mine"
    )
    verb("list", _list, "labs, models, data sources and trainers, a line each")
    check = verb("check", _check, "every mistake in a config at once; nothing is run")
    check.add_argument("overrides", nargs="*", help="the words that `leyden run` would get")
    looking = verb("check-data", _check_data, "count what a data source holds, find what is wrong, draw its boxes")
    looking.add_argument("overrides", nargs="*", help="data/source=voc data.source.root=FOLDER ..., or a lab")
    looking.add_argument("--output", type=Path, help="folder for the report; default: outputs/check_data/<source>")
    advice = verb("advise", _advise, "which of the lecture's four cases some data is, and the strategy for it")
    advice.add_argument("overrides", nargs="*", help="data/source=... model.backbone=... model.weights=...")
    finder = verb("find-lr", _find_lr, "try growing learning rates on a lab; draws the loss, names a rate")
    finder.add_argument("overrides", nargs="*", help="the words that `leyden run` would get")
    finder.add_argument("--from", dest="least", type=float, default=1e-6, help="first rate (default %(default)s)")
    finder.add_argument("--to", dest="greatest", type=float, default=1.0, help="last rate (default %(default)s)")
    finder.add_argument("--steps", type=int, default=100, help="steps between them (default %(default)s)")
    for name, do, text in (
        ("resume", _resume, "go on where a run or a sweep was stopped, in the same folder, with the same config"),
        ("evaluate", _evaluate, "test a record's best checkpoint again"),
        ("predict", _predict, "what a record's technique predicts: labels, samples, boxes"),
        ("export", _export, "a record's network as an ONNX file, checked against PyTorch"),
        ("reproduce", _reproduce, "run a record's config again: identical, within the lab's spread, or different"),
    ):
        added = verb(name, do, text)
        added.add_argument("record", type=Path, help="a run's folder, such as outputs/gan_dcgan/...")
        added.add_argument(
            "--allow", action="append", default=[], metavar="NAME", help="a package of your own that the record may use"
        )
    predict = verbs.choices["predict"]
    predict.add_argument("--input", type=Path, help="a picture or a folder of pictures; default: the test split")
    predict.add_argument("--output", type=Path, help="folder for the answers; default: <record>/predictions")
    predict.add_argument("--count", type=int, default=16, help="test pictures or samples (default %(default)s)")
    predict.add_argument(
        "--class", dest="label", metavar="CLASS", help="of the samples: a name or number (default: all)"
    )
    predict.add_argument("--seed", type=int, help="of the samples: the same number draws the same (default: any)")
    predict.add_argument(
        "--threshold", type=float, help="score from which on boxes are answers (default: the detector's)"
    )
    verbs.choices["export"].add_argument("--output", type=Path, help="the file; default: <record>/model.onnx")
    verbs.choices["reproduce"].add_argument(
        "--output", type=Path, help="folder of the new record; default: outputs/reproduced/<date>_<time>_<n>"
    )
    proof = verb("verify", _verify, "run labs over their seeds and hold them against what they expect")
    proof.add_argument("overrides", nargs="*", help="experiment=NAME or 'experiment=glob(*)'; seed=0,1,2 unless given")
    proof.add_argument("--record", action="store_true", help="print each lab's `expect` with the values, to be pasted")
    comparing = verb("compare", _compare, "records and sweeps side by side: a table, charts and pictures on one page")
    comparing.add_argument(
        "folders", nargs="+", type=Path, help="records, or folders that hold some, such as a sweep's"
    )
    comparing.add_argument("--to", type=Path, help="folder for the page; default: the one that all lie in")
    shown = comparing.add_mutually_exclusive_group()
    shown.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME",
        help="show this one, such as test/ap50; may be repeated (default: all test/... and best/... in common)",
    )
    shown.add_argument("--all", dest="every", action="store_true", help="show every metric")
    return parser


def _guarded(do: Callable[[], int]) -> int:
    """Turns what goes wrong into one message and an exit status."""
    try:
        return do()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the last place: whatever it was becomes one line and a status
        if os.environ.get("LEYDEN_TRACEBACK"):
            raise
        text = str(error).strip() or type(error).__name__
        known = isinstance(error, ValueError | OSError | FloatingPointError)
        print(f"error: {text}" if known else f"error: {type(error).__name__}: {text}", file=sys.stderr)
        print("(LEYDEN_TRACEBACK=1 shows where)", file=sys.stderr) if not known else None
        return 1


def _list(arguments: argparse.Namespace) -> int:
    from leyden.bench.config.listing import show

    show()
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from leyden.bench.config.validate import compose_and_check

    composed = compose_and_check(arguments.overrides)
    print(f"{composed.config['lab']['name']}: nothing wrong")
    return 0


def _check_data(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.check_data import check_data

    return 0 if check_data(arguments.overrides, arguments.output) else 1


def _advise(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.advise import advise

    print(advise(arguments.overrides))
    return 0


def _find_lr(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.find_lr import find_lr

    rate, file = find_lr(arguments.overrides, arguments.least, arguments.greatest, arguments.steps)
    print(f"learning rate {rate:.2g}: {file}")
    return 0


def _run(words: list[str]) -> int:
    from leyden.bench.sweep import sweep

    if sweep.wants_hydra(words):
        return sweep.run(words)
    from leyden.bench.config.validate import compose_and_check
    from leyden.bench.run.record import Record

    return _run_record(Record.create(compose_and_check(words)))


def _allowed(arguments: argparse.Namespace) -> frozenset[str]:
    from leyden.bench.config.allow_list import from_environment

    return from_environment().union(arguments.allow)


def _record(arguments: argparse.Namespace) -> "Record":
    """The record that was named, which may come from someone else."""
    from leyden.bench.config.allow_list import check_folder
    from leyden.bench.run.record import Record

    record = Record(arguments.record, _allowed(arguments))
    check_folder(record.folder, [record.config], record.allow)
    return record


def _resume(arguments: argparse.Namespace) -> int:
    if (arguments.record / "multirun.yaml").is_file():
        from leyden.bench.config.allow_list import check_folder
        from leyden.bench.sweep.store import records_in, trusted_in
        from leyden.bench.sweep.sweep import resume

        allow = _allowed(arguments) | trusted_in(arguments.record)
        check_folder(arguments.record, (job.config for job in records_in(arguments.record)), allow)
        return resume(arguments.record, allow)
    record = _record(arguments)
    if record.status["status"] == "done":
        print(f"{record.folder} is done; nothing to go on with")
        return 0
    record.refuse_if_running()
    return _run_record(record)


def _join_run() -> int:
    """A further process of a distributed run: Lightning starts it with the command and the environment of the first."""
    from leyden.bench.config.allow_list import from_environment
    from leyden.bench.run.record import Record

    return _run_record(Record(os.environ[RECORD], from_environment()))


def _run_record(record: "Record") -> int:
    from leyden.bench.compat import rank
    from leyden.bench.config.allow_list import ALLOW
    from leyden.bench.run.run import run
    from leyden.bench.run.summary import show

    os.environ |= {RECORD: str(record.folder.absolute()), ALLOW: ",".join(record.allow)}  # for the other processes
    try:
        run(record)
    except (KeyboardInterrupt, SystemExit):  # how Lightning answers Ctrl-C and SIGTERM, some with status 0
        return INTERRUPTED
    finally:
        if rank() == 0:
            show(record)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.predict import evaluate

    evaluate(_record(arguments))
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.predict import predict

    record = _record(arguments)
    output = arguments.output or record.folder / "predictions"
    words = (arguments.count, arguments.label, arguments.seed, arguments.threshold)
    unread = predict(record, arguments.input, output, *words)
    return 1 if unread else 0


def _compare(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.compare import compare

    left_out = compare(arguments.folders, arguments.to, arguments.metrics, arguments.every)
    return 1 if left_out else 0


def _export(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.export import export

    record = _record(arguments)
    export(record, arguments.output or record.folder / "model.onnx")
    return 0


def _reproduce(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands import reproduce

    record = _record(arguments)
    new = reproduce.again(record, arguments.output)
    for line in reproduce.changes(record.environment, new.environment):
        print(line, file=sys.stderr)
    return _run_record(new) or (0 if reproduce.report(record, new) else 1)


def _verify(arguments: argparse.Namespace) -> int:
    from leyden.bench.commands.verify import verify

    return 0 if verify(arguments.overrides, arguments.record) else 1
