"""Zero-shot classification by a network of images and text (Radford et al. 2021, section 3.1).

Each class is a text, such as "a photo of a golden retriever."; an image is of the class whose text lies nearest. With
several templates t of a class c (section 3.1.4, ensembling in embedding space),

    w_c = normalised mean_t g(t(c)) / |g(t(c))|,     p(c | x) = softmax_c( f(x) w_c / (tau |f(x)|) ),

with the encoders f and g and the temperature tau of a network that was trained before: a run of multimodal/clip, or one
that somebody has published. Nothing is trained, and no labelled image is needed but to count how many are right.

Images are prepared as the network's own library does it, from their files' own sizes (``data=multimodal/images``).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import WholeImages
from leyden.multimodal.checkpoint.evaluation import ZeroShotEvaluator
from leyden.multimodal.checkpoint.find import build_matcher, matcher_of
from leyden.multimodal.checkpoint.matcher import MatcherSpec
from leyden.multimodal.checkpoint.prompts import class_prompts
from leyden.multimodal.prompts import check_prompts, predicted_prompts

AT_ONCE = 256
"""Texts that are embedded together."""


class ZeroShot(EstimatorTask):
    """Names the classes of any images by their names, with a network that was trained elsewhere.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: given by the data; the network takes images of any size.
        checkpoint: the network: folder of a run of multimodal/clip; folder of a CLIP in the layout of transformers, or
            with open_clip_config.json; a name on the Hugging Face hub, such as openai/clip-vit-base-patch32;
            open_clip:ViT-B-32/laion2b_s34b_b79k or open_clip:ViT-B-32/PATH; none: a small one that has learnt nothing.
        templates: texts with {} where a class's name goes; several are averaged.
        words: what whole words of class names are called in texts.
        matcher: the network of a checkpoint, whose weights come from there; not for configs.

    Raises:
        FileNotFoundError, ImportError: there is no such network; the message says how to get it.
        ValueError: a template without {}, fewer than two classes, or no network of images and text.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "retrieval"
    described: Tensor

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        checkpoint: str = "openai/clip-vit-base-patch32",
        templates: Sequence[str] = ("a photo of a {}.",),
        words: dict[str, str] | None = None,
        matcher: MatcherSpec | None = None,
    ) -> None:
        super().__init__()
        if len(class_names) < 2:
            raise ValueError(f"a classifier needs two classes or more, got {class_names}")
        self.save_hyperparameters(logger=False)
        self.class_names, self.templates = class_names, list(templates)
        self.prompts = class_prompts(class_names, self.templates, words)
        texts = [text for own in self.prompts for text in own]
        self.matcher = matcher_of(checkpoint, channels, texts) if matcher is None else build_matcher(matcher)
        self.matcher.requires_grad_(False)
        self.hparams["matcher"] = self.matcher.spec  # so that a checkpoint needs nothing but itself
        register_estimates(self, "described")
        self.val_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.evaluator = ZeroShotEvaluator(class_names, [own[0] for own in self.prompts])

    def train(self, mode: bool = True) -> "ZeroShot":
        """Sets the mode; the network stays in evaluation mode."""
        super().train(mode)
        self.matcher.eval()
        return self

    def estimate(self, data: LightningDataModule) -> dict[str, float]:
        """Embeds the classes' texts; the images are not looked at."""
        texts = [text for own in self.prompts for text in own]
        parts = [self.matcher.embed_texts(texts[i : i + AT_ONCE]) for i in range(0, len(texts), AT_ONCE)]
        by_class = torch.cat(parts).view(len(self.class_names), len(self.templates), -1)
        self.described = F.normalize(by_class.mean(1))
        return {"train/texts": float(len(texts))}

    def similarities(self, images: Sequence[Tensor]) -> Tensor:
        """Cosines (N, classes) of uint8 images (C, H, W) of any sizes with the classes' texts."""
        self.check_fitted()
        return self.matcher.embed_images(images) @ self.described.T

    def validation_step(self, batch: WholeImages, batch_index: int) -> None:
        """Updates ``val/accuracy``."""
        if not self.fitted:
            return
        self.val_accuracy.update(self.similarities(batch.images), batch.labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(batch.labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Begins to collect."""
        self.evaluator.reset()

    def test_step(self, batch: WholeImages, batch_index: int) -> None:
        """Adds a batch."""
        self.evaluator.update(batch.images, self.similarities(batch.images), batch.labels)

    def on_test_epoch_end(self) -> None:
        """Logs accuracies and draws what was found."""
        self.evaluator.log(self)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each image, or, with prompts, which of these describes it.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: ``prompts``, two texts or more, which stand as they are.

        Raises:
            ValueError: one prompt alone, another option, or no fit.
        """
        options.only(self, "prompts")
        self.eval()
        self.check_fitted()
        names, texts = self.class_names, self.described
        if options.prompts is not None:
            names = check_prompts(options.prompts)
            texts = self.matcher.embed_texts(names)
        return predicted_prompts(inputs, names, self.matcher.embed_images(inputs), texts, self.matcher.scale)
