"""What ``leyden --help``, ``leyden run --help`` and ``leyden sweep --help`` print. Imports neither Hydra nor torch."""

import textwrap
from collections import Counter

from leyden.bench.config.groups import CONF, options
from leyden.cli.verbs import SECTIONS
from leyden.core.text.shell import command
from leyden.core.text.yaml_comments import comments

WIDTH = 110
GROUPS = {
    "experiment": "a lab: all of the following at once",
    "model": "the technique",
    "data": "how examples are made",
    "data/source": "where they come from",
    "trainer": "where to train",
    "logger": "curves and images",
    "callbacks": "what runs beside training",
    "debug": "does it run at all?",
}
"""Groups that users choose from, and what each is."""
FAMILIES = {"experiment": ("_", "labs"), "model": ("/", "models")}
"""Groups with too many options to name: what stands behind the family in each, and the word for ``leyden list``."""
RUN = """\
usage: leyden run [GROUP=OPTION ...] [KEY=VALUE ...]

Composes a lab from the groups below, checks it, trains, tests and records it in outputs/.

  leyden run experiment=gan_dcgan
  leyden run experiment=gan_dcgan model.base_channels=16 trainer.max_epochs=5 seed=3
  leyden run experiment=tour_transfer lab.variant=scratch
  leyden run experiment=tour_transfer debug=smoke       # one batch of everything
  leyden run experiment=own_images data.source.root=FOLDER
  leyden run -m experiment=gan_dcgan seed=0,1,2         # several values: leyden sweep --help

What there is to choose, a line each:   leyden list; leyden list gan; leyden list models
Every key with its value and meaning:   leyden show experiment=gan_dcgan; leyden show trainer=cpu
Mistakes, and nothing is run:           leyden check experiment=gan_dcgan model.lr=1

  KEY=VALUE   changes a key           +KEY=VALUE  adds one that the config does not have
  ~KEY        takes one away          'KEY="a (value)"'  has quotes of its own around spaces and brackets

Groups
"""
HYDRA = "Hydra's own flags work, too: --cfg job (prints the config), --info, --hydra-help."
SWEEP = """\
usage: leyden sweep [GROUP=OPTION,OPTION ...] [KEY=VALUE,VALUE ...]

Trains once for every combination of values, several jobs at a time, each a record below outputs/sweeps/NAME; then ranks
them and draws the lab's report. `leyden run -m` is the same.

  leyden sweep experiment=gan_dcgan seed=0,1,2 sweep.name=mine   # typed again, it goes on
  leyden sweep experiment=gan_dcgan model.base_channels=16,32 seed=0,1
  leyden sweep experiment=transfer_shots                         # the sweep that the lab carries
  leyden sweep experiment='glob(tour_*)'                         # all that match
  leyden sweep experiment=gan_stabilise lab.variant='glob(*)'    # all variants of the lab

Values
  seed=0,1,2                      these
  'seed=range(0,8)'               0 to 7; range(0,1,0.25) has steps
  'experiment=glob(gan_*)'        every option of a group that matches; glob(*,exclude=tour_*)
  'model.widths=[8,16],[16,32]'   lists, quoted for the shell
  'model.lr=interval(1e-4,1e-2)'  from here to there, for a search alone

Keys
{keys}

Where the jobs run: hydra/launcher=processes (this machine), slurm, ray    leyden show hydra/launcher=slurm
A search by Optuna instead of all combinations (pip install 'leyden[optuna]'):

  leyden sweep experiment=tour_transfer hydra/sweeper=optuna 'model.lr=tag(log,interval(1e-4,1e-2))'
  leyden sweep experiment=gan_dcgan sweep=gan                    # a family's usual ranges
  leyden show hydra/sweeper=optuna                               # its keys

Going on: the same command with the same sweep.name, or `leyden resume outputs/sweeps/mine`, leaves out what is done and
goes on with the rest. `leyden compare outputs/sweeps/mine` makes a page of it.
"""


def overview() -> str:
    """All verbs, a line each."""
    width = max(len(name) for verbs in SECTIONS.values() for name in verbs) + 2
    lines = ["usage: leyden VERB ...    (leyden VERB --help says more; leyden --version)", ""]
    lines += ["The lab bench: transfer learning, GANs, object detection, language; one command each.", ""]
    for title, verbs in SECTIONS.items():
        lines += [title, *(f"  {name:{width}}{verb.help}" for name, verb in verbs.items()), ""]
    return "\n".join([*lines, "First: leyden list, then leyden run experiment=tour_gan"])


def run_help() -> str:
    """Usage, examples and the groups with their options."""
    return "\n".join([RUN + "\n".join(_group(*group) for group in GROUPS.items()), "", HYDRA])


def sweep_help() -> str:
    """Usage, examples, kinds of values and the keys of a sweep, with their comments in ``conf/config.yaml``."""
    meanings = comments((CONF / "config.yaml").read_text(encoding="utf-8"))
    keys = {key: meaning for key, meaning in meanings.items() if key.startswith("sweep.")}
    width = max(map(len, keys))
    return SWEEP.format(keys="\n".join(_filled(f"  {key:{width}}  ", meaning) for key, meaning in keys.items()))


def _group(group: str, meaning: str) -> str:
    names = "  ".join(options(group))
    if group in FAMILIES:
        sign, kind = FAMILIES[group]
        counts = Counter(name.partition(sign)[0] for name in options(group))
        names = "  ".join(f"{family}{sign}... ({count})" for family, count in counts.items())
        meaning += f"; by name: {command('list', kind)}"
    return f"  {group}=...  {meaning}\n{_filled(' ' * 6, names)}"


def _filled(head: str, text: str) -> str:
    return textwrap.fill(
        head + text, WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False, break_long_words=False
    )
