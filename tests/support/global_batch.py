"""One technique of each family at a global batch of 16, by one process or shared out among two.

What differs between processes by design is left out, so that the same steps come out: batch norms keep their
statistics (each rank has its own), and noise is made of the images (each rank draws its own).
"""

from lightning import LightningDataModule, LightningModule, Trainer, seed_everything
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from leyden.data.batches.gan.images import GanImages
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.source.builtin.digits import Digits
from leyden.detection.data import DetectionData
from leyden.detection.ssd import SSD
from leyden.detection.yolox import YOLOX
from leyden.gan.noise_to_image.vanilla import VanillaGAN
from leyden.gan.pixels import to_signed
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune

GLOBAL_BATCH = 16
Family = tuple[LightningDataModule, LightningModule, int]
"""Data, technique, and how many epochs."""


class GAN(VanillaGAN):
    """Two optimizers."""

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        real = to_signed(batch.images)
        return real, self.generator(real.flatten(1)[:, :8])


def fix_statistics(model: LightningModule) -> None:
    """Batch norms as constants; Lightning keeps the mode that a layer has when training begins."""
    for layer in model.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()


def gan(batch: int) -> Family:
    data = GanImages(Digits(), image_size=16, batch_size=batch)
    data.prepare_data()
    widths = {"generator_widths": [32], "discriminator_widths": [32], "latent_dim": 8}
    return data, GAN(**data.spec, **widths, eval_samples=100, ema_decay=0.9), 1


def detector(technique: type[SSD | YOLOX], maps: int, batch: int) -> Family:
    data = DetectionData(DigitScenes(image_size=64, train=64, val=8, test=8, smallest=0.3), batch_size=batch)
    data.prepare_data()
    model = technique(**data.spec, widths=[8] * maps, blocks=[1] * maps, lr=1e-3, optimizer="sgd")
    fix_statistics(model)
    return data, model, 2


def finetune(batch: int) -> Family:
    data = TransferImages(Digits(), 5, labels_per_class=20, epoch_size=64, batch_size=batch)
    data.prepare_data()
    words = {"strategy": "gradual", "fixed_statistics": True, "weights": "none"}  # a stage more in each epoch
    return data, Finetune(**data.spec, **words, widths=[8, 16], strides=[1, 2], lr=0.001), 4


# The detectors divide by the matched boxes, of which each rank has another number.
FAMILIES = {
    "gan": gan,
    "ssd": lambda batch: detector(SSD, 5, batch),
    "yolox": lambda batch: detector(YOLOX, 4, batch),
    "finetune": finetune,
}


def train(family: str, processes: int) -> dict[str, Tensor]:
    """The weights after some epochs."""
    seed_everything(0, verbose=False)
    data, model, epochs = FAMILIES[family](GLOBAL_BATCH // processes)
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", max_epochs=epochs,
        limit_train_batches=8, limit_val_batches=0, num_sanity_val_steps=0, enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(model, data)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
