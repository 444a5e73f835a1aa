import torch
from sklearn.linear_model import Ridge
from torchvision.ops import box_convert

from leyden.detection.boxes.box_coder import decode, encode
from leyden.detection.svm_stage.box_regression import ridge, train_regression, whitening


def test_one_feature_has_the_closed_form():
    # beta = sum x y / (sum x^2 + penalty)
    x, y = torch.tensor([[1.0], [2], [3]]), torch.tensor([[2.0], [4], [6]])
    torch.testing.assert_close(ridge(x, y, 14.0), torch.tensor([[28.0 / 28.0]]))
    torch.testing.assert_close(ridge(x, y, 0.0), torch.tensor([[2.0]]))


def test_ridge_is_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 8, generator=generator).double()
    y = torch.randn(50, 4, generator=generator).double()
    theirs = Ridge(alpha=3.0, fit_intercept=False).fit(x.numpy(), y.numpy()).coef_
    torch.testing.assert_close(ridge(x, y, 3.0), torch.from_numpy(theirs.T))


def test_whitened_offsets_have_covariance_one_and_come_back():
    generator = torch.Generator().manual_seed(1)
    mix = torch.randn(4, 4, generator=generator)
    offsets = (torch.randn(500, 4, generator=generator) @ mix + torch.tensor([1.0, 2, 3, 4])).double()
    mean, whiten, colour = whitening(offsets)
    white = (offsets - mean) @ whiten
    covariance = white.T @ white / len(white)
    # D / (D + 0.001) instead of 1
    variances = torch.linalg.eigvalsh((offsets - mean).T @ (offsets - mean) / len(offsets))
    torch.testing.assert_close(torch.linalg.eigvalsh(covariance), variances / (variances + 0.001))
    torch.testing.assert_close(white @ colour + mean, offsets)
    torch.testing.assert_close(whiten, whiten.T)


def test_regression_is_the_closed_form():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(40, 6, generator=generator)
    offsets = 0.1 * torch.randn(40, 4, generator=generator) + 0.3
    found = train_regression(x, offsets, 5.0)
    mean, whiten, colour = whitening(offsets.double())
    wide = torch.cat([x, torch.ones(40, 1)], 1).double()
    beta = torch.linalg.inv(wide.T @ wide + 5 * torch.eye(7).double()) @ wide.T @ ((offsets.double() - mean) @ whiten)
    expected = wide @ beta @ colour + mean
    torch.testing.assert_close((x @ found.weight + found.bias).double(), expected, atol=1e-5, rtol=1e-4)


def test_perfect_features_move_boxes_onto_objects():
    generator = torch.Generator().manual_seed(3)
    low = 40 * torch.rand(200, 2, generator=generator)
    proposals = torch.cat([low, low + 20 + 20 * torch.rand(200, 2, generator=generator)], 1)
    objects = proposals + 4 * torch.randn(200, 4, generator=generator)
    priors = box_convert(proposals, "xyxy", "cxcywh")
    offsets = encode(objects, priors, (1.0, 1.0))
    features = torch.cat([offsets, torch.randn(200, 3, generator=generator)], 1) * 20
    found = train_regression(features, offsets, 1e-3)
    moved = decode(features @ found.weight + found.bias, priors, (1.0, 1.0))
    torch.testing.assert_close(moved, objects, atol=1e-2, rtol=0)
    # The greater the penalty, the nearer to the mean offset; the mean itself costs nothing.
    stiff = train_regression(features, offsets, 1e12)
    torch.testing.assert_close(features @ stiff.weight + stiff.bias, offsets.mean(0).expand(200, 4), atol=1e-4, rtol=0)


def test_without_examples_nothing_moves():
    found = train_regression(torch.zeros(0, 5), torch.zeros(0, 4))
    assert found.weight.abs().max() == 0
    assert found.bias.abs().max() == 0
