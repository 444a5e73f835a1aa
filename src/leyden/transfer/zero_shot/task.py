"""What all techniques of zero-shot learning share: candidates, calibration, U, S and H, prediction, what is drawn."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.attributes import ByAttributes
from leyden.data.splits import Stage, fit_image
from leyden.metrics.generalised import GeneralisedAccuracy, calibration_curve, unseen_accuracy
from leyden.transfer.zero_shot.features import Features
from leyden.transfer.zero_shot.figures import ZeroShotFigures
from leyden.transfer.zero_shot.options import ZeroShotKwargs, ZeroShotOptions
from leyden.visualization.labelled import draw_labelled

TRAIN, VAL, TEST = 0, 1, 2
"""Groups of classes: trained on, validating, unseen."""


class ZeroShotTask(LightningModule):
    """Base: a child gives ``class_scores`` and ``attribute_scores``, and calls ``describe`` when it is fitted.

    ``predict`` and the test choose among the seen and the unseen classes together, seen ones at ``calibration``, a
    constant below their scores, which validation chooses for the greatest harmonic mean: classes that validate play
    the unseen ones there.

    Logged are, for validation and test, ``unseen`` (U), ``seen`` (S), ``harmonic`` (H), and ``accuracy``: unseen
    classes among one another, as zero-shot learning was first tested; all are means over classes. Of the test also
    ``harmonic_uncalibrated`` and ``ausuc``, the area below S over U for all constants.

    Args:
        class_names: of all classes; given by the data.
        attribute_names: given by the data.
        channels: of the images; given by the data, None for rows.
        image_size: side of the square images in pixels; given by the data, None for rows.
        feature_names: of the rows; given by the data, None for images.
        refit: the classes that validated are seen classes in the test, as the technique was fitted to them as well;
            otherwise they are no candidates there.
        options: the fields of ``ZeroShotOptions``.

    Raises:
        ValueError: an option that is none, or images that the backbone cannot take.
    """

    monitor: str = "val/harmonic"
    mode: Literal["min", "max"] = "max"
    main_image: str = "attributes"
    options_type: ClassVar[type[ZeroShotOptions]] = ZeroShotOptions
    attributes: Tensor
    groups: Tensor
    calibration: Tensor

    def __init__(
        self,
        class_names: list[str],
        attribute_names: list[str],
        channels: int | None,
        image_size: int | None,
        feature_names: list[str] | None,
        refit: bool,
        **options: Unpack[ZeroShotKwargs],
    ) -> None:
        super().__init__()
        self.class_names, self.attribute_names, self.refit = class_names, attribute_names, refit
        self.channels, self.image_size, self.feature_names = channels, image_size, feature_names
        self.input_type = "images" if feature_names is None else "rows"
        self.options = ZeroShotOptions(**options)
        self.features = Features(
            channels, image_size, None if feature_names is None else len(feature_names), self.options
        )
        self.register_buffer("attributes", torch.zeros(len(class_names), len(attribute_names)))
        self.register_buffer("groups", torch.full((len(class_names),), -1))
        self.register_buffer("calibration", torch.zeros((), dtype=torch.float64))
        self.val_found, self.test_found = GeneralisedAccuracy(), GeneralisedAccuracy()
        self.figures: ZeroShotFigures | None = None

    def class_scores(self, features: Tensor, stage: Stage = "test") -> Tensor:
        """Scores (B, C) of all classes for features (B, D), as the stage has them."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it scores classes")

    def attribute_scores(self, features: Tensor) -> Tensor:
        """What features (B, D) say of each attribute (B, A), in any unit."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it sees of attributes")

    def described(self) -> ByAttributes:
        """Takes the attributes and groups of the classes over from the trainer's data, which it returns.

        Raises:
            ValueError: data of another kind.
        """
        data = attached_data(self.trainer, ByAttributes)
        if data is None:
            raise ValueError(
                f"{type(self).__name__} learns from data=transfer/attributes (images) or transfer/attribute_rows"
            )
        self.attributes.copy_(data.attributes.values)
        for group, places in enumerate(data.division):
            self.groups[torch.tensor(places, device=self.device)] = group
        return data

    def candidates(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """Which classes (C,) are seen and which are unseen candidates in a stage, bool."""
        if stage != "test":
            return self.groups == TRAIN, self.groups == VAL
        seen = self.groups == TRAIN
        return seen | (self.groups == VAL) if self.refit else seen, self.groups == TEST

    @property
    def ready(self) -> bool:
        """Whether there is something to predict with: classes are known."""
        return bool((self.groups >= 0).any())

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) or rows (B, D) to calibrated scores (B, classes), -inf for no candidates."""
        scores = self.class_scores(self.features(inputs))
        seen, unseen = self.candidates("test")
        return (scores - self.calibration * seen).masked_fill(~(seen | unseen), -torch.inf)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Adds a batch; before there is anything to validate nothing."""
        if self.ready:
            inputs, labels = batch
            self.val_found.update(self.class_scores(self.features(inputs), "val"), labels, *self.candidates("val"))

    def on_validation_epoch_end(self) -> None:
        """Chooses ``calibration`` and logs U, S and H at it."""
        if not self.ready:
            return
        found = self.val_found.compute()
        self.val_found.reset()
        curve = calibration_curve(found)
        self.calibration.fill_(curve.best())
        figures = {**curve.at(curve.best())._asdict(), "accuracy": unseen_accuracy(found)}
        self.log_dict({f"val/{name}": value for name, value in figures.items()}, prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Begins to collect what is drawn."""
        self.figures = ZeroShotFigures(self.class_names, self.attribute_names)

    def test_step(self, batch: Any, batch_index: int) -> None:
        """Adds a batch."""
        if not self.ready:
            raise ValueError(f"{type(self).__name__} is not fitted: train it, or load a checkpoint")
        inputs, labels = batch
        features = self.features(inputs)
        scores, (seen, unseen) = self.class_scores(features), self.candidates("test")
        self.test_found.update(scores, labels, seen, unseen)
        assert self.figures is not None
        taken = (scores - self.calibration * seen).masked_fill(~(seen | unseen), -torch.inf).argmax(1)
        self.figures.update(inputs, self.attribute_scores(features), labels, taken, unseen)

    def on_test_epoch_end(self) -> None:
        """Logs U, S, H and the rest, and draws."""
        found = self.test_found.compute()
        self.test_found.reset()
        curve, constant = calibration_curve(found), float(self.calibration)
        figures = {**curve.at(constant)._asdict(), "accuracy": unseen_accuracy(found)}
        figures |= {"harmonic_uncalibrated": curve.at(0.0).harmonic, "ausuc": curve.area()}
        self.log_dict({f"test/{name}": value for name, value in figures.items()})
        assert self.figures is not None
        seen, unseen = (mask.cpu() for mask in self.candidates("test"))
        self.figures.log(self, self.attributes.cpu(), seen, unseen, curve, constant)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each image or row, among the seen and the unseen ones.

        A row holds the label, whether "training" has seen the class, the best class of the other group, and the lead
        over it in calibrated scores.

        Args:
            inputs: uint8 (C, H, W) of any size, or rows (D,).
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, it is not fitted, or a row has another number of features.
        """
        options.only(self)
        if not self.ready:
            raise ValueError(f"{type(self).__name__} is not fitted: train it, or load a checkpoint")
        self.eval()
        if self.feature_names is None:
            assert self.channels is not None
            assert self.image_size is not None
            inputs_fitted = [fit_image(image, self.image_size, self.channels) for image in inputs]
        else:
            check_lengths(inputs, self.feature_names)
            inputs_fitted = list(inputs)
        scores = self(torch.stack(inputs_fitted).to(self.device))
        rows = [self._row(own) for own in scores]
        if self.feature_names is not None:
            return Predictions(rows, [])
        captions = [f"{row['label']}\n{row['training']} in training" for row in rows]
        return Predictions(rows, [draw_labelled(image, text) for image, text in zip(inputs, captions, strict=True)])

    def _row(self, scores: Tensor) -> dict[str, Any]:
        """A row of ``predict`` of calibrated scores (C,)."""
        seen, unseen = self.candidates("test")
        best = int(scores.argmax())
        other = unseen if seen[best] else seen
        runner_up = int(scores.masked_fill(~other, -torch.inf).argmax())
        return {
            "label": self.class_names[best],
            "training": "seen" if seen[best] else "never seen",
            "otherwise": self.class_names[runner_up],
            "lead": round(float(scores[best] - scores[runner_up]), 4),
        }

    def export_network(self) -> Exportable:
        """Calibrated scores (N, classes) of uint8 images that ``fit_image`` has brought to the network's size.

        Raises:
            ValueError: it was fitted to rows.
        """
        if self.channels is None or self.image_size is None:
            raise ValueError("export takes what was fitted to images; of rows, read the checkpoint's tensors")
        metadata = {"class_names": json.dumps(self.class_names), "crop": "null"}
        return Exportable(self, self.channels, self.image_size, ("scores",), metadata)


def check_lengths(rows: Sequence[Tensor], feature_names: Sequence[str]) -> None:
    """Raises ValueError where a row has another number of features than the training's."""
    for place, row in enumerate(rows):
        if row.shape != (len(feature_names),):
            raise ValueError(
                f"input {place} has {row.numel()} features, the rows of the training {len(feature_names)}: "
                f"{', '.join(feature_names[:5])}, ..."
            )
