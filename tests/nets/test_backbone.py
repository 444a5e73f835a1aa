import pytest
import torch
from torch import Tensor, nn

from leyden.nets.backbone import Backbone, StageShape, pool


def new_backbone(channels: int = 3, image_size: int = 9, takes: int = 3) -> Backbone:
    torch.manual_seed(0)
    stages = {
        "low": nn.Sequential(nn.Conv2d(takes, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        "high": nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.Dropout(0.5)),
        "fc": nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)),
    }
    return Backbone("own", stages, channels, image_size, takes)


def images(channels: int = 3, size: int = 9) -> Tensor:
    return torch.randint(
        0, 256, (2, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_stages_are_described_and_stay_as_they_were() -> None:
    net = new_backbone()
    assert net.stage_names == ["low", "high", "fc"]
    assert net.shapes == [
        StageShape("low", 4, (9, 9), 1),
        StageShape("high", 6, (4, 4), 2),
        StageShape("fc", 5, None, None),
    ]
    assert net.num_features == 5
    assert all(module.training for module in net.modules())
    assert all(parameter.device.type == "cpu" for parameter in net.parameters())
    assert int(net.stages["low"][1].num_batches_tracked) == 0  # measured without running a batch through it


def test_images_are_normalised_by_channel() -> None:
    net = new_backbone()
    net.mean.copy_(torch.tensor([0.1, 0.2, 0.4]))
    net.std.copy_(torch.tensor([0.5, 1.0, 2.0]))
    whole = images().double() / 255
    for channel, (mean, std) in enumerate([(0.1, 0.5), (0.2, 1.0), (0.4, 2.0)]):
        torch.testing.assert_close(net.normalise(images())[:, channel].double(), (whole[:, channel] - mean) / std)
    fresh = new_backbone().normalise(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    torch.testing.assert_close(fresh, torch.tensor([-1.0, 1.0]).expand(1, 3, 1, 2))  # before any weights say else


def test_normalisation_travels_with_the_weights() -> None:
    giver, taker = new_backbone(), new_backbone()
    giver.mean.fill_(0.3)
    taker.load_state_dict(giver.state_dict())
    assert (taker.mean == torch.tensor(0.3)).all()


def test_features_are_the_stages_one_after_another() -> None:
    net = new_backbone().eval()
    x = net.normalise(images())
    low = net.stages["low"](x)
    high = net.stages["high"](low)
    features = net.stages["fc"](high)
    maps = net.maps(images())
    for name, value in {"low": low, "high": high, "fc": features}.items():
        assert torch.equal(maps[name], value)
    assert torch.equal(net(images()), features)
    assert torch.equal(net.run(low, 1), features)
    assert torch.equal(net.run(x, 0, 2), high)
    assert torch.equal(net.run(x, 1, 1), x)


def test_grey_images_look_like_colour_of_equal_channels() -> None:
    net = new_backbone(channels=1).eval()
    assert torch.equal(net(images(1)), net(images(1).expand(-1, 3, -1, -1)))
    net.mean.copy_(torch.tensor([0.1, 0.2, 0.4]))
    assert torch.equal(net(images(1)), net(images(1).expand(-1, 3, -1, -1)))


def test_what_is_cut_off_is_gone() -> None:
    net = new_backbone().eval()
    high = net.maps(images())["high"]
    net.truncate(["low", "high"])
    assert net.stage_names == ["low", "high"]
    assert [shape.name for shape in net.shapes] == ["low", "high"]
    assert net.num_features == 6
    assert torch.equal(net(images()), high.mean((2, 3)))
    assert not any("fc" in key for key in net.state_dict())


def test_pooling_means_over_places_and_leaves_vectors() -> None:
    x = torch.arange(12.0).view(1, 3, 2, 2)
    assert pool(x).tolist() == [[1.5, 5.5, 9.5]]
    assert torch.equal(pool(pool(x)), pool(x))


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=rf"own takes images of 3 channels \(or grey ones\), not of {channels}"):
        new_backbone(channels=channels)


def test_too_small_images_name_the_least_size() -> None:
    with pytest.raises(ValueError, match=r"own needs images of at least 3 pixels, got 2: set data\.image_size"):
        new_backbone(image_size=2)
    assert new_backbone(image_size=3).eval()(images(size=3)).shape == (2, 5)
