"""The convolutional part of LeNet's shape with which domain adaptation reads digits.

Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", the network of MNIST to MNIST-M, which takes its
shape from LeCun et al. 1998: 5x5 convolutions of 32 and 48 channels without padding, each with ReLU and a
2x2 max pooling of stride 2. There is no batch norm, and features are not averaged over places: of 28 px images they are
a vector of 48 * 4 * 4 = 768. The paper's classifier on it has two hidden layers of 100.
"""

from torch import nn


def lenet(channels: int) -> dict[str, nn.Module]:
    """The stages, by name, in the order in which they run: images (B, channels, S, S), S >= 16, to vectors.

    Args:
        channels: of the images.
    """
    return {
        "conv1": nn.Sequential(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
        "conv2": nn.Sequential(nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    }
