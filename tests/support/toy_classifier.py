"""A tiny text classifier on toy texts."""

from typing import Any

from lightning import Trainer, seed_everything
from toy_texts import ToyTexts

from leyden.data.text.sentences import Sentences
from leyden.text.classifier.classifier import TextClassifier

SMALL: dict[str, Any] = {"layers": 3, "width": 16, "weights": "none", "embedding": 6}


def toy_data(**options: Any) -> Sentences:
    data = Sentences(ToyTexts(), vocabulary_size=300, context=24, **{"batch_size": 8, **options})
    data.prepare_data()
    return data


def toy_classifier(data: Sentences, **options: Any) -> TextClassifier:
    seed_everything(0, verbose=False)
    return TextClassifier(**data.spec, **{**SMALL, **options})


def toy_trainer(**options: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", logger=False, **quiet, **options)
