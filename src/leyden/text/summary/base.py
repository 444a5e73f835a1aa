"""What every technique that sums up texts does: ROUGE beside the floors, examples, predictions."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import TextPairs, TokenPairs
from leyden.data.splits import Stage
from leyden.data.text.pairs import PairTokens
from leyden.metrics.text.rouge import RougeScore, require_rouge
from leyden.text.summary.floors import floors
from leyden.visualization.logging import log_image, log_text

EXAMPLES = 10
"""In the table that a test leaves."""
FLOORS = ("lead", "words", "random", "oracle")


class SummaryTask(LightningModule):
    """Base of techniques that sum up texts; a child gives ``summarise``.

    Validation and test log ROUGE in percent (``leyden.metrics.text.rouge``: the package rouge-score, with stemming,
    sentences split at punctuation); the test also that of the floors, such as ``test/rouge_l_lead``, and a table of
    examples.
    """

    monitor: str = "val/rouge_l"
    mode: Literal["min", "max"] = "max"
    input_type: str = "text"
    main_image = "examples"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.val_rouge, self.test_rouge = RougeScore(), RougeScore()
        self.floor_rouge = torch.nn.ModuleDict({name: RougeScore() for name in FLOORS})

    def summarise(self, texts: Sequence[str]) -> list[str]:
        """A summary of each text; of one without a sentence it may be empty."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it sums up")

    def setup(self, stage: str) -> None:
        """Refuses to begin where ROUGE could not be computed.

        Raises:
            ImportError: rouge-score is not installed.
        """
        require_rouge()

    def validation_step(self, batch: TokenPairs, batch_index: int) -> None:
        """ROUGE of the batch's summaries."""
        pairs = self.whole("val", batch.places)
        self.val_rouge.update(self.summarise(pairs.texts), pairs.summaries)

    def on_validation_epoch_end(self) -> None:
        """Logs ROUGE of the split."""
        self._log_rouge("val", self.val_rouge)

    def test_step(self, batch: TokenPairs, batch_index: int) -> None:
        """ROUGE of the batch's summaries and of the floors."""
        pairs = self.whole("test", batch.places)
        self.test_rouge.update(self.summarise(pairs.texts), pairs.summaries)
        for text, reference, place in zip(*pairs, batch.places.tolist(), strict=True):
            for name, summary in floors(text, reference, place).items():
                self.floor_rouge[name].update([summary], [reference])  # type: ignore[operator]

    def on_test_epoch_end(self) -> None:
        """Logs ROUGE of the split, the floors', and examples."""
        self._log_rouge("test", self.test_rouge)
        for name, metric in self.floor_rouge.items():
            self._log_rouge("test", metric, f"_{name}")  # type: ignore[arg-type]
        if self.trainer.is_global_zero:
            self.show_examples()

    def show_examples(self) -> None:
        """Logs ``examples``, evenly spread over the test split, as an image and as text."""
        from leyden.visualization.text.text_table import draw_text_table  # here: needed once

        texts, references = self.whole_split("test")
        places = [i * len(texts) // EXAMPLES for i in range(min(EXAMPLES, len(texts)))]
        chosen = [texts[i] for i in places]
        rows = [
            {
                "text": text,
                "reference": references[i],
                "lead": floors(text, references[i], i)["lead"],
                "summary": summary,
            }
            for i, text, summary in zip(places, chosen, self.summarise(chosen), strict=True)
        ]
        log_image(self, "examples", draw_text_table(rows, "Summaries of test texts", strong=["summary"]))
        log_text(
            self, "examples", "\n\n---\n\n".join("\n\n".join(f"**{k}** {v}" for k, v in row.items()) for row in rows)
        )

    def predict(self, inputs: Sequence[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """A row with the ``summary`` of each text.

        Args:
            inputs: texts.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        training = self.training
        self.eval()
        rows: list[dict[str, Any]] = [{"summary": summary} for summary in self.summarise(inputs)]
        self.train(training)
        return Predictions(rows, [])

    def whole(self, stage: Stage, places: Tensor) -> TextPairs:
        """The pairs of a split as they are written, by their numbers (B,)."""
        pairs = self.whole_split(stage)
        numbers = places.tolist()
        return TextPairs([pairs.texts[i] for i in numbers], [pairs.summaries[i] for i in numbers])

    def whole_split(self, stage: Stage) -> TextPairs:
        """All pairs of a split as they are written.

        Raises:
            ValueError: the trainer has no such data.
        """
        data = attached_data(self.trainer, PairTokens)
        if data is None:
            raise ValueError(
                f"{type(self).__name__} reads whole texts: give the trainer a DataModule of data/text/pairs"
            )
        return data.whole(stage)

    def _log_rouge(self, stage: Stage, metric: RougeScore, suffix: str = "") -> None:
        kinds = metric.compute()
        metric.reset()
        if suffix:  # floors are single sentences
            kinds = {kind: value for kind, value in kinds.items() if kind != "rouge_lsum"}
        shown = {f"{stage}/{kind}{suffix}": value.float() for kind, value in kinds.items()}
        self.log_dict(shown, rank_zero_only=False, prog_bar=False)
