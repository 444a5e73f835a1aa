"""Scores of images in another domain: what perfect, unadapted and copied images score."""

import pytest
import torch

from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.source.artwork.artworks import Artwork
from leyden.data.source.builtin.digits import Digits
from leyden.gan.evaluation.domain_evaluator import DomainEvaluator, spread
from leyden.gan.image_to_image.cyclegan import CycleGAN
from training import quiet_trainer

SIZES = {"train": 200, "val": 40, "test": 80}


@pytest.fixture(scope="module")
def artworks() -> DomainEvaluator:
    data = AdaptationImages(Artwork("photograph", 16, **SIZES), Artwork("engraving", 16, **SIZES), shots=10)
    data.prepare_data()
    return DomainEvaluator(data, 1000, torch.device("cpu"))


def test_engravings_are_told_from_photographs(artworks: DomainEvaluator) -> None:
    assert artworks.accuracy is not None
    assert artworks.accuracy > 0.95
    assert artworks.share(artworks.target) > 0.95
    assert artworks.share(artworks.source) < 0.05


def test_unadapted_images_are_far_and_real_ones_near(artworks: DomainEvaluator) -> None:
    scores = artworks.test(artworks.source, artworks.source)
    assert scores["kid"] == scores["kid_unadapted"] == scores["kid_source"]
    assert scores["kid"] > 5 * abs(scores["kid_floor"])
    assert scores["texture"] > 2 * scores["texture_floor"]
    assert scores["structure"] == pytest.approx(1, abs=0.02)
    assert scores["structure_floor"] < 0.3


def test_copies_of_the_shots_are_told(artworks: DomainEvaluator) -> None:
    copies = artworks.shots.repeat(8, 1, 1, 1)
    scores = artworks.test(artworks.source, copies)
    assert len(artworks.shots) == 10
    assert scores["neighbour_ratio"] == 0
    assert scores["target_share"] > 0.9
    fresh = artworks.test(artworks.source, artworks.target)
    assert fresh["neighbour_ratio"] == pytest.approx(1)
    assert fresh["spread"] == pytest.approx(1)
    assert fresh["texture"] == 0


def test_nearest_are_training_images(artworks: DomainEvaluator) -> None:
    near = artworks.nearest(artworks.shots[:3], 20)
    assert near.shape == (3, 10, 3, 16, 16)
    assert torch.equal(near[:, 0], artworks.shots[:3])


def test_spread_of_three_points() -> None:
    assert spread(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)


def test_classes_of_both_domains_are_told_apart() -> None:
    data = AdaptationImages(Digits(), Digits(), source_classes=["0", "1"], target_classes=["7"], image_size=16)
    data.prepare_data()
    evaluator = DomainEvaluator(data, 1000, torch.device("cpu"))
    assert (evaluator.first, evaluator.classes) == (2, 3)
    assert evaluator.accuracy is not None
    assert evaluator.accuracy > 0.9
    assert evaluator.share(evaluator.target) > 0.9


def test_translators_are_scored_as_generators_are() -> None:
    sizes = {"train": 40, "val": 8, "test": 20}
    data = AdaptationImages(Artwork("photograph", 16, **sizes), Artwork("engraving", 16, **sizes), batch_size=4)
    data.prepare_data()
    cyclegan = CycleGAN([], 3, 16, 4, blocks=1, discriminator_channels=4, discriminator_layers=1)
    trainer = quiet_trainer(max_steps=1, max_epochs=-1)
    trainer.fit(cyclegan, data)
    (scores,) = trainer.test(cyclegan, data, verbose=False)
    assert scores["test/kid_unadapted"] == scores["test/kid_source"]  # what is translated are domain A's test images
    assert scores["test/kid"] != scores["test/kid_unadapted"]
    assert scores["test/samples"] == 20
    assert "test/fid_ab" in scores
