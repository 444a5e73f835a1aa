import pytest
import torch

from leyden.data.source.mixed_rows.breast_cancer_thinned import BreastCancerThinned
from leyden.data.source.mixed_rows.gaussian_mixtures import Grid, Rings


def test_only_the_training_split_is_thinned() -> None:
    whole, thin = BreastCancerThinned(positives=None), BreastCancerThinned(positives=10, seed=3)
    counts = {
        stage: thin.labels_of(thin.split(stage).columns.values).bincount().tolist() for stage in ("train", "test")
    }
    assert counts == {"train": [214, 10], "test": [107, 64]}
    for stage in ("val", "test"):
        assert torch.equal(thin.split(stage).columns.values, whole.split(stage).columns.values)
    assert thin.class_names == ["benign", "malignant"]


def test_the_seed_chooses_the_rare_rows() -> None:
    rows = [BreastCancerThinned(seed=seed).split("train").columns.values for seed in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


@pytest.mark.parametrize("positives", [0, 128])
def test_more_rare_rows_than_there_are_is_refused(positives: int) -> None:
    with pytest.raises(ValueError, match="has 127 training rows of 'malignant'"):
        BreastCancerThinned(positives)


@pytest.mark.parametrize(("source", "count"), [(Rings(rows=4000), 8), (Grid(rows=4000), 25)])
def test_real_rows_find_all_modes(source: Rings | Grid, count: int) -> None:
    rows = source.split("train").columns.values
    modes, quality = source.modes(rows[:, :2])
    assert modes == count
    assert quality == pytest.approx(0.989, abs=0.006)  # within three deviations in the plane: 1 - exp(-4.5)
    shares = source.labels_of(rows).bincount() / len(rows)
    assert shares.min() >= 12 / 25 - 0.01


def test_one_mode_alone_is_one_mode() -> None:
    source = Grid()
    points = source.centers[:1].expand(500, 2)
    assert source.modes(points) == (1, 1.0)
    assert source.modes(points + 1) == (0, 0.0)  # between four of them


def test_thinning_needs_classes() -> None:
    with pytest.raises(ValueError, match="labelled=true"):
        Rings(labelled=False, positives=5)
    thin = Rings(positives=5)
    assert thin.labels_of(thin.split("train").columns.values).bincount().tolist()[1] == 5
