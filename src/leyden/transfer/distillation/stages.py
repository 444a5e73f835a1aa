"""Maps of a network's stages, and which stage of a student goes with which of its teacher."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from leyden.nets.backbone import Backbone
from leyden.transfer.classifier import Classifier


@contextmanager
def tapped(net: nn.Module, stages: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """A dict that fills with the maps of stages as a network runs.

    Args:
        net: a ``Classifier``, where there are stages at all.
        stages: names of its backbone's.
    """
    maps: dict[str, Tensor] = {}
    hooks = []
    for name in stages:
        assert isinstance(net, Classifier)
        stage = net.backbone.stages[name]
        hooks.append(stage.register_forward_hook(lambda _, __, out, name=name: maps.update({name: out})))
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def channels_of(backbone: Backbone, stage: str) -> int:
    """How many channels the map of a stage has."""
    return next(shape.channels for shape in backbone.shapes if shape.name == stage)


def stage_pairs(student: Backbone, teacher: Backbone, given: Sequence[Sequence[str]] | None) -> list[tuple[str, str]]:
    """Stages of a student with those of its teacher whose maps are compared.

    Args:
        student: its trunk.
        teacher: likewise.
        given: pairs of names; None takes the last stages of each size that both have, or, where there is none, the last
            maps of both.

    Returns:
        pairs, from the image upwards.

    Raises:
        ValueError: a name that is no stage with a map, or a trunk without maps; the message lists what there is.
    """
    maps = []
    for whose, backbone in (("student", student), ("teacher", teacher)):
        maps.append({shape.name: shape.size for shape in backbone.shapes if shape.size is not None})
        if not maps[-1]:
            raise ValueError(f"{backbone.name} has no maps, so the {whose} has neither hints nor attention to compare")
    if given:
        for pair in given:
            for name, known, whose in zip(pair, maps, ("student", "teacher"), strict=True):
                if name not in known:
                    raise ValueError(f"model.stages: the {whose} has no map {name!r}: it has {', '.join(known)}")
        return [(pair[0], pair[1]) for pair in given]
    # Of one size the last stage counts: dicts keep the last entry.
    own, theirs = ({size: name for name, size in known.items()} for known in maps)
    shared = [(name, theirs[size]) for size, name in own.items() if size in theirs]
    return shared or [(list(maps[0])[-1], list(maps[1])[-1])]
