"""Our detectors against torchvision's nearest ones, on the same backbone and the same images, in turn, in one process.

Training: images per second of forward, loss, backward and AdamW's step. Test: ms per image from images to answers.
Torchvision's run as they come, but for the image size, which would be 800; ours run as their labs do. Whoever has no
counterpart there stands alone. `make bench`, or this file with the names of some labs.
"""

import sys
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

from leyden.bench.config.compose import compose
from leyden.bench.config.instantiate import build
from leyden.bench.run.devices import precision_here
from leyden.data.columns import Scenes
from leyden.detection.nets.backbone_features import BackboneFeatures

ROUNDS, STEPS = 5, 6
SIZE, CLASSES = 128, 10


class Maps(nn.Module):
    """Our backbone as torchvision's models want theirs."""

    def __init__(self, maps: BackboneFeatures) -> None:
        super().__init__()
        self.maps = maps
        self.out_channels: Any = maps.widths[0]

    def forward(self, x: Tensor) -> Any:
        found, x = [], x
        for name, stage in self.maps.backbone.stages.items():
            x = stage(x)
            found += [x] * (name in self.maps.names)
        for extra in self.maps.extras:
            found.append(extra(found[-1]))
        return OrderedDict(zip(map(str, range(len(found))), found, strict=True))


def faster_rcnn(maps: BackboneFeatures) -> nn.Module:
    pool = MultiScaleRoIAlign(["0"], output_size=7, sampling_ratio=2)
    anchors = AnchorGenerator(((19, 32, 51),), ((0.5, 1.0, 2.0),))
    sizes: dict[str, Any] = {"min_size": SIZE, "max_size": SIZE}
    return FasterRCNN(Maps(maps), 1 + CLASSES, rpn_anchor_generator=anchors, box_roi_pool=pool, **sizes)


def ssd(maps: BackboneFeatures) -> nn.Module:
    boxes = DefaultBoxGenerator([[2], [2, 3], [2, 3], [2]], scales=[0.15, 0.27, 0.42, 0.6, 0.8])
    backbone = Maps(maps)
    backbone.out_channels = maps.widths  # this one asks for each
    return SSD(backbone, boxes, (SIZE, SIZE), 1 + CLASSES)


def fcos(maps: BackboneFeatures) -> nn.Module:
    points = AnchorGenerator(tuple((stride,) for stride in (8, 16, 32)), ((1.0,),) * 3)
    sizes: dict[str, Any] = {"min_size": SIZE, "max_size": SIZE}
    return FCOS(Maps(maps), 1 + CLASSES, anchor_generator=points, **sizes)


COUNTERPARTS: dict[str, Callable[[BackboneFeatures], nn.Module] | None] = {
    "detection_rcnn": None,
    "detection_fast_rcnn": None,
    "detection_faster_rcnn": faster_rcnn,
    "detection_yolo": None,
    "detection_yolox": fcos,
    "detection_ssd": ssd,
}


class Ours:
    """A technique as its lab sets it up."""

    def __init__(self, lab: str) -> None:
        config = compose([f"experiment={lab}", "data.source.train=64", "data.source.test=64"]).config
        data = build(config["data"])
        data.prepare_data()
        self.model = build(config["model"], **data.spec)
        self.mixed = precision_here(config["trainer"]) == "bf16-mixed"
        data.setup("fit")
        self.model.log_losses = lambda *losses, **parts: None  # there is no trainer to log to
        self.batch: Scenes = next(iter(data.train_dataloader()))
        self.adam = torch.optim.AdamW(self.model.parameters(), 1e-3)

    def train(self) -> None:
        self.model.train()
        self.adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            self.model.training_step(self.batch, 0).backward()
        self.adam.step()

    @torch.no_grad()
    def answer(self) -> None:
        self.model.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            self.model(*self.model.inputs(*self.batch))


class Theirs:
    """Torchvision's model on the same batch."""

    def __init__(self, model: nn.Module, batch: Scenes) -> None:
        self.model = model
        self.images = [image.float() / 255 for image in batch.images]
        self.targets = [{"boxes": t["boxes"], "labels": t["labels"] + 1} for t in batch.targets]
        self.adam = torch.optim.AdamW(model.parameters(), 1e-3)

    def train(self) -> None:
        self.model.train()
        self.adam.zero_grad()
        sum(self.model(self.images, self.targets).values()).backward()
        self.adam.step()

    @torch.no_grad()
    def answer(self) -> None:
        self.model.eval()
        self.model(self.images)


def seconds(action: Callable[[], None]) -> float:
    """Per call, after a first one."""
    action()
    began = time.perf_counter()
    for _ in range(STEPS):
        action()
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"medians of {ROUNDS} rounds, {torch.get_num_threads()} threads, images of {SIZE} px")
    for lab in sys.argv[1:] or COUNTERPARTS:
        torch.manual_seed(0)
        ours, make = Ours(lab), COUNTERPARTS[lab]
        count = len(ours.batch.images)
        sides: list[Ours | Theirs] = [ours]
        if make is not None:
            sides.append(Theirs(make(Ours(lab).model.backbone()), ours.batch))
        rounds = [[(seconds(side.train), seconds(side.answer)) for side in sides] for _ in range(ROUNDS)]
        spent = [[median(times) / count for times in zip(*side, strict=True)] for side in zip(*rounds, strict=True)]
        line = f"{lab:22}  train {1 / spent[0][0]:7.1f} images/s   test {1e3 * spent[0][1]:7.2f} ms per image"
        if len(spent) > 1:
            line += (
                f"   torchvision {1 / spent[1][0]:6.1f} images/s, {1e3 * spent[1][1]:7.2f} ms"
                f"   ours is {spent[1][0] / spent[0][0]:.1f} and {spent[1][1] / spent[0][1]:.1f} times as fast"
            )
        print(line, flush=True)


if __name__ == "__main__":
    main()
