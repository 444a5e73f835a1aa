"""A training that is stopped goes on as if it had been left alone, also while the discriminator rests."""

from pathlib import Path

from leyden.data.batches.gan.volumes import VolumeData
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.gan.voxel.voxels import SilhouettesToShape
from training import assert_resumed_is_as_if_left_alone

SMALL = {"base_channels": 2, "code_dim": 8, "discriminator_channels": 2}


def new_data() -> VolumeData:
    return VolumeData(Shapes3d(train_each=6, val_each=1, test_each=1), batch_size=8)


def test_resumed_with_an_adversary(tmp_path: Path) -> None:
    def new_model() -> SilhouettesToShape:
        return SilhouettesToShape(
            **new_data().spec, **SMALL, adversarial_weight=0.1, discriminator_accuracy=0.55, lr_discriminator=1e-2
        )

    stopped = assert_resumed_is_as_if_left_alone(new_model, new_data, tmp_path, steps=7, stop=4)
    assert stopped.rest.accuracy != 0.5
