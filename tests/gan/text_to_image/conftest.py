"""Captioned scenes, few and small, and a technique for them."""

from collections.abc import Callable

import pytest
import torch

from leyden.data.batches.captions import Captions
from leyden.data.source.scenes.captioned_scenes import CaptionedScenes
from leyden.gan.text_to_image.text_to_image import TextToImage


@pytest.fixture(scope="session")
def data() -> Captions:
    captions = Captions(
        CaptionedScenes(16, train_each=2, val_each=1, test_each=2, unseen_pairs=["red seven"]), batch_size=8
    )
    captions.prepare_data()
    return captions


@pytest.fixture
def tiny(data: Captions) -> Callable[..., TextToImage]:
    def make(**values) -> TextToImage:
        torch.manual_seed(0)
        small = {"base_channels": 4, "latent_dim": 8, "text_dim": 12, "compressed_dim": 10, "eval_samples": 200}
        return TextToImage(**{**data.spec, **small, **values})

    return make
