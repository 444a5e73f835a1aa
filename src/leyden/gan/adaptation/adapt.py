"""A generator that has learnt one domain, adapted until the discriminator of another domain cannot tell.

G and D start from a source's weights, G_s and D_s, and go on as in ``leyden.gan.noise_to_image.dcgan`` on the target's
images x, perhaps few:

    D:  -E ln D(x) - E ln(1 - D(G(z)))
    G:  -E ln D(G(z)) + what ``method`` adds

``method`` says which weights learn, and what keeps G near G_s, so that it does not learn few images by heart:

    full       all weights learn; nothing is added.
    freeze_d   D's first layers are fixed (Mo, Cho and Shin 2020, "Freeze the Discriminator: a Simple Baseline for
               Fine-Tuning GANs").
    scale      of G only the scale and shift of its batch normalisation learn (Noguchi and Harada 2019, "Image
               Generation from Small Datasets via Batch Statistics Adaptation").
    ewc        + ewc_weight sum_i F_i (w_i - w_s,i)^2, F the Fisher information of G_s's weights, its log-likelihood
               being ln D_s(G_s(z)) (Li et al. 2020, "Few-shot Image Generation with Elastic Weight Consolidation",
               eqs. 2 and 3).
    cdc        + correspondence_weight times the KL divergence of two softmax distributions, over how similar an image's
               features are to those of the other images of a batch, in G_s and in G (Ojha et al. 2021, "Few-shot Image
               Generation via Cross-domain Correspondence", eqs. 2 and 3). With ``patch_share``, so much of a batch is
               looked at by D's first layers alone, patch by patch (section 3.2); the rest lies around ``anchors`` of
               fixed noise and is looked at whole: few images have to be matched from a part of the noise only.
    scratch    random weights instead of the source's: what adaptation is to be better than.

Where we depart: the networks are DCGAN's. Noguchi's paper learns by a perceptual loss on given noise, without D. EWC's
F is divided by its mean, so that its weight does not depend on the size of networks. In cdc all pairs of
``correspondence_images`` count on all hidden layers, where the authors draw a layer for each image; the source
normalises by its running statistics. The samples are a moving average's, as everywhere here.
"""

from typing import Unpack

import torch
from torch import Tensor, nn

from leyden.core.attached import attached_data
from leyden.core.seeding import mix
from leyden.core.technique import Predictions
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import Unpaired
from leyden.gan.adaptation.evaluation import AdaptationEvaluation
from leyden.gan.adaptation.losses import correspondence, elastic_penalty, fisher_information, normalised
from leyden.gan.adaptation.methods import METHODS, Method, first_layers, freeze_first, scale_only, with_maps
from leyden.gan.adaptation.options import AdaptationKwargs, AdaptationOptions
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import DCGAN, Discriminator, Generator, Norm, initialise
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.noise_to_image.trained_dcgan import TRAIN, Recipe, recorded_dcgan, states_of, trained_dcgan
from leyden.gan.pixels import to_signed, to_uint8


