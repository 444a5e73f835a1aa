"""Head-only training of MobileNetV2 at 224 pixels, 25 epochs on 244 photographs: cached against not cached.

Both sides are whole fits of the technique, from images in memory to the last epoch; only ``model.cache`` differs. The
weights are random and the photographs are patches of those inside scikit-image: speed does not ask what they show.
`make bench` runs it.
"""

import logging
import time
import warnings
from typing import Any

import lightning
import torch

from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.splits import InMemory, Stage, decode
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune


class Labelled(ImageSource):
    """244 photographs for training, 24 for validation, of two classes by turns."""

    name, channels, image_size = "244 photographs", 3, 224

    def __init__(self) -> None:
        self.class_names = ["even", "odd"]
        photos = ImagePatches(224, train=244, val=24, test=24)
        self._splits = {stage: decode(photos.split(stage)) for stage in ("train", "val", "test")}

    def split(self, stage: Stage) -> InMemory:
        images = self._splits[stage].columns.images
        return InMemory(LabelledImages(images, torch.arange(len(images)) % 2))


def seconds(source: ImageSource, cache: str | None, epochs: int) -> float:
    lightning.seed_everything(0, verbose=False)
    data = TransferImages(source, batch_size=16, eval_batch_size=32)
    model = Finetune(
        **data.spec, strategy="head", backbone="mobilenet_v2", weights="none", head="linear", cache=cache, embedding=0,
        memory_format="channels_last",
    )  # fmt: skip
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=epochs, enable_model_summary=False, **off)
    began = time.perf_counter()
    trainer.fit(model, data)
    return time.perf_counter() - began


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    source = Labelled()
    seconds(source, "memory", 1)  # kernels are compiled for both sides
    cached, plain = seconds(source, "memory", 25), seconds(source, None, 25)
    print(
        f"head of MobileNetV2, 25 epochs of 244: not cached {plain:.1f} s, cached {cached:.1f} s, {plain / cached:.1f}x"
    )


if __name__ == "__main__":
    main()
