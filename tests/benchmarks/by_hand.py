"""The loops that a person writes by hand, one per technique: networks are Leyden's, everything else is plain PyTorch.

Each function takes a technique for its networks and numbers, and gives what trains them on one batch.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler

from leyden.gan.adaptation.losses import correspondence
from leyden.gan.adaptation.methods import with_maps
from leyden.gan.augment import cutout, translate
from leyden.gan.super_resolution.perceptual import train_perceptual
from leyden.nets.memory_format import arrange

Step = Callable[..., None]
"""Of a batch's columns: uint8 images (B, C, S, S) and their targets, as a rule."""


def classifier(model: Any) -> Step:
    adam = Adam(model.parameters(), 1e-3)

    def step(images: Tensor, labels: Tensor) -> None:
        descend(adam, F.cross_entropy(model.net(images.float() / 255), labels))

    return step


def gan(model: Any) -> Step:
    """Vanilla and DCGAN, which differ by their networks."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)

    def critic(images: Tensor) -> Tensor:
        return d(augmented(images, model)).float()

    def step(images: Tensor, _: Any) -> None:
        real = images.float() / 127.5 - 1
        fake = g(torch.randn(len(real), model.sampler.latent_dim))
        descend(adams[1], F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean())
        d.requires_grad_(False)
        descend(adams[0], F.softplus(-critic(fake)).mean())
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def adaptation(model: Any) -> Step:
    """A DCGAN whose images stay as similar to each other as those of its source (cross-domain correspondence)."""
    g, d, source, average = model.generator, model.discriminator, model.source_generator, deepcopy(model.generator)
    adams, schedules = adams_of(model)
    some = model.options.correspondence_images

    def critic(images: Tensor) -> Tensor:
        return d(augmented(images, model)).float()

    def step(images: Tensor) -> None:
        real, noise = images.float() / 127.5 - 1, torch.randn(len(images), model.sampler.latent_dim)
        fake, maps = with_maps(g, noise)
        descend(adams[1], F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean())
        d.requires_grad_(False)
        with torch.no_grad():
            theirs = with_maps(source.eval(), noise[:some])[1]
        kept = correspondence([own[:some] for own in maps], theirs)
        descend(adams[0], F.softplus(-critic(fake)).mean() + model.options.correspondence_weight * kept)
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def conditional(model: Any) -> Step:
    """The class as one more channel; ``model.condition`` is "concatenate"."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)

    def critic(images: Tensor, labels: Tensor) -> Tensor:
        return d(augmented(images, model), labels).float()

    def step(images: Tensor, labels: Tensor) -> None:
        real = images.float() / 127.5 - 1
        fake = g(torch.randn(len(real), model.sampler.latent_dim), labels)
        descend(adams[1], F.softplus(-critic(real, labels)).mean() + F.softplus(critic(fake.detach(), labels)).mean())
        d.requires_grad_(False)
        descend(adams[0], F.softplus(-critic(fake, labels)).mean())
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def stylegan(model: Any) -> Step:
    """With R1 every 16th batch and adapted shifts, as gan_stylegan has them; no path length."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)
    batches, p, signs = 0, 0.0, 0.0

    def critic(images: Tensor) -> Tensor:
        moved = translate(images, model.options.translation)
        return d(torch.where(torch.rand(len(images), 1, 1, 1) < p, moved, images)).float()

    def step(images: Tensor, _: Any) -> None:
        nonlocal batches, p, signs
        batches += 1
        real = images.float() / 127.5 - 1
        fake = g(torch.randn(len(real), model.sampler.latent_dim))
        on_real = critic(real)
        signs += on_real.detach().sign().mean().item()
        if batches % 4 == 0:
            p, signs = min(max(p + (4 * len(real) / 20000 if signs / 4 > 0.6 else -4 * len(real) / 20000), 0), 1), 0.0
        descend(adams[1], F.softplus(-on_real).mean() + F.softplus(critic(fake.detach())).mean())
        if batches % model.r1_every == 0:
            real.requires_grad_(True)
            (slope,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
            descend(adams[1], model.r1_every * model.options.r1 / 2 * slope.square().sum((1, 2, 3)).mean())
        d.requires_grad_(False)
        descend(adams[0], F.softplus(-critic(fake)).mean())
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def lapgan(model: Any) -> Step:
    """A GAN per level, the losses summed: two levels, the finer one told the low pass, and at rest on most batches."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)
    batches = 0

    def pyramid(images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        small = F.avg_pool2d(images, 2)
        low_pass = F.interpolate(small, scale_factor=2, mode="bilinear")
        return [images - low_pass, small], [low_pass, torch.zeros_like(small)]

    def critic(first: int, details: list[Tensor], low_passes: list[Tensor]) -> list[Tensor]:
        triples = zip(d[first:], details, low_passes, strict=True)
        return [net(augmented(low + detail, model), None).float() for net, detail, low in triples]

    def step(images: Tensor, _: Any) -> None:
        nonlocal batches
        first = 1 if batches % model.detail_every else 0
        batches += 1
        real, low_passes = (levels[first:] for levels in pyramid(images.float() / 127.5 - 1))
        noise = [torch.randn(len(images), size) for size in model.noise_sizes[first:]]
        fake = [net(z, low, None) for net, z, low in zip(g[first:], noise, low_passes, strict=True)]
        on_real = critic(first, real, low_passes)
        on_fake = critic(first, [detail.detach() for detail in fake], low_passes)
        descend(adams[1], sum(F.softplus(-x).mean() for x in on_real) + sum(F.softplus(x).mean() for x in on_fake))
        d.requires_grad_(False)
        descend(adams[0], sum(F.softplus(-x).mean() for x in critic(first, fake, low_passes)))
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def colourise(model: Any) -> Step:
    """pix2pix from lightness to colours, without hints."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)

    def step(lightness: Tensor, ab: Tensor, _: Tensor) -> None:
        seen, real = lightness / 50 - 1, ab / 110
        fake = g(seen).float()

        def critic(colours: Tensor) -> Tensor:
            return d(torch.cat([seen, colours], 1)).float()

        descend(adams[1], F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean())
        d.requires_grad_(False)
        adversarial = F.softplus(-critic(fake)).mean()
        descend(adams[0], model.l1_weight * F.l1_loss(fake, real) + model.adversarial_weight * adversarial)
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def context_encoder(model: Any) -> Step:
    """The squared error in the hole and around it, and D on completed images."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)

    def step(images: Tensor, holes: Tensor) -> None:
        real, known = images.float() / 127.5 - 1, ~holes
        mean = (real * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        made = g(torch.cat([torch.where(holes, mean, real), holes.float()], 1)).float()
        completed = torch.where(holes, made, real)
        descend(adams[1], F.softplus(-d(real).float()).mean() + F.softplus(d(completed.detach()).float()).mean())
        d.requires_grad_(False)
        wide = F.max_pool2d(holes.float(), 2 * model.overlap + 1, 1, model.overlap)
        weight = holes + model.overlap_weight * (wide - holes.float())
        error = (weight * (made - real).square()).sum() / weight.sum() / real.shape[1]
        adversarial = F.softplus(-d(completed).float()).mean()
        descend(adams[0], model.reconstruction_weight * error + model.adversarial_weight * adversarial)
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def srresnet(model: Any) -> Step:
    g, average = model.generator, deepcopy(model.generator)
    adams, schedules = adams_of(model)

    def step(images: Tensor, _: Any) -> None:
        real = images.float() / 127.5 - 1
        descend(adams[0], F.mse_loss(g(shrunk(images, model.scale)).float(), real))
        update_ema(average, g, model.options.ema_decay)
        advance(schedules[:1])

    return step


def srgan(model: Any) -> Step:
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)
    size = (64, model.channels, model.hparams["image_size"], model.hparams["image_size"])
    # What its features are does not matter here.
    features = train_perceptual(torch.randint(256, size, dtype=torch.uint8), "conv2", steps=1)
    arrange(features.network, model.options.memory_format)

    def step(images: Tensor, _: Any) -> None:
        real = images.float() / 127.5 - 1
        fake = g(shrunk(images, model.scale)).float()
        descend(adams[1], F.softplus(-d(real).float()).mean() + F.softplus(d(fake.detach()).float()).mean())
        d.requires_grad_(False)
        with torch.no_grad():
            seen = features(real)
        content = F.mse_loss(features(fake), seen) + model.pixel_weight * F.mse_loss(fake, real)
        descend(adams[0], content + model.adversarial_weight * F.softplus(-d(fake).float()).mean())
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def voxels(model: Any) -> Callable[..., None]:
    """Shapes from silhouettes, views left out at random; without an adversary."""
    g, average = model.generator, deepcopy(model.generator)
    adam = Adam(g.parameters(), model.options.lr_generator, model.options.betas, fused=True)
    schedule = LinearLR(adam, 1, 0, 10000)
    weight = torch.tensor(model.positive_weight)

    def step(silhouettes: Tensor, volumes: Tensor, *_: Tensor) -> None:
        given = torch.rand(silhouettes.shape[:2]) >= model.view_dropout
        given[:, 0] = True
        logits = g((2 * silhouettes.float() - 1) * given[..., None, None])
        descend(adam, F.binary_cross_entropy_with_logits(logits[:, 0], volumes.float(), pos_weight=weight))
        schedule.step()
        update_ema(average, g, model.options.ema_decay)

    return step


def prgan(model: Any) -> Step:
    """Shapes from unlabelled silhouettes; the discriminator rests while it is too good."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = adams_of(model)
    accuracy = 0.5

    def step(images: Tensor, _: Any) -> None:
        nonlocal accuracy
        real, noise = images.float() / 127.5 - 1, torch.randn(len(images), model.sampler.latent_dim)
        fake = model.silhouettes(g(noise[:, :-1]).sigmoid()[:, 0], model.yaw(noise))
        if accuracy < model.rest.limit:
            descend(adams[1], F.softplus(-d(real)[0]).mean() + F.softplus(d(fake.detach())[0]).mean())
        d.requires_grad_(False)
        with torch.no_grad():
            on_real, of_real = d(real)
        on_fake, of_fake = d(fake)
        accuracy = float(((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2)
        apart = F.mse_loss(of_fake.mean(0), of_real.mean(0))
        descend(adams[0], F.softplus(-on_fake).mean() + model.feature_matching * apart)
        d.requires_grad_(True)
        update_ema(average, g, model.options.ema_decay)
        advance(schedules)

    return step


def detector(model: Any) -> Step:
    from leyden.detection.ssd import ssd_loss

    adam = AdamW(model.parameters(), 1e-3)

    def step(images: Tensor, targets: list) -> None:
        offsets, logits = model.net(images)
        localisation, confidence = ssd_loss(offsets, logits, *model.assign(targets))
        descend(adam, localisation + confidence)

    return step


def shrunk(images: Tensor, scale: int) -> Tensor:
    """Bicubic, rounded as a file would be, in 0..1."""
    side = images.shape[-1] // scale
    small = F.interpolate(images.float(), size=(side, side), mode="bicubic", antialias=True)
    return small.round().clamp(0, 255) / 255


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def adams_of(model: Any) -> tuple[list[Adam], list[LRScheduler]]:
    """Of G and D, and what lets their rates fall where the lab's do."""
    players = (model.players["generator"], model.players["discriminator"])
    adams = [Adam(player.network.parameters(), player.lr, model.options.betas, fused=True) for player in players]
    return adams, [] if model.options.schedule == "constant" else [LinearLR(adam, 1, 0, 10000) for adam in adams]


def advance(schedules: list[LRScheduler]) -> None:
    for schedule in schedules:
        schedule.step()


def augmented(images: Tensor, model: Any) -> Tensor:
    """Differentiable augmentation, as much as the lab has."""
    return cutout(translate(images, model.options.translation), model.options.cutout)


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, decay: float) -> None:
    """The moving average of weights; batch statistics too."""
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(new)
