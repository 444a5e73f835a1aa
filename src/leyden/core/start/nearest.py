"""Which of the known names was meant by one that is not among them: the end of an error message."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs"), ("trainer.max_epochs",)),
    **dict.fromkeys(("steps", "iterations", "iters", "num_steps"), ("trainer.max_steps",)),
    **dict.fromkeys(("lr", "learning_rate", "lr0", "base_lr", "rate"), ("model.lr",)),
    **dict.fromkeys(("batch", "bs", "batchsize", "train_batch_size"), ("data.batch_size",)),
    **dict.fromkeys(("imgsz", "img_size", "imagesize", "input_size", "resolution"), ("data.image_size",)),
    **dict.fromkeys(("device", "gpu", "gpus", "cuda"), ("trainer.devices", "trainer=gpu")),
    **dict.fromkeys(("num_workers", "nworkers"), ("data.workers",)),
    **dict.fromkeys(("ckpt_path", "ckpt", "checkpoint_path", "pretrained"), ("model.weights",)),
    **dict.fromkeys(("arch", "net", "network"), ("model.backbone", "model")),
    **dict.fromkeys(("dataset", "source", "datasource"), ("data/source",)),
    **dict.fromkeys(("output", "output_dir", "out_dir", "save_dir", "log_dir"), ("paths.outputs",)),
    **dict.fromkeys(("path", "folder", "directory", "filename", "csv"), ("data.source.root", "data.source.file")),
    **dict.fromkeys(("data_dir", "data_path", "data_root"), ("data.source.root", "paths.data")),
    **dict.fromkeys(("wd", "decay"), ("model.weight_decay",)),
    **dict.fromkeys(("amp", "fp16", "bf16", "half"), ("trainer.precision",)),
    **dict.fromkeys(("accumulate", "grad_accum", "gradient_accumulation_steps"), ("trainer.accumulate_grad_batches",)),
    **dict.fromkeys(("max_grad_norm", "clip_grad", "grad_clip"), ("trainer.gradient_clip_val", "model.clip")),
    **dict.fromkeys(("patience", "early_stop"), ("callbacks=early_stopping",)),
    **dict.fromkeys(("lab", "config", "cfg"), ("experiment",)),
}
"""What other programs call our keys. They are only offered: an override has one name."""
NOTES = dict.fromkeys(("ckpt_path", "ckpt", "checkpoint_path"), "; `leyden resume RECORD` goes on with a run")
CLOSE, SURE = 0.65, 0.8
"""Least likeness, see ``difflib``, of what is offered: below it lies that of words which share a few letters. A key of
another place must be more alike."""
FEW = 4


def nearest(name: str, known: Iterable[str], among: Iterable[str] = ()) -> str:
    """The end of an error message: which known name was meant, or what there is.

    Args:
        name: a word, a dotted key, an option such as ``gan/dcgan``; its last part decides.
        known: whole names of the same place; they are listed where none is close.
        among: those of other places.
    """
    names = sorted(set(map(str, known)))
    close = meant(name, names, among)
    note = NOTES.get(_last(name), "")
    return (f"; did you mean {' or '.join(close)}?" if close else f"; there are: {', '.join(names)}") + note


def meant(name: str, known: Iterable[str], among: Iterable[str] = ()) -> list[str]:
    """Those that may have been meant: named alike elsewhere, called so by other programs, or mistyped by a letter.

    Args:
        name, known, among: as for ``nearest``; of other programs' names choices from groups are offered, too.
    """
    own, last = list(known), _last(name)
    names = list(dict.fromkeys([*own, *among]))
    if not last:
        return []
    if same := [known for known in names if _last(known).lower() == last.lower()]:
        return _beside(name, same)
    if longer := [known for known in own if known.startswith(name)]:
        return longer
    other = OTHER_NAMES.get(last, ())
    if whole := [text for text in other if text in names or ("=" in text and len(names) > FEW)]:
        return whole
    parts = [known for text in other for known in names if known.startswith(f"{text}_")]
    if 0 < len(parts) <= FEW:  # a GAN has two rates
        return parts
    if part := [_last(text) for text in other if _last(text) in own]:
        return part
    alike = [known for known in names if "." in known or "." not in name]  # what is deep was no group at the top
    for place, likeness in ((own, CLOSE), (alike, SURE)):
        lasts = {_last(known).lower() for known in place}
        if close := difflib.get_close_matches(last.lower(), lasts, n=1, cutoff=likeness):
            return _beside(name, [known for known in place if _last(known).lower() == close[0]])
    words = [known for known in own if _has_word(_last(known), last) or _has_word(last, _last(known))]
    return words if len(words) <= FEW else []


def keys_in(node: Any, key: str = "") -> Iterator[str]:
    """The dotted keys of a config."""
    for name, value in node.items() if isinstance(node, dict) else ():
        path = f"{key}.{name}".lstrip(".")
        yield path
        yield from keys_in(value, path)


def _beside(name: str, names: list[str]) -> list[str]:
    """Of several names those in the same place, or a few."""
    place = name.removesuffix(_last(name))
    return [known for known in names if known.removesuffix(_last(known)) == place] or names[:FEW]


def _last(name: str) -> str:
    return re.split(r"[./=]", name)[-1]


def _has_word(longer: str, word: str) -> bool:
    """Whether ``word``, of three letters or more, is a part of the other, or its beginning: lr_find, max in maximum."""
    return len(word) > 2 and (word in longer.split("_") or longer.startswith(word))
