"""Names of foreign weights brought to those of a network: prefixes and wrappers are found, not listed."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

log = logging.getLogger(__name__)

WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Parts of names that data parallelism, ``torch.compile``, FSDP and activation checkpoints put in, anywhere."""


EMA = re.compile(r"(^|[._])ema([._]|$)", re.IGNORECASE)
"""In the names of averages of weights."""


def match_names(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file under the names that a network has for them, as far as it has.

    The prefix is the one under which most names and shapes are wanted ones: "state_dict.model." or "ema.module.", say.
    Of equally good ones an average of weights ("ema") is taken, else the first, and the others are named in the log.

    Args:
        tensors: of the file, by dotted names.
        wanted: of the network, by its names.

    Returns:
        what lies under the prefix without it, the rest as it was; nothing if no name is a wanted one, or if most
        that are have other shapes.
    """
    plain = {_plain(name): value for name, value in tensors.items()}
    cut = _common_part(wanted)
    layouts = {"": {_plain(name): name for name in wanted}}
    if cut:  # the file may be of this part alone
        layouts[cut] = {_plain(name.removeprefix(cut)): name for name in wanted}
    scored: dict[tuple[str, str], tuple[int, int]] = {}
    for part, names in layouts.items():
        shapes = {name: wanted[own].shape for name, own in names.items()}
        scored |= {(prefix, part): score for prefix, score in _scores(plain, shapes).items()}
    best = max(scored, key=lambda place: (scored[place], bool(EMA.search(place[0])), not place[1]), default=None)
    if best is None or 2 * scored[best][0] < scored[best][1]:  # a few names that all networks have, of other shapes
        return {}
    prefix, names = best[0], layouts[best[1]]
    others = [place[0] for place, score in scored.items() if score == scored[best] and place[0] != prefix]
    if others:
        log.info("of several weights in the file, those of %r are taken, not those of %s", prefix, others)
    inside = {name.removeprefix(prefix): value for name, value in plain.items() if name.startswith(prefix)}
    outside = {name: value for name, value in plain.items() if not name.startswith(prefix)}
    return outside | {names.get(name, name): value for name, value in inside.items()}


def list_names(tensors: Mapping[str, Tensor], names: Iterable[str], most: int = 4) -> str:
    """The first of some names with the shapes that they have, for messages."""
    found = list(names)
    shown = [f"{name or 'one without a name'} {tuple(tensors[name].shape)}" for name in found[:most]]
    return ", ".join(shown) + (f" and {len(found) - most} more" if len(found) > most else "")


def misfits(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """What is missing of the wanted tensors, or has another shape, in sentences' parts."""
    wrong = []
    for name, own in wanted.items():
        if name not in tensors:
            if not name.endswith("num_batches_tracked"):  # files of old torch versions have none
                wrong.append(f"missing {name}")
        elif tensors[name].shape != own.shape:
            wrong.append(f"{name} is {tuple(tensors[name].shape)}, wanted {tuple(own.shape)}")
    return wrong


def load_strictly(net: nn.Module, state: Mapping[str, Tensor], where: str, spare: tuple[str, ...] = ()) -> None:
    """Gives a network all of its weights.

    Args:
        net: takes them.
        state: by its names.
        where: the weights' origin, for messages.
        spare: beginnings of names that the network may lack, such as heads of others.

    Raises:
        ValueError: a tensor is missing, is unknown to the network, or has another shape.
    """
    own = net.state_dict()
    unknown = [f"unknown {name}" for name in state if name not in own and not name.startswith(spare)]
    if wrong := [*misfits(state, own), *unknown]:
        rest = f" and {len(wrong) - 6} more" if len(wrong) > 6 else ""
        raise ValueError(f"{where}: these weights do not fit: {'; '.join(wrong[:6])}{rest}")
    net.load_state_dict(own | {name: value for name, value in state.items() if name in own})


def _scores(plain: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Of each prefix how many names behind it are wanted with their shapes, and at all."""
    fitting: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for name, value in plain.items():
        parts = name.split(".")
        for start in range(len(parts)):
            rest = ".".join(parts[start:])
            if rest in shapes:
                prefix = name.removesuffix(rest)
                named[prefix] += 1
                fitting[prefix] += value.shape == shapes[rest]
    return {prefix: (fitting[prefix], count) for prefix, count in named.items()}


def _plain(name: str) -> str:
    """A name without wrappers; timm's cut networks write ``stages_0`` where whole ones write ``stages.0``."""
    name = ".".join(part for part in name.split(".") if part not in WRAPPERS)
    return re.sub(r"_(\d+)(?=\.)", r".\1", name)


def _common_part(names: Iterable[str]) -> str:
    """The first part that all names share, with its dot; empty if there is none."""
    firsts = {name.partition(".")[0] for name in names}
    return f"{firsts.pop()}." if len(firsts) == 1 else ""
