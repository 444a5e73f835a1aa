"""CLIP (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision").

An image encoder f and a text encoder g end in embeddings of length 1 in one space. Of a batch of N images with their
texts, each image must find its text and each text its image (figure 3):

    x_i = f(image_i) / |f(image_i)|,   y_j = g(text_j) / |g(text_j)|,   s_ij = x_i y_j / tau,
    loss = ( mean_i -log softmax_j(s)_ii  +  mean_j -log softmax_i(s)_jj ) / 2,

with a temperature tau that is learnt as log(1 / tau), begins at 0.07 and never multiplies by more than 100 (section
2.5). A loss of log(N) means that all embeddings are alike, so nothing was learnt: ``val/loss_uninformed``.

What is never trained on can be named: of any texts, the one that lies nearest to an image is its description
(section 3.1).

Under DDP the embeddings of all ranks are gathered with their gradients: N is the batch of all ranks together.

Departures from the paper: where two images of a batch have the same description, neither is a wrong answer for the
other (the paper's 400 million texts hardly ever meet their like, 180 descriptions do in every batch); a small backbone
for small images; a cosine learning rate whose warm-up is a share of the run.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.distributed as dist
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.captions import as_tokens
from leyden.data.columns import CaptionedTokens
from leyden.data.specs import TokenizerSpec
from leyden.data.splits import fit_image
from leyden.data.text.tokenizer import build_tokenizer
from leyden.multimodal.clip.encoders import ImageEncoder, TextEncoder
from leyden.multimodal.clip.evaluation import MatchingEvaluator
from leyden.multimodal.clip.export import ImageMatcher, exported
from leyden.multimodal.clip.loss import clip_loss, uninformed_loss
from leyden.multimodal.clip.monitor import LossMonitor
from leyden.multimodal.prompts import check_prompts, predicted_prompts
from leyden.nets.weights import find_weights, load_pretrained
from leyden.visualization.logging import logs_now

MOST = 100.0
"""That similarities are ever multiplied by (section 2.5)."""


class CLIP(LightningModule):
    """Two encoders that learn which text belongs to which image; descriptions never trained on are named as well.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        tokenizer: given by the data.
        context: tokens of a text at most; given by the data.
        class_names: a text for each description; given by the data.
        unseen: places in ``class_names`` that no training image has; given by the data.
        factors: words that descriptions are made of, by factor; given by the data, {} where nobody knows.
        backbone: of the images, see ``leyden.nets.zoo.backbone``.
        widths: of the backbones ``resnet`` and ``vit``: channels of each stage.
        strides: of these: of each stage; of ``vit`` their product is the side of a patch.
        blocks: of these: residual blocks of each stage, blocks of ``vit``.
        weights: of the backbone: none; imagenet; a file; the folder of an earlier run.
        layers: blocks of the text encoder.
        heads: of each block's attention; they divide ``width``.
        width: channels of the text encoder.
        dropout: of the text encoder's attention weights and branches.
        causal: a token sees earlier ones only, as in the paper; false: all.
        embedding: length of the embeddings that are compared.
        tau: temperature at the start; it is learnt.
        mask_duplicates: equal descriptions of a batch are no wrong answers for each other; false: as in the paper.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings of tokens, not of norms, biases and the temperature.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.

    Raises:
        ValueError: ``tau`` is not in [0.01, 1], fewer than two descriptions, an unknown backbone, images that it
            cannot take, heads that do not divide the width, or a part of the steps that is none.
        FileNotFoundError: there are no such weights.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "retrieval"
    inherited: Tensor

    def __init__(
        self,
        channels: int,
        image_size: int,
        tokenizer: TokenizerSpec,
        context: int,
        class_names: list[str],
        unseen: list[int],
        factors: dict[str, list[str]],
        backbone: str = "resnet",
        widths: Sequence[int] = (32, 64, 96),
        strides: Sequence[int] = (2, 2, 2),
        blocks: int = 1,
        weights: str = "none",
        layers: int = 2,
        heads: int = 4,
        width: int = 64,
        dropout: float = 0.0,
        causal: bool = True,
        embedding: int = 64,
        tau: float = 0.07,
        mask_duplicates: bool = True,
        lr: float = 1e-3,
        weight_decay: float = 0.2,
        warmup: float = 0.1,
    ) -> None:
        super().__init__()
        if not 1 / MOST <= tau <= 1:
            raise ValueError(f"model.tau={tau}: a temperature from {1 / MOST} to 1, such as 0.07")
        if not 0 <= warmup < 1:
            raise ValueError(f"model.warmup={warmup}: should be from 0 to below 1")
        if len(class_names) < 2:
            raise ValueError(f"CLIP tells descriptions apart, but the data has {class_names}: add images of others")
        self.save_hyperparameters(logger=False)
        self.channels, self.image_size, self.context = channels, image_size, context
        self.class_names, self.weights, self.mask_duplicates = class_names, weights, mask_duplicates
        self.lr, self.weight_decay, self.warmup = lr, weight_decay, warmup
        self.words = build_tokenizer(tokenizer)
        self.image_encoder = ImageEncoder(backbone, channels, image_size, widths, strides, blocks, embedding)
        self.text_encoder = TextEncoder(self.words.size, context, layers, heads, width, dropout, causal, embedding)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / tau)))
        self.register_buffer("inherited", torch.zeros((), dtype=torch.bool))
        self.val_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.evaluator = MatchingEvaluator(class_names, unseen, factors)
        self.losses = LossMonitor()
        self._described: Tensor | None = None

    @property
    def scale(self) -> Tensor:
        """() 1 / tau, what similarities are multiplied by."""
        return self.log_scale.exp()

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes) of all descriptions."""
        return self.scale * self.image_encoder(images) @ self.embed_texts(self.class_names).T

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Embeddings (N, D) of length 1 of any texts; what is longer than ``context`` loses its end."""
        tokens, lengths, _ = as_tokens(texts, self.words, self.context)
        return self.text_encoder(tokens.to(self.device), lengths.to(self.device))

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """Embeddings (N, D) of length 1 of uint8 images (C, H, W) of any sizes."""
        fitted = [fit_image(image, self.image_size, self.channels) for image in images]
        return self.image_encoder(torch.stack(fitted).to(self.device))

    def embed(self, batch: CaptionedTokens) -> tuple[Tensor, Tensor]:
        """Embeddings (B, D) of a batch's images and of their texts."""
        return self.image_encoder(batch.images), self.text_encoder(batch.tokens, batch.lengths)

    def on_fit_start(self) -> None:
        """Gives the backbone its weights before the first training."""
        if self.weights != "none" and not self.inherited:
            net = self.image_encoder.backbone
            load_pretrained(net, find_weights(self.weights, net), net.stage_names)
            self.inherited.fill_(True)

    def training_step(self, batch: CaptionedTokens, batch_index: int) -> Tensor:
        """The symmetric loss of a batch (images (B, C, S, S), tokens (B, T)), among the pairs of all ranks.

        Raises:
            ValueError: a batch of one pair, whose loss is 0 whatever the network does.
        """
        images, texts = self.embed(batch)
        labels = batch.labels
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            images, texts = (self.all_gather(z, sync_grads=True).flatten(0, 1) for z in (images, texts))  # type: ignore[union-attr]
            labels = self.all_gather(labels).flatten()  # type: ignore[union-attr]
        if len(images) < 2:
            raise ValueError(
                "a batch of one image and its text: there is no other to be told from. Set data.batch_size to 2 or "
                "more, better 128, and give two training images or more"
            )
        loss = clip_loss(images, texts, self.scale, labels if self.mask_duplicates else None)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
            self.log("train/loss_uninformed", self._uninformed(labels))
            self.log("train/scale", self.scale.detach())
        return loss

    def on_train_batch_end(self, outputs: object, batch: object, batch_index: int) -> None:
        """Keeps similarities from being multiplied by more than 100."""
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MOST))

    def on_validation_epoch_start(self) -> None:
        """Embeds all descriptions once for the epoch."""
        self._described = self.embed_texts(self.class_names)

    def validation_step(self, batch: CaptionedTokens, batch_index: int) -> None:
        """Updates ``val/accuracy``, the share of images whose description is found among all, and ``val/loss``."""
        images, texts = self.embed(batch)
        assert self._described is not None
        self.val_accuracy.update(images @ self._described.T, batch.labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(images), prog_bar=True)
        loss = clip_loss(images, texts, self.scale, batch.labels if self.mask_duplicates else None)
        figures = {"val/loss": loss, "val/loss_uninformed": self._uninformed(batch.labels)}
        self.log_dict(figures, on_epoch=True, batch_size=len(images), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Keeps the losses for the monitor, and warns where nothing is learnt."""
        if not self.trainer.sanity_checking:
            self.losses.update(self)

    def on_train_end(self) -> None:
        """Draws the losses beside those of embeddings that are all alike."""
        self.losses.draw(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what the monitor draws."""
        checkpoint["losses"] = self.losses.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it over."""
        self.losses.restore(checkpoint["losses"])

    def on_test_epoch_start(self) -> None:
        """Embeds all descriptions once, and begins to collect."""
        self._described = self.embed_texts(self.class_names)
        self.evaluator.reset()

    def test_step(self, batch: CaptionedTokens, batch_index: int) -> None:
        """Adds a batch to what is compared."""
        self.evaluator.update(*self.embed(batch), batch)

    def on_test_epoch_end(self) -> None:
        """Logs accuracies, retrieval both ways and the floors, and draws what was found."""
        assert self._described is not None
        self.evaluator.log(self, self._described, self.words)

    def _uninformed(self, labels: Tensor) -> Tensor:
        return uninformed_loss(labels if self.mask_duplicates else torch.arange(len(labels), device=labels.device))

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The description of each image, among the prompts, or among those of the data.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: ``prompts``, two texts or more.

        Raises:
            ValueError: one prompt alone, one of which no word is known, or another option.
        """
        options.only(self, "prompts")
        self.eval()
        prompts = self.class_names if options.prompts is None else check_prompts(options.prompts, self._knows)
        return predicted_prompts(inputs, prompts, self.embed_images(inputs), self.embed_texts(prompts), self.scale)

    def _knows(self, text: str) -> bool:
        """Whether a text has a token that is known."""
        return any(number != self.words.unknown for number in self.words.encode(text))

    def export_network(self) -> Exportable:
        """Logits (N, classes) of all descriptions, of uint8 images that ``fit_image`` has brought to the size."""
        matcher = ImageMatcher(self.image_encoder, self.scale * self.embed_texts(self.class_names))
        return exported(matcher, self.channels, self.image_size, self.class_names)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the paper's betas for transformers, and a rate that grows, then falls to zero."""
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay)
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
