"""Images of a description (Reed et al. 2016, "Generative Adversarial Text to Image Synthesis", GAN-CLS and GAN-INT).

Both networks are given a description t, encoded as a vector. The discriminator must tell three kinds of pairs apart,
so that it learns not only what is real but what fits (algorithm 1); t' is the description of another image:

    D:  -E ln D(x, t) - 1/2 [E ln(1 - D(x, t')) + E ln(1 - D(G(z, t), t))]
    G:  -E ln D(G(z, t), t)

G is also shown vectors between two descriptions, for which there is no image at all (section 4.3, eq. 5):

    G:  ... - E ln D(G(z, u), u),   u = (f(t1) + f(t2)) / 2

D is taught nothing about these: if it can tell whether image and text fit, G learns to fill what lies between. Where
the data say what descriptions are made of, ``recombined`` asks in the same way for whole descriptions instead, the
digit of one with the colour of another, of most of which there are images and of some there are none.

With descriptions of few words t' should not be any: one that differs in colour, digit and ground is rejected by the
colour, and D never learns to read. ``wrong_texts: nearest`` takes the description in the batch that shares the most
words with t and still says something else. Few of these differ in the ground alone, so that D learns grounds last;
``one_word`` exchanges the word of each factor in turn, and D sees all of these for one look at the image. G may be
asked for what tells them apart, too, on the logits l of D (``contrast``; the part for the image alone cancels):

    G:  ... - E ln sigmoid(l(G(z, t), t) - l(G(z, t), t'))

What D has not learnt to read, G never learns to draw. So G may also be asked for what a third network M finds in an
image, that learns from real pairs alone to prefer the own description (``matching``; the text-image matching loss of
Xu et al. 2018, "AttnGAN", section 3.2):

    M:  -E ln sigmoid(M(x, t) - M(x, t'))
    G:  ... - E ln sigmoid(M(G(z, t), t) - M(G(z, t), t'))

Where we depart: the encoder is a bag of words or a GRU that each network learns for itself, by its own loss, in place
of a character network that was trained before; descriptions whose label says that they mean the same never count as
t'; samples come from a moving average of G; the way that a network is given its description can be exchanged
(``text_in_generator``, ``text_in_discriminator``); M compares whole images with whole descriptions, t with one t' at a
time, learns beside the others, not before them, and normalises what G made as it does real images. What is DCGAN's
departs as in ``leyden.gan.noise_to_image.dcgan``.
"""

import logging
from typing import Unpack

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.columns import CaptionedTokens
from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer import build_tokenizer
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import Norm
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.text_to_image.encoders import Encoder
from leyden.gan.text_to_image.evaluation import DescriptionEvaluation
from leyden.gan.text_to_image.exchange import ExchangeWord, are_tokens
from leyden.gan.text_to_image.nets import (
    Discriminator,
    Generator,
    InDiscriminator,
    InGenerator,
    Matcher,
    TextOptions,
    check_ways,
)
from leyden.gan.text_to_image.options import DescriptionKwargs, DescriptionOptions
from leyden.gan.text_to_image.recombine import Recombine
from leyden.gan.text_to_image.sampler import DescriptionSampler
from leyden.gan.text_to_image.wrong_texts import WrongTexts, unpreferred, wrong_partners

log = logging.getLogger(__name__)

Prepared = tuple[Tensor, Tensor, CaptionedTokens]
"""Real images in -1..1, generated ones of the same descriptions, and the batch that has these."""