class Adaptation(AdversarialTask):
    """Adapts a DCGAN to the target domain of ``data=gan/adaptation``.

    Args:
        class_names: of the source domain; only the evaluation uses classes.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        source: "train" trains the source on domain A first, in the same run, and keeps it; or the folder of a run of
            ``gan/dcgan`` with these networks.
        method: see above: "full", "freeze_d", "scale", "ewc", "cdc" or "scratch".
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        latent_dim: length of the noise vector.
        generator_norm: "batch", "layer" or "none".
        discriminator_norm: "batch", "layer" or "none"; a gradient penalty or R1 needs one of the last two.
        options: see ``AdaptationOptions``.

    Raises:
        ValueError: there is no such method, ``image_size`` is not one of those, or an option does not fit.
    """

    options_type = AdaptationOptions
    options: AdaptationOptions
    adapting: Tensor
    """() bool: the source has been taken over; what is resumed does not take it anew."""
    anchors: Tensor
    """(``options.anchors``, latent_dim) noise around which images are looked at whole."""

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        source: str = TRAIN,
        method: Method = "cdc",
        base_channels: int = 64,
        latent_dim: int = 100,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        **options: Unpack[AdaptationKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if method not in METHODS:
            raise ValueError(f"model.method={method}: one of {', '.join(METHODS)}")
        self.source, self.method = source, method
        self.networks = {
            "channels": channels, "image_size": image_size, "base_channels": base_channels, "latent_dim": latent_dim,
            "generator_norm": generator_norm, "discriminator_norm": discriminator_norm,
        }  # fmt: skip
        self.sampler = NoiseSampler(self.generate, latent_dim, [])
        self.evaluation = AdaptationEvaluation(self)
        self.generator = Generator(channels, image_size, base_channels, latent_dim, generator_norm)
        self.discriminator = Discriminator(channels, image_size, base_channels, discriminator_norm)
        self.patches = nn.Conv2d(2 * base_channels, 1, 3)  # on maps of a quarter of the side
        for network in (self.generator, self.discriminator, self.patches):
            initialise(network)
        self.criterion.constrain(self.discriminator)
        self.source_generator = Generator(channels, image_size, base_channels, latent_dim, generator_norm)
        self.source_generator.requires_grad_(False)
        self.register_buffer("adapting", torch.tensor(False))
        anchor_count = max(1, self.options.anchors)
        self.register_buffer(
            "anchors", torch.randn(anchor_count, latent_dim, generator=torch.Generator().manual_seed(1))
        )
        self.fisher = nn.Module()  # of buffers that are named as the weights, with _ for .
        if method == "ewc":
            for name, weight in self.generator.named_parameters():
                self.fisher.register_buffer(name.replace(".", "_"), torch.zeros_like(weight))
        if method == "freeze_d":
            freeze_first(self.discriminator, self.options.frozen_layers)
        if method == "scale":
            scale_only(self.generator)
        critics = nn.ModuleList([self.discriminator, self.patches] if self.patch_share else [self.discriminator])
        self.set_players(
            discriminator=Player(critics, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    @property
    def patch_share(self) -> float:
        """Share of a batch that is looked at patch by patch."""
        return self.options.patch_share if self.method == "cdc" else 0.0

    # The source.

    def on_fit_start(self) -> None:
        """Takes the source's weights over, unless a checkpoint brought them."""
        if self.adapting:
            return
        generator, discriminator = states_of(self, self._find_source)
        self.source_generator.load_state_dict(generator)
        if self.method != "scratch":
            self.generator.load_state_dict(generator)
            self.discriminator.load_state_dict(discriminator)
            self.ema.network.load_state_dict(generator)
        if self.method == "ewc":
            self.weigh()
        self.adapting.fill_(True)

    def _find_source(self) -> DCGAN:
        if self.source != TRAIN:
            return recorded_dcgan(self.source, self.networks, "model.source", {})
        data = attached_data(self.trainer, AdaptationImages)
        if data is None:
            raise ValueError("gan/adapt learns from data=gan/adaptation: trainer.fit(model, datamodule=data)")
        o = self.options
        recipe = Recipe(o.source_steps, o.source_batch_size, dict(o.source_options), o.source_cache, o.source_seed)
        return trained_dcgan(data.domain("a", "train"), self.networks, recipe, "source_gan")

    def weigh(self) -> None:
        """Computes how much each of the generator's weights matters to the source's discriminator."""

        def likelihood(noise: Tensor) -> Tensor:
            return nn.functional.logsigmoid(self.discriminator(self.generator(noise))).sum()

        training = {network: network.training for network in (self.generator, self.discriminator)}
        drawn_by = torch.Generator().manual_seed(mix(self.options.source_seed, 6))  # in all runs the same images
        noise = self.sampler.noise(self.options.fisher_samples, drawn_by)
        for network in training:
            network.eval()  # each image by itself: a batch's statistics would mix them
        found = fisher_information(likelihood, dict(self.generator.named_parameters()), noise)
        for network, was in training.items():
            network.train(was)
        for name, values in normalised(found).items():
            self.fisher.get_buffer(name.replace(".", "_")).copy_(values)

    # A step.

    def prepare(self, batch: Unpaired) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
        """The target's images x, as many G(z) in -1..1, their maps in G's layers, and z.

        With patches, the first images of G(z) are those around the anchors.
        """
        real = to_signed(batch.b.images)
        noise = self.sampler.noise(len(real))
        if (whole := self.whole(len(real))) < len(real) and self.options.anchors:
            chosen = torch.randint(len(self.anchors), (whole,), device=noise.device)
            noise = torch.cat([self.anchors[chosen] + self.options.anchor_noise * noise[:whole], noise[whole:]])
        with self.graph_for("generator"):
            fake, maps = with_maps(self.generator, noise)
            return real, fake, maps, noise

    def whole(self, count: int) -> int:
        """How many of a batch's images are looked at whole."""
        return round(count * (1 - self.patch_share))

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(images)).float()

    def patch_critic(self, images: Tensor) -> Tensor:
        """Float32 logits (N * patches,) of the patches of images (N, C, S, S), by D's first two convolutions."""
        maps = self.criterion.augment(images)
        for layer in first_layers(self.discriminator, 2):
            maps = layer(maps)
        return self.patches(maps).float().flatten()

    def discriminator_loss(self, real: Tensor, fake: Tensor, maps: list[Tensor], noise: Tensor) -> Tensor:
        """-E ln D(x) - E ln(1 - D(G(z))), or as ``loss`` says, of images and, by their share, of patches."""
        whole, fake = self.whole(len(fake)), fake.detach()
        loss = torch.zeros((), device=fake.device)
        if whole:
            loss = self.criterion.discriminator_loss(self.critic, real, fake[:whole], self.watch)
        if whole < len(fake):
            watch = None if whole else self.watch
            patches = self.criterion.discriminator_loss(self.patch_critic, real, fake[whole:], watch)
            loss = (1 - self.patch_share) * loss + self.patch_share * patches
        return loss

    def generator_loss(self, real: Tensor, fake: Tensor, maps: list[Tensor], noise: Tensor) -> Tensor:
        """-E ln D(G(z)), or as ``loss`` says, and what the method adds, () with a graph to G."""
        whole = self.whole(len(fake))
        loss = torch.zeros((), device=fake.device)
        if whole:
            loss = self.criterion.generator_loss(self.critic, real, fake[:whole])
        if whole < len(fake):
            patches = self.criterion.generator_loss(self.patch_critic, real, fake[whole:])
            loss = (1 - self.patch_share) * loss + self.patch_share * patches
        if self.method == "ewc":
            loss = loss + self.options.ewc_weight * self.elastic()
        if self.method == "cdc":
            loss = loss + self.options.correspondence_weight * self.correspondence(maps, noise)
        return loss

    def elastic(self) -> Tensor:
        """How far weights that matter have moved from the source's, () with a graph to G."""
        weights = dict(self.generator.named_parameters())
        fisher = {name: self.fisher.get_buffer(name.replace(".", "_")) for name in weights}
        return elastic_penalty(weights, dict(self.source_generator.named_parameters()), fisher)

    def correspondence(self, maps: list[Tensor], noise: Tensor) -> Tensor:
        """How differently G and the source arrange a batch's last images among each other, () with a graph to G."""
        last = slice(-min(len(noise), self.options.correspondence_images), None)  # around anchors: the first
        with torch.no_grad():
            theirs = with_maps(self.source_generator.eval(), noise[last])[1]
        return correspondence([own[last] for own in maps], theirs)

    # Samples.

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim); labels have no meaning."""
        return to_uint8(self.ema(noise))

    def before(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same of the source's generator."""
        return to_uint8(self.source_generator.eval()(noise))

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples: the source's image of some noise, then the adapted one."""
        return self.sampler.sample_beside({"source": self.before, "adapted": self.generate}, count, label, seed)
