"""Images with several targets: which are taken, what is noise, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leyden.data.batches.targets import MultiTaskImages, TaskImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.scenes.coloured_digits import ColouredDigits
from leyden.data.source.targets import Target
from leyden.data.splits import InMemory, Stage


def scenes(**arguments: Any) -> MultiTaskImages:
    return MultiTaskImages(ColouredDigits(16, 1, 1, 1), **arguments)


def test_targets_by_name_and_in_their_order() -> None:
    data = scenes(targets=["x", "colour", "digit"], batch_size=20)
    spec = data.spec
    assert list(spec["tasks"]) == ["x", "colour", "digit"]
    assert spec["tasks"]["x"] == []
    assert len(spec["tasks"]["colour"]) == 6
    factors = data.source.factors("train")  # type: ignore[attr-defined]
    mean, spread = spec["units"]["x"]
    assert mean == pytest.approx(float(factors.x.mean()), abs=1e-6)
    assert spread == pytest.approx(float(factors.x.std(correction=0)), abs=1e-6)
    columns = data.split("train").columns
    assert torch.equal(columns.classes, torch.stack([factors.colour, factors.digit], 1))
    assert torch.equal(columns.numbers, factors.x[:, None])
    batch = next(iter(data.loader("train")))
    assert isinstance(batch, TaskImages)
    assert batch.classes.shape == (20, 2)
    assert list(scenes().spec["tasks"]) == ["digit", "colour", "texture", "x", "y", "size"]


def test_noise_is_in_training_alone() -> None:
    clean, noisy = scenes(targets=["digit", "x"]), scenes(targets=["digit", "x"], noise={"digit": 0.5})
    before, after = (data.split("train").columns for data in (clean, noisy))
    assert torch.equal(before.numbers, after.numbers)
    assert torch.equal(before.classes.sort(0).values, after.classes.sort(0).values)  # real values, others' ones
    changed = (before.classes != after.classes).float().mean()
    assert 0.3 < changed < 0.5  # of the half that is drawn, a tenth meets its own digit
    assert torch.equal(clean.split("test").columns.classes, noisy.split("test").columns.classes)
    other = scenes(targets=["digit", "x"], noise={"digit": 0.5}, seed=1).split("train").columns
    assert not torch.equal(other.classes, after.classes)
    assert clean.fingerprint != noisy.fingerprint


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": ["digit", "digit"]}, "each once"),
        ({"targets": []}, "one or more"),
        ({"noise": {"digit": 1.5}}, "0 to 1"),
    ],
)
def test_wrong_options_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenes(**wrong)


def test_unknown_target_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"data.targets.*no target 'color'; did you mean colour\?"):
        _ = scenes(targets=["color"]).spec
    with pytest.raises(ValueError, match=r"data.noise"):
        _ = scenes(noise={"siz": 0.5}).spec


def test_source_of_one_target_is_refused() -> None:
    with pytest.raises(ValueError, match="data/source=image_table"):
        MultiTaskImages(Digits())


class Constant(ColouredDigits):
    """A source, one target of which never varies, and one that nobody knows."""

    def targets(self, stage: Stage) -> dict[str, Target]:
        found = super().targets(stage)
        count = len(found["x"].values)
        return {
            "digit": found["digit"],
            "same": Target(torch.ones(count), []),
            "none": Target(torch.full((count,), -1), ["a", "b"]),
        }


@pytest.mark.parametrize(("name", "why"), [("same", "have the same"), ("none", "no training image has it")])
def test_targets_that_teach_nothing_are_refused(name: str, why: str) -> None:
    data = MultiTaskImages(Constant(16, 1, 1, 1), targets=["digit", name])
    with pytest.raises(ValueError, match=rf"{why}.*data.targets=\[digit\]"):
        data.setup("fit")
    assert data.spec["units"].get("same", [1.0, 1.0]) == [1.0, 1.0]


def test_images_decoded_one_by_one_have_their_targets(tmp_path: Path) -> None:
    from torchvision.utils import save_image

    from leyden.data.source.files.image_table import ImageTable

    lines = ["image,kind,width"]
    for number in range(10):
        save_image(torch.full((3, 8, 8 + number), number / 10), tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},{number}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    data = MultiTaskImages(ImageTable(str(tmp_path / "table.csv")), image_size=8, batch_size=2, in_memory=False)
    data.prepare_data()
    for batch in data.loader("train"):
        grey = (batch.images[:, 0, 0, 0].float() / 25.5).round().long()
        assert torch.equal(batch.classes[:, 0], grey % 2)
        assert torch.equal(batch.numbers[:, 0], grey.float())
    whole = MultiTaskImages(ImageTable(str(tmp_path / "table.csv")), image_size=8)
    assert isinstance(whole.split("train"), InMemory)
    assert len(data.fingerprint) == len(whole.fingerprint) == 16