class TextToImage(AdversarialTask):
    """Trains the two networks on captioned uint8 images.

    ``best.ckpt`` is chosen by ``val/right``, the share of samples all of whose factors a classifier finds as described,
    or by ``val/fid`` where the data do not say what descriptions are made of.

    Args:
        channels: 1 for grey, 3 for RGB; given by the data.
        image_size: side of the images in pixels, 16, 32, 64 or 128; given by the data.
        tokenizer: of the captions; given by the data.
        context: tokens of a caption at most; given by the data.
        class_names: a caption for each description that says something else; given by the data.
        unseen: places in ``class_names`` of those that no training image has; given by the data.
        factors: what descriptions are made of: words by factor, one of each in a caption; empty where that is not
            known. Given by the data.
        encoder: "bag_of_words" or "gru".
        text_dim: numbers of an encoded description.
        compressed_dim: numbers that are left of them before they meet noise or features; 128 in the paper.
        text_in_generator: "join" to the noise, or "batch_norm": the scale and shift of each normalisation, too.
        text_in_discriminator: "join" to the features, or "projection" of one on the other.
        wrong_texts: with which other descriptions D also sees real images (GAN-CLS): "any"; the "nearest", which share
            the most words; those with "one_word" exchanged, or the nearest where data have no ``factors``; or "none".
        interpolation: weight of what lies between two descriptions in G's loss (GAN-INT); 0 leaves it out.
        recombined: weight of descriptions in G's loss that take each factor from one of two; 0, or data without
            ``factors``, leaves them out.
        contrast: weight of G's loss beside wrong descriptions, as ``wrong_texts`` finds them; 0 leaves it out.
        matching: weight of G's loss of a network that learns to match real images and descriptions, beside those with
            one word exchanged, or the nearest where data have no ``factors``; it sees what G made of recombined
            descriptions, where there are such, else of the batch's; 0 leaves the network out.
        lr_matching: Adam's rate of that network; its gradients' mean decays with 0.9, since nobody opposes it.
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        latent_dim: length of the noise vector.
        discriminator_norm: "batch" as in the paper, "layer" or "none"; a gradient penalty or R1 needs one of the last.
        options: see ``DescriptionOptions``.

    Raises:
        ValueError: ``image_size`` is not one of those, an option does not fit, or descriptions are not made of
            ``factors``.
    """

    options_type = DescriptionOptions
    options: DescriptionOptions

    def __init__(
        self,
        channels: int,
        image_size: int,
        tokenizer: TokenizerSpec,
        context: int,
        class_names: list[str],
        unseen: list[int],
        factors: dict[str, list[str]],
        encoder: Encoder = "bag_of_words",
        text_dim: int = 64,
        compressed_dim: int = 64,
        text_in_generator: InGenerator = "join",
        text_in_discriminator: InDiscriminator = "join",
        wrong_texts: WrongTexts = "any",
        interpolation: float = 0.0,
        recombined: float = 0.0,
        contrast: float = 0.0,
        matching: float = 0.0,
        lr_matching: float = 2e-3,
        base_channels: int = 64,
        latent_dim: int = 100,
        discriminator_norm: Norm = "batch",
        **options: Unpack[DescriptionKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        check_ways(text_in_generator, text_in_discriminator, wrong_texts)
        if self.criterion.loss.relative:
            raise ValueError(
                f"model.loss={self.options.loss} compares pairs of images, of which D sees three kinds here"
            )
        if contrast and wrong_texts == "none":
            raise ValueError(f"model.contrast={contrast:g} compares with wrong descriptions: set model.wrong_texts")
        self.wrong_texts, self.contrast, self.matching = wrong_texts, contrast, matching
        self.interpolation, self.recombined = interpolation, recombined
        words = build_tokenizer(tokenizer)
        self.recombine = Recombine(class_names, factors, words, context) if recombined and factors else None
        if recombined and not factors:
            log.warning("the data do not say what descriptions are made of: model.recombined is left out")
        self.exchange = None
        if (matching or wrong_texts == "one_word") and are_tokens(factors, words):
            self.exchange = ExchangeWord(class_names, unseen, factors, words)
        elif wrong_texts == "one_word":
            log.warning("no words of one token that descriptions are made of: model.wrong_texts=nearest is taken")
            self.wrong_texts = "nearest"
        text, image = TextOptions(encoder, words.size, text_dim, compressed_dim), (channels, image_size, base_channels)
        self.generator = Generator(text, *image, latent_dim, text_in_generator)
        self.discriminator = Discriminator(text, *image, discriminator_norm, text_in_discriminator)
        self.criterion.constrain(self.discriminator)
        matchers: dict[str, Player] = {}
        if matching:
            self.matcher = Matcher(text, *image)
            matchers["matcher"] = Player(self.matcher, self.matcher_loss, lr_matching, betas=(0.9, 0.999))
        self.set_players(
            **matchers,
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )
        self.sampler = DescriptionSampler(self.encode, self.draw, words, context, class_names, latent_dim)
        self.evaluation = DescriptionEvaluation(self.sampler, self.options, unseen, factors)

    def prepare(self, batch: CaptionedTokens) -> Prepared:
        """Real images x and generated ones G(z, t) of their descriptions, (N, C, S, S) in -1..1, and the batch."""
        real = to_signed(batch.images)
        self.sampler.learn(batch.tokens)
        with self.graph_for("generator"):
            return real, self.generator(self.sampler.noise(len(real)), batch.tokens, batch.lengths), batch

    def discriminator_loss(self, real: Tensor, fake: Tensor, batch: CaptionedTokens) -> Tensor:
        """-E ln D(x, t) - 1/2 [E ln(1 - D(x, t')) + E ln(1 - D(G(z, t), t))], or as ``loss`` says.

        () with a graph to D.
        """
        discriminator, fake = self.discriminator, fake.detach()
        texts, differ = self.with_wrong(discriminator.encode, batch, self.wrong_texts)
        on_fake = discriminator.fits(discriminator.look(self.criterion.augment(fake)), texts[0]).float()
        logits = discriminator.fits(discriminator.look(self.criterion.augment(real)), texts).float()
        on_real, on_wrong = logits[0], logits[1:][differ]
        self.watch(on_real, on_fake)
        loss = self.criterion.loss.discriminator(on_real, on_fake)
        if len(on_wrong):
            loss = (loss + self.criterion.loss.discriminator(on_real, on_wrong)) / 2
        return loss + self.criterion.penalty(lambda images: self.critic(images, batch), real, fake)

    def matcher_loss(self, real: Tensor, fake: Tensor, batch: CaptionedTokens) -> Tensor:
        """-E ln sigmoid(M(x, t) - M(x, t')), () with a graph to M; without wrong descriptions 0."""
        return self.mismatch(real, batch, learns=True)

    def mismatch(self, images: Tensor, batch: CaptionedTokens, learns: bool) -> Tensor:
        """How little M prefers the batch's descriptions to wrong ones for images (N, C, S, S) in -1..1: () loss.

        Where M does not learn it normalises by the statistics of real images: those of a batch of generated ones would
        hide what all of these have in common, such as gravel with the grain of grass.
        """
        self.matcher.train(learns)
        way: WrongTexts = "nearest" if self.exchange is None else "one_word"
        texts, differ = self.with_wrong(self.matcher.encode, batch, way)
        logits = self.matcher(self.criterion.augment(images), texts).float()
        return unpreferred(logits, differ)

    def with_wrong(self, encode: nn.Module, batch: CaptionedTokens, way: WrongTexts) -> tuple[Tensor, Tensor]:
        """The batch's descriptions, encoded (N, E), with K wrong ones behind each, found in this way.

        Returns:
            (1 + K, N, E), and which of the wrong ones, (K, N), say something else.
        """
        encoded = encode(batch.tokens, batch.lengths)
        if way == "one_word":
            assert self.exchange is not None
            tokens, differ = self.exchange(batch.tokens, batch.labels)
            wrong = encode(tokens.flatten(0, 1), batch.lengths.repeat(len(tokens)))
            return torch.cat([encoded[None], wrong.unflatten(0, differ.shape)]), differ
        if way == "none":
            return encoded[None], torch.zeros(0, len(encoded), dtype=torch.bool, device=encoded.device)
        others, differ = wrong_partners(batch, way)
        return torch.stack([encoded, encoded[others]]), differ[None]

    def generator_loss(self, real: Tensor, fake: Tensor, batch: CaptionedTokens) -> Tensor:
        """-E ln D(G(z, t), t), or as ``loss`` says, () with a graph to G; and what else the options ask for."""
        way: WrongTexts = self.wrong_texts if self.contrast else "none"
        texts, differ = self.with_wrong(self.discriminator.encode, batch, way)
        logits = self.discriminator.fits(self.discriminator.look(self.criterion.augment(fake)), texts).float()
        loss = self.criterion.loss.generator(logits[0], logits[0])
        loss = loss + self.contrast * unpreferred(logits, differ)
        if self.interpolation:
            networks = (self.generator, self.discriminator)
            between = [halfway(network.encode(batch.tokens, batch.lengths)) for network in networks]
            loss = loss + self.interpolation * self.loss_without_images(*between)[0]
        if self.recombine is not None:
            tokens, lengths, labels = self.recombine(batch.labels)
            encoded = [network.encode(tokens, lengths) for network in (self.generator, self.discriminator)]
            on_these, fake = self.loss_without_images(*encoded)
            loss = loss + self.recombined * on_these
            batch = batch._replace(tokens=tokens, lengths=lengths, labels=labels)
        if self.matching:
            loss = loss + self.matching * self.mismatch(fake, batch, learns=False)
        return loss

    def loss_without_images(self, for_generator: Tensor, for_discriminator: Tensor) -> tuple[Tensor, Tensor]:
        """G's loss () on descriptions (N, E), as either network encodes them, that D saw no image of; G's images."""
        images = self.generator.draw(self.sampler.noise(len(for_generator)), for_generator)
        maps = self.discriminator.look(self.criterion.augment(images))
        on_these = self.discriminator.fits(maps, for_discriminator).float()
        return self.criterion.loss.generator(on_these, on_these), images

    def critic(self, images: Tensor, batch: CaptionedTokens) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented, with the batch's texts."""
        return self.discriminator(self.criterion.augment(images), batch.tokens, batch.lengths).float()

    def encode(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The averaged generator's vectors (N, E) of descriptions, tokens (N, T) with lengths (N,)."""
        return self._averaged().encode(tokens, lengths)

    def draw(self, noise: Tensor, encoded: Tensor) -> Tensor:
        """uint8 images (N, C, S, S) of the averaged generator for noise (N, Z) and encoded descriptions (N, E)."""
        return to_uint8(self._averaged().draw(noise, encoded))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)

    def sample_prompt(self, prompt: str, count: int, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples of a description; see ``core.technique.SamplesPrompts``."""
        return self.sampler.sample_prompt(prompt, count, seed)

    def _averaged(self) -> Generator:
        network = self.ema.network.eval()
        assert isinstance(network, Generator)
        return network


def halfway(encoded: Tensor) -> Tensor:
    """Between each description and the one before it: vectors (N, E) of (N, E), with the paper's beta of 1/2."""
    return (encoded + encoded.roll(1, 0)) / 2
