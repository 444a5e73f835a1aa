import pytest
import torch

from leyden.visualization.embedding import embed


def two_clusters() -> torch.Tensor:
    """40 points in 16 dimensions: the first and the second 20 are twenty deviations apart."""
    features = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    features[20:, 0] += 20
    return features


def test_far_clusters_stay_apart() -> None:
    plane = embed(two_clusters())
    assert plane.shape == (40, 2)
    assert plane.dtype == torch.float32
    nearest = (torch.cdist(plane, plane) + torch.eye(40) * 1e9).argmin(1)
    assert torch.equal(nearest < 20, torch.arange(40) < 20)
    gap = (plane[:20].mean(0) - plane[20:].mean(0)).norm()
    assert gap > 2 * plane[:20].std(0).norm()


def test_the_same_seed_gives_the_same_picture() -> None:
    assert torch.equal(embed(two_clusters(), seed=3), embed(two_clusters(), seed=3))


def test_features_with_graph_or_half_precision() -> None:
    assert embed(two_clusters().bfloat16().requires_grad_()).isfinite().all()


def test_a_collapsed_network_lies_on_one_point() -> None:
    assert torch.equal(embed(torch.full((12, 8), 0.3)), torch.zeros(12, 2))


def test_the_fewest_points() -> None:
    assert embed(two_clusters()[:5]).isfinite().all()
    with pytest.raises(ValueError, match="N >= 5"):
        embed(two_clusters()[:4])
    with pytest.raises(ValueError, match="F >= 2"):
        embed(two_clusters()[:, :1])


def test_values_that_are_not_finite_are_refused() -> None:
    features = two_clusters()
    features[3, 2] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        embed(features)
