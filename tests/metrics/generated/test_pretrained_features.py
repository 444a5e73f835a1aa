from pathlib import Path

import pytest
import torch

from leyden.data.splits import fit_image
from leyden.metrics.generated.pretrained_features import PretrainedFeatures
from leyden.nets.zoo import backbone

CPU = torch.device("cpu")


@pytest.fixture
def weights(dev_data: Path) -> str:
    file = dev_data / "weights" / "squeezenet1_1_imagenet.pth"
    if not file.is_file():
        pytest.skip(f"no {file}")
    return str(file)


@pytest.mark.parametrize("channels", [1, 3])
def test_pooled_features_of_the_last_map(weights: str, channels: int) -> None:
    images = torch.randint(0, 256, (3, channels, 32, 32), dtype=torch.uint8)
    features = PretrainedFeatures("squeezenet1_1", weights, channels, CPU)
    found = features(images)
    assert found.shape == (3, features.dimensions) == (3, 512)
    colour = (fit_image(images, 224, 3) / 255 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    maps = features.net.run(colour)
    assert maps.shape == (3, 512, 13, 13)
    torch.testing.assert_close(found, maps.mean((2, 3)), rtol=1e-4, atol=1e-4)


def test_it_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    net = backbone("squeezenet1_1", 1, 224)
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    features = PretrainedFeatures("squeezenet1_1", str(tmp_path / "weights.pth"), 1, CPU)
    assert torch.equal(torch.rand(2), expected)
    torch.testing.assert_close(features.net.state_dict(), net.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "weights", "error", "message"),
    [
        ("squeezenet1_1", None, ValueError, "squeezenet1_1 needs weights: set model.extractor_weights"),
        ("squeezenet1_1", "/nowhere.pth", FileNotFoundError, "model.extractor_weights: no file or folder"),
        ("squeezenet", "imagenet", ValueError, "model.extractor='squeezenet': did you mean squeezenet1_"),
    ],
)
def test_unavailable_weights_name_the_cure(
    name: str, weights: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        PretrainedFeatures(name, weights, 3, CPU)
