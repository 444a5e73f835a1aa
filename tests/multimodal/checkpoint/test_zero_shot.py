"""Zero-shot classification: ensembles, accuracies, checkpoints that need nothing else."""

from pathlib import Path

import pytest
import torch
from checkpoint_folders import clip_folder
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from leyden.core.technique import PredictOptions
from leyden.data.batches.whole_images import Whole
from leyden.data.columns import WholeImages
from leyden.data.source.files.image_folder import ImageFolder
from leyden.multimodal.checkpoint.evaluation import zero_shot_figures
from leyden.multimodal.checkpoint.zero_shot import ZeroShot
from training import quiet_trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of two classes, of two sizes."""
    root = tmp_path_factory.mktemp("images")
    for number in range(20):
        name = ("red_cat", "dog")[number % 2]
        (root / name).mkdir(exist_ok=True)
        size = (20 + 4 * (number % 3), 18)
        Image.new("RGB", size, (200 * (number % 2), 20, 9 * number)).save(root / name / f"{number}.png")
    return root


def data(folder: Path) -> Whole:
    given = Whole(ImageFolder(str(folder)), eval_batch_size=4)
    given.prepare_data()
    return given


def fitted(folder: Path, checkpoint: str, **options: object) -> tuple[ZeroShot, dict[str, float]]:
    given = data(folder)
    model = ZeroShot(**given.spec, checkpoint=checkpoint, **options)  # type: ignore[arg-type]
    trainer = quiet_trainer(max_epochs=3, limit_val_batches=1.0)
    trainer.fit(model, given)
    assert trainer.global_step == 1
    assert 0 <= float(trainer.callback_metrics["val/accuracy"]) <= 1
    return model, trainer.test(model, given, verbose=False)[0]


def test_a_published_clip_on_a_folder(folder: Path, tmp_path: Path) -> None:
    net = clip_folder(tmp_path / "clip")
    templates = ["a photo of a {}.", "{}"]
    model, figures = fitted(folder, str(tmp_path / "clip"), templates=templates)
    texts = model.matcher.embed_texts(["a photo of a red cat.", "red cat"])
    torch.testing.assert_close(model.described[1], F.normalize(texts.mean(0), dim=0))  # classes by the alphabet
    given = data(folder)
    split = given.split("test")
    similar = model.similarities([split[i].images for i in range(len(split))])
    accuracy = (similar.argmax(1) == torch.tensor([int(split[i].labels) for i in range(len(split))])).float().mean()
    assert figures["test/accuracy"] == pytest.approx(float(accuracy))
    assert figures["test/chance"] == figures["test/most_frequent"] == 0.5
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), model.matcher.net.parameters(), strict=True))


def test_a_checkpoint_needs_nothing_but_itself(folder: Path, tmp_path: Path) -> None:
    clip_folder(tmp_path / "clip")
    given = data(folder)
    model = ZeroShot(**given.spec, checkpoint=str(tmp_path / "clip"))
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, given)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    for file in (tmp_path / "clip").iterdir():
        file.unlink()
    again = ZeroShot.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True).eval()
    images = [given.split("test")[i].images for i in range(3)]
    assert again.predict(images).rows == model.predict(images).rows
    asked = PredictOptions(prompts=["a red cat", "nothing at all"])
    rows = again.predict(images, asked).rows
    assert rows == model.predict(images, asked).rows
    assert rows[0]["probabilities"].keys() == {"a red cat", "nothing at all"}


def test_it_is_not_fitted_without_a_run(folder: Path) -> None:
    model = ZeroShot(**data(folder).spec, checkpoint="none")
    with pytest.raises(ValueError, match="is not fitted"):
        model.predict([torch.zeros(3, 9, 9, dtype=torch.uint8)])


def test_accuracies_by_hand() -> None:
    scores = torch.eye(6)[[0, 1, 2, 0]]
    found = zero_shot_figures(scores, torch.tensor([0, 1, 0, 0]))
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["class_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["chance"] == pytest.approx(1 / 6)
    assert found["most_frequent"] == pytest.approx(3 / 4)
    assert found["top5_accuracy"] == 1


def test_batches_keep_their_images_sizes(folder: Path) -> None:
    batch = next(iter(data(folder).loader("test")))
    assert isinstance(batch, WholeImages)
    sizes: set[tuple[int, ...]] = {tuple(image.shape) for image in batch.images}
    assert sizes <= {(3, 18, 20), (3, 18, 24), (3, 18, 28)}
    assert len(sizes) > 1
    assert isinstance(batch.labels, Tensor)
