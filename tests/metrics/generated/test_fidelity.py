import numpy as np
import pytest
import torch

from leyden.metrics.generated.fidelity import frechet_distance, kernel_distance, manifolds, modes, nearest_ratio


@pytest.fixture(scope="module")
def arrays() -> tuple[torch.Tensor, torch.Tensor]:
    """The fixed arrays on which torch-fidelity, clean-fid and torchmetrics agree."""
    stream = np.random.RandomState(2023)
    first = stream.randn(1000, 64)
    return torch.from_numpy(first), torch.from_numpy(stream.randn(1000, 64) * 1.2 + 0.3)


def test_frechet_distance_of_the_reference_packages(arrays) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    ours = frechet_distance(*arrays).item()
    assert ours == pytest.approx(11.20940271447506, rel=1e-10)
    statistics = [fid_features_to_statistics(features) for features in arrays]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_frechet_distance_where_covariances_are_singular() -> None:
    # Four points in four dimensions: the product of the covariances has tiny negative eigenvalues.
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 4, 4, generator=generator)
    assert torch.isfinite(frechet_distance(first, second))
    assert frechet_distance(first, first).item() == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_one_distribution_is_its_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(10, 2, 1000, 64, generator=generator)
    mean = torch.stack([frechet_distance(*pair) for pair in pairs]).mean().item()
    assert mean == pytest.approx(64 * 68 / 2000, rel=0.05)  # d (d + 4) / (2 N)


def test_frechet_distance_of_known_gaussians() -> None:
    # |m|^2 + d (s1 - s2)^2 for isotropic Gaussians, up to the bias d (d + 4) / (2 N).
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 50000, 4, generator=generator)
    assert frechet_distance(first, 2 * second + 1).item() == pytest.approx(4 + 4, abs=0.1)


def test_kernel_distance_of_the_reference_packages(arrays) -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    ours = kernel_distance(*arrays).item()
    assert ours == pytest.approx(0.33542292597073, rel=1e-10)
    theirs = kid_features_to_metric(*arrays, kid_subsets=1, kid_subset_size=1000, verbose=False)
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)


def test_kernel_distance_is_unbiased() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(200, 2, 40, 8, generator=generator)
    distances = torch.stack([kernel_distance(*pair) for pair in pairs])
    assert abs(distances.mean()) < 3 * distances.std() / 200**0.5
    assert (distances < 0).any()


def test_manifolds_of_two_samples_of_one_gaussian() -> None:
    # The figures of the reference implementation for N(0, I), d = 64, n = 2000, k = 5; the mean of four draws, because
    # density varies by 0.06 from draw to draw.
    generator = torch.Generator().manual_seed(0)
    draws = [torch.stack(manifolds(*torch.randn(2, 2000, 64, generator=generator))) for _ in range(4)]
    precision, recall, density, coverage = torch.stack(draws).mean(0).tolist()
    assert precision == pytest.approx(0.707, abs=0.03)
    assert recall == pytest.approx(0.693, abs=0.03)
    assert density == pytest.approx(0.986, abs=0.08)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.01)


def test_precision_and_recall_of_torch_fidelity(arrays) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, generated = arrays[0][:300], arrays[1][:200]
    theirs = prc_features_to_metric(generated, real, prc_neighborhood=3, prc_batch_size=500, verbose=False)
    ours = manifolds(real, generated, neighbours=3)
    assert ours.precision.item() == pytest.approx(theirs["precision"])
    assert ours.recall.item() == pytest.approx(theirs["recall"])
    assert 0 < ours.recall < 1


