"""StyleGAN2's operations against their definition, on the same small networks: a step of G and D without an optimizer.

The reference does what the paper writes: weights of their own for each image, scaled by its style and normalised, in
one grouped convolution (Karras et al. 2020, section 2.2), and resampling by zeros between the pixels, padding and a
filter on every pixel (appendix B). Both have the same weights and give the same images; the ratio of their times is
printed. `make bench`, or this file.
"""

import time
from collections.abc import Callable
from statistics import median
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.gan.noise_to_image.stylegan import layers, nets
from leyden.gan.noise_to_image.stylegan.nets import Discriminator, Generator

ROUNDS, STEPS, BATCH, SIDE = 5, 3, 32, 32


def filtered(images: Tensor, kernel: Tensor, up: int, down: int, before: int, behind: int) -> Tensor:
    """Zeros between the pixels, zeros around them, the filter, every ``down``th pixel."""
    count, channels, height, width = images.shape
    spread = images.reshape(count, channels, height, 1, width, 1)
    spread = F.pad(spread, (0, up - 1, 0, 0, 0, up - 1)).reshape(count, channels, height * up, width * up)
    weight = kernel.flip(0, 1).expand(channels, 1, -1, -1)
    maps = F.conv2d(F.pad(spread, (before, behind, before, behind)), weight, groups=channels)
    return maps[:, :, ::down, ::down]


def convolve(
    images: Tensor, weight: Tensor, kernel: Tensor, resample: layers.Resample | None, groups: int = 1
) -> Tensor:
    """A convolution behind the filter, or before it where the side is halved."""
    padding, taps = weight.shape[2] // 2, len(kernel)
    if resample == "up":
        spread = filtered(images, 4 * kernel, 2, 1, (taps + 1) // 2 + padding, (taps - 2) // 2 + padding)
        return F.conv2d(spread, weight, groups=groups)
    if resample == "down":
        maps = filtered(images, kernel, 1, 1, (taps - 1) // 2 + padding, (taps - 2) // 2 + padding)
        return F.conv2d(maps, weight, stride=2, groups=groups)
    return F.conv2d(images, weight, padding=padding, groups=groups)


def modulated(
    images: Tensor,
    weight: Tensor,
    styles: Tensor,
    kernel: Tensor,
    demodulate: bool = True,
    resample: layers.Resample | None = None,
) -> Tensor:
    """A group of channels for each image, with weights of its own."""
    count, channels, height, width = images.shape
    own = weight.unsqueeze(0) * styles.view(count, 1, channels, 1, 1)
    if demodulate:
        own = own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    maps = convolve(images.reshape(1, -1, height, width), own.flatten(0, 1), kernel, resample, groups=count)
    return maps.view(count, -1, *maps.shape[2:])


def upsample(images: Tensor, kernel: Tensor) -> Tensor:
    return filtered(images, 4 * kernel, 2, 1, (len(kernel) + 1) // 2, (len(kernel) - 2) // 2)


def step(generator: Generator, discriminator: Discriminator, noise: Tensor, real: Tensor) -> Tensor:
    """Forwards and backwards once as a training step does; the images."""
    fake = generator(noise)
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()).backward()
    F.softplus(-discriminator(fake)).mean().backward()
    return fake.detach()


def seconds(run: Callable[[], Tensor]) -> float:
    began = time.process_time()
    for _ in range(STEPS):
        run()
    return (time.process_time() - began) / STEPS


def main() -> None:
    torch.manual_seed(0)
    print(f"ms per step of {BATCH} images, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads, CPU time")
    for name, base in {"8 channels at 32 pixels": 8, "32 channels (default)": 32}.items():
        generator = Generator(1, SIDE, "modulation", base, 64, 64, 64, 2).eval()  # the same noise in both
        discriminator = Discriminator(1, SIDE, base, 64)
        noise, real = torch.randn(BATCH, 64), torch.rand(BATCH, 1, SIDE, SIDE) * 2 - 1

        def ours(
            g: Generator = generator, d: Discriminator = discriminator, x: Tensor = real, z: Tensor = noise
        ) -> Tensor:
            return step(g.to(memory_format=torch.channels_last), d.to(memory_format=torch.channels_last), z, x)

        def theirs(
            g: Generator = generator, d: Discriminator = discriminator, x: Tensor = real, z: Tensor = noise
        ) -> Tensor:
            definition = {"modulated_convolution": modulated, "convolve": convolve}
            with mock.patch.multiple(layers, **definition), mock.patch.object(nets, "upsample", upsample):
                return step(
                    g.to(memory_format=torch.contiguous_format), d.to(memory_format=torch.contiguous_format), z, x
                )

        torch.testing.assert_close(ours(), theirs(), rtol=1e-3, atol=1e-3)
        rounds = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
        mine, other = (1e3 * median(side) for side in zip(*rounds, strict=True))
        ratio = median(b / a for a, b in rounds)
        print(f"{name:24}  leyden {mine:7.1f}  definition {other:7.1f}  ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
