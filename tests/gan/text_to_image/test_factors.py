from pathlib import Path

import pytest
import torch

from leyden.gan.text_to_image import factors
from leyden.gan.text_to_image.factors import factor_table, learn_factors, what_is_new

FACTORS = {"shape": ["ball", "cube"], "colour": ["red", "blue"], "place": ["sea", "sky"]}
NAMES = [f"A {c} {s} in the {p}" for s in FACTORS["shape"] for c in FACTORS["colour"] for p in FACTORS["place"]]


def test_factors_are_read_from_descriptions() -> None:
    table = factor_table(NAMES, FACTORS)
    assert table.tolist() == [[i // 4, i // 2 % 2, i % 2] for i in range(8)]
    assert factor_table(NAMES, {}).shape == (8, 0)


@pytest.mark.parametrize("name", ["a red ball", "a red and blue ball in the sky"])
def test_a_description_has_one_word_of_each(name: str) -> None:
    with pytest.raises(ValueError, match=r"has [02] words of (place|colour)"):
        factor_table([name], FACTORS)


def test_what_is_new_in_unseen_descriptions() -> None:
    table = factor_table(NAMES, FACTORS)
    assert what_is_new(table, []) == ()
    assert what_is_new(table, [0, 1]) == (0, 1)  # no red ball anywhere
    assert what_is_new(table, [0]) == (0, 1, 2)  # red balls in the sky, and red cubes in the sea, were seen
    assert what_is_new(table, [0, 1, 2, 3]) == (0,)  # no ball at all


def test_a_classifier_learns_factors_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "STEPS", 60)
    values = torch.tensor([[i % 2, i // 2 % 2] for i in range(32)])
    images = torch.zeros(32, 3, 16, 16, dtype=torch.uint8)
    images[:, 0] = (values[:, 0] * 200)[:, None, None].to(torch.uint8)
    images[:, :, 4:12, 4:12] += (values[:, 1] * 50)[:, None, None, None].to(torch.uint8)
    state = torch.random.get_rng_state()
    first, again = (learn_factors(images, values, [2, 2], torch.device("cpu"), tmp_path) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert len(list(tmp_path.glob("factors_*.pt"))) == 1
    for k, chances in enumerate(first.log_probabilities(images)):
        assert (chances.argmax(1) == values[:, k]).all()
        assert torch.equal(chances, again.log_probabilities(images)[k])
    assert first.features(images).shape == (32, 64)
