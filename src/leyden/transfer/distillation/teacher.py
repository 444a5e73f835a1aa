"""The teacher: a classifier that someone has trained, found in a record or a file of weights, or trained here."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leyden.data.loader import Loader
from leyden.data.splits import InMemory, fit_image
from leyden.nets.auxiliary import load_network, save_network
from leyden.nets.backbone import Backbone
from leyden.nets.strategies.computed import key_of
from leyden.nets.weights import best_checkpoint, find_weights, load_pretrained
from leyden.training.records import technique_class
from leyden.transfer.classifier import Classifier, ClassifierTask
from leyden.transfer.distillation.stages import tapped
from leyden.transfer.finetune.pretraining import Recipe, pretrain, task_signature

log = logging.getLogger(__name__)
KEY = "model.teacher"
TRAIN = f"or train one on these data in the same run: {KEY}=train"


class Teacher:
    """A frozen classifier in evaluation mode, whose logits come in the order of the student's classes.

    It is no ``nn.Module``: the student's weights, optimizer and checkpoints do not know it.

    Args:
        net: uint8 images (B, channels, image_size, image_size) to logits (B, classes).
        channels: that it takes; the student's images are brought to them.
        image_size: that it takes, likewise.
        places: (classes,) where the student's classes stand among its logits; None: as they are.
    """

    def __init__(self, net: nn.Module, channels: int, image_size: int, places: Tensor | None = None) -> None:
        self.net = net.requires_grad_(False).eval()
        self.channels, self.image_size, self.places = channels, image_size, places

    @torch.no_grad()
    def __call__(self, images: Tensor, stages: Sequence[str] = ()) -> tuple[Tensor, list[Tensor]]:
        """uint8 images (B, C, S, S) to logits (B, classes) and the maps of its ``stages``."""
        if images.shape[1:] != (self.channels, self.image_size, self.image_size):
            images = fit_image(images, self.image_size, self.channels)
        with tapped(self.net, stages) as maps:
            logits = self.net(images)
        return logits if self.places is None else logits[:, self.places], [maps[name] for name in stages]

    def to(self, device: torch.device) -> "Teacher":
        """Itself, on another device."""
        self.net.to(device)
        self.places = None if self.places is None else self.places.to(device)
        return self

    @property
    def backbone(self) -> Backbone:
        """Whose stages give hints and attention.

        Raises:
            ValueError: the network has no stages.
        """
        if not isinstance(self.net, Classifier):
            raise ValueError(
                f"{KEY}: {type(self.net).__name__} has no stages, so there are neither hints nor attention maps: set "
                "model.hint_epochs=0 model.attention_weight=0"
            )
        return self.net.backbone


def find_teacher(where: str, net: Classifier, channels: int, image_size: int, class_names: Sequence[str]) -> Teacher:
    """The teacher in a record's folder, or behind a file of weights.

    Args:
        where: the folder of a run (or of several: the newest) of any technique that classifies images; a checkpoint in
            one; or a file of a whole network, trunk and one linear layer.
        net: with random weights; it takes those of a file, whereas a record says itself what its network is.
        channels: of the images that ``net`` takes.
        image_size: of these, likewise.
        class_names: that the student learns.

    Raises:
        FileNotFoundError: there is nothing at ``where``.
        ValueError: other classes, no classifier, or weights that do not fit.
        NotAllowedError: the record names code that is not allowed.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        return _of_record(best_checkpoint(path, KEY), class_names)
    if path.is_file() and (path.parent.parent / "config.yaml").is_file():
        return _of_record(path, class_names)
    if not path.is_file():
        raise FileNotFoundError(
            f"{KEY}: no file or folder {where!r} (looked from {Path.cwd()}): give the folder of an earlier run of a "
            f"classifier, or a file of its weights, {TRAIN}"
        )
    _take_weights(net, where, len(class_names))
    return Teacher(net, channels, image_size)


def _of_record(checkpoint: Path, class_names: Sequence[str]) -> Teacher:
    """The classifier of a record, its logits sorted by the names of the classes."""
    folder = checkpoint.parent.parent
    technique = technique_class(folder, KEY)
    if not issubclass(technique, ClassifierTask):
        raise ValueError(f"{KEY}={folder} is a run of {technique.__name__}, which classifies no images; {TRAIN}")
    task: Any = technique.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    if set(task.class_names) != set(class_names):
        raise ValueError(
            f"{KEY}={folder} knows the classes {_few(task.class_names)}, the data have {_few(class_names)}: a student "
            f"learns the classes of its teacher; choose the data that it was trained on, another teacher, {TRAIN}"
        )
    log.info("teacher: %s of %s", technique.__name__, folder)
    places = torch.tensor([task.class_names.index(name) for name in class_names])
    return Teacher(task.net, task.channels, task.image_size, places)


def _take_weights(net: Classifier, where: str, classes: int) -> None:
    """Loads a trunk and one linear layer, whose outputs are taken for the data's classes in their order."""
    backbone = net.backbone
    state = find_weights(where, backbone, KEY)
    load_pretrained(backbone, state, backbone.stage_names, KEY)
    known = {*backbone.state_dict(), *backbone.published.values()}
    rest = {name: value for name, value in state.items() if name not in known}
    heads = [
        (value, rest[bias])
        for name, value in rest.items()
        if name.endswith("weight")
        and value.dim() == 2
        and value.shape[1] == backbone.num_features
        and (bias := f"{name.removesuffix('weight')}bias") in rest
    ]
    if len(heads) != 1:
        raise ValueError(
            f"{KEY}={where} has {len(heads)} linear layers on the {backbone.num_features} features of {backbone.name}, "
            "so what it predicts is not known: give the folder of the run that trained it, or a file of a trunk with "
            "one linear layer"
        )
    weight, shift = heads[0]
    if len(weight) != classes:
        raise ValueError(
            f"{KEY}={where} knows {len(weight)} classes, the data have {classes}: a student learns the classes of its "
            f"teacher; give weights that were trained on these classes, {TRAIN}"
        )
    net.head.load_state_dict({"linear.weight": weight, "linear.bias": shift})
    log.info("teacher: %s; its outputs are taken for the data's classes in their order", where)


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def trained_teacher(net: Classifier, batches: Loader, recipe: Recipe, folder: Path | None) -> None:
    """Trains a network on the teacher's task, in place, or loads it from where another run left it.

    Args:
        net: with random weights.
        batches: labelled images, see ``pretrain``.
        recipe: how it is trained.
        folder: where networks are kept, under a key of everything that decides them; None keeps none.
    """
    file = None
    if folder is not None and isinstance(batches.split, InMemory):
        name = key_of(net, batches=task_signature(batches, batches.split), recipe=recipe)
        file = folder / f"teacher_{name}.pt"
    if load_network(net, file) is None:
        log.info("teacher: %d labelled images, %d epochs", len(batches.split), recipe.epochs)
        accuracy = pretrain(net.backbone, net.head, batches, *recipe, what="teacher")
        log.info("teacher: accuracy %.3f on the augmented images of the last epoch", accuracy)
        if file is not None:
            save_network(net, file)