def test_manifolds_of_a_plain_implementation_of_prdc(arrays) -> None:
    real, generated, k = arrays[0][:150].numpy(), arrays[1][:120].numpy(), 5

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(np.linalg.norm(points - points[i], axis=1))[k]  # 0 is the point itself

    inside = np.zeros((150, 120), bool)  # whether a generated point lies in the ball of a real one
    reached = np.zeros((150, 120), bool)  # and the other way round
    for i, point in enumerate(real):
        for j, other in enumerate(generated):
            inside[i, j] = np.linalg.norm(point - other) < radius(real, i)
            reached[i, j] = np.linalg.norm(point - other) < radius(generated, j)
    ours = manifolds(*(torch.from_numpy(points) for points in (real, generated)), neighbours=k)
    assert ours.precision.item() == pytest.approx(inside.any(0).mean())
    assert ours.recall.item() == pytest.approx(reached.any(1).mean())
    assert ours.density.item() == pytest.approx(inside.sum() / (k * 120))
    assert ours.coverage.item() == pytest.approx(inside.any(1).mean())
    assert 0 < ours.coverage < 1


def test_manifolds_by_hand() -> None:
    # On a line, k = 1: every real ball has radius 1; the generated ones 10, 9.5 and 9.5.
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    generated = torch.tensor([[0.5], [10.5], [20.0]])
    found = manifolds(real, generated, neighbours=1)
    assert found.precision.item() == pytest.approx(1 / 3)
    assert found.recall.item() == pytest.approx(1)
    assert found.density.item() == pytest.approx(2 / 3)
    assert found.coverage.item() == pytest.approx(2 / 4)


def test_manifolds_of_equal_examples_are_exact() -> None:
    """Sixty images, each eight times: their balls are points, and copies lie on the edge of those."""
    images = 100 + torch.randn(60, 64, generator=torch.Generator().manual_seed(0)).double()
    between = (images[:20, None] - images).square().sum(2).sqrt()
    radii = between[:, :20].sort(dim=1).values[:, 5:6]
    recall = (between < radii).any(0).double().mean().item()
    assert 1 / 3 <= recall < 1
    found = manifolds(images.repeat(8, 1), images[:20])
    assert [value.item() for value in found] == [0, pytest.approx(recall), 0, 0]
    both = manifolds(images.repeat(8, 1), images[:20].repeat(8, 1))
    assert [value.item() for value in both] == [0, 0, 0, 0]


def test_blocks_change_no_score(arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = manifolds(*arrays), nearest_ratio(arrays[1], arrays[0][:300], arrays[0][300:])
    monkeypatch.setattr("leyden.metrics.generated.fidelity.BLOCK", 7)
    assert (manifolds(*arrays), nearest_ratio(arrays[1], arrays[0][:300], arrays[0][300:])) == whole


def test_copies_have_no_distance_at_all() -> None:
    train, unseen = 100 + torch.randn(2, 200, 64, generator=torch.Generator().manual_seed(0))
    assert nearest_ratio(train[:50], unseen, train).item() == 0


def test_manifolds_see_a_collapse() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(500, 8, generator=generator)
    collapsed = real[real.norm(dim=1).argmin()] + 1e-3 * torch.randn(500, 8, generator=generator)
    found = manifolds(real, collapsed)
    assert found.precision > 0.99
    assert found.recall < 0.01
    assert found.coverage < 0.2


def test_manifolds_need_more_examples_than_neighbours() -> None:
    with pytest.raises(ValueError, match="too few for k=5: give 6 of each"):
        manifolds(torch.zeros(5, 2), torch.zeros(9, 2))


def test_nearest_ratio_tells_copies_from_new_examples() -> None:
    generator = torch.Generator().manual_seed(0)
    train, unseen, fresh = torch.randn(3, 500, 8, generator=generator)
    assert nearest_ratio(fresh, unseen, train).item() == pytest.approx(1, abs=0.1)
    assert nearest_ratio(train[:100] + 1e-3, unseen, train).item() < 0.01


def test_modes_counts_classes_and_compares_histograms() -> None:
    real = torch.arange(10).repeat(100)
    found, divergence = modes(real, real, 10)
    assert found == 10
    assert divergence.item() == pytest.approx(0, abs=1e-12)
    found, divergence = modes(real % 5, real, 10)
    assert found == 5
    assert divergence.item() == pytest.approx(np.log(2))
    # Fewer than 0.5 % of the examples are no mode.
    assert modes(torch.tensor([0] * 996 + [1] * 4), real, 10)[0] == 1
