"""Whether a refactoring changed what any technique computes: a line of hashes per model, of a few steps on the CPU.

Each option of conf/model is trained, validated and tested by `leyden run`, a process of its own with one thread, seed
0 and 32-true. Nothing but the command line and the records it leaves is relied on. Hashes depend on the machine and on
torch, so compare two states of the code on one machine:

    python tests/benchmarks/fingerprints.py --json /tmp/before.json
    ... change the code ...
    python tests/benchmarks/fingerprints.py --against /tmp/before.json     # exit status 1, and what differs

`weights` hashes parameters and persistent buffers by dtype, shape and bytes, whatever they are called and in whatever
order; `metrics` the final metrics, but for times and memory. Names, as globs, choose models: 'gan/*' '*ssd*'.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).parents[2]
ALONE = {
    "PYTHONPATH": str(ROOT / "src"),
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONHASHSEED": "0",
}
AT_ONCE = 2
LIMIT = 400
"""Seconds after which a run has failed."""

STEPS = 5
LITTLE: dict[str, Any] = {
    "seed": 0,
    "trainer.precision": "32-true",
    "trainer.max_epochs": 1,
    "trainer.max_steps": STEPS,
    "trainer.limit_train_batches": STEPS,
    "trainer.limit_val_batches": 1,
    "trainer.limit_test_batches": 8,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.log_every_n_steps": 1,
}
"""Of every run."""
LITTLE_IF_THERE: dict[tuple[str, ...], Any] = {
    ("data.batch_size",): 8,
    ("trainer.val_check_interval",): 1.0,
    ("data.source.train",): 64,
    ("data.source.val",): 16,
    ("data.source.test",): 64,
    ("data.eval_batch_size",): 8,
    ("model.source_epochs",): 1,
    # What has learnt so little answers, too: boxes are decoded, suppressed and scored.
    ("model.score_threshold", "model.least_score"): 1e-4,
    ("model.eval_draws", "model.judge_draws"): 1,
    ("model.svm_images",): 8,
    ("model.pac",): 4,  # two of them in a batch
    ("model.mse_steps",): 2,  # SRGAN's game begins within the few steps
    ("model.detail_every",): 2,  # LAPGAN's details are among what learns
}
"""Of the runs whose config has the key, now or under an older name, with a number."""
FEW = {"data.batch_size": 1, "data.eval_batch_size": 4, "trainer.max_steps": 3, "trainer.limit_test_batches": 2}
BIG: dict[str, dict[str, Any]] = {
    "*/ssd300": {"data.image_size": 300, **FEW},
    "*/ssd512": {"data.image_size": 512, **FEW},
    "*/yolo448": {"data.image_size": 128, "data.batch_size": 2, "model.lr": 1e-4},
    "*_vgg16": {"data.image_size": 256, **FEW, "model.fc": [512, 512], "model.weights": None},
}
"""Of the networks that are meant for a GPU and have no lab."""
UNSTEADY = re.compile(r"seconds|memory|(^|[/_])ms([/_]|$)|per_(second|image)|(^|/)(time|fps)")
"""Metrics that differ between two runs of the same code."""


def experiment_of(model: str) -> tuple[str, bool]:
    """The lab that needs no download and trains ``model``, or else the one it derives from; whether it is its own."""
    labs = [
        file.stem
        for file in sorted((ROOT / "experiments").glob("*.yaml"))
        if re.search(rf"override /model: {model}\s", text := file.read_text()) and "paths.data=" not in text
    ]
    if labs:
        return min(labs, key=lambda lab: lab != model.replace("/", "_")), True
    for entry in yaml.safe_load((ROOT / "conf" / "model" / f"{model}.yaml").read_text()).get("defaults", []):
        if isinstance(entry, dict) and (group := next(iter(entry)).split("@")[0]).startswith("/model/"):
            return experiment_of(f"{group.removeprefix('/model/')}/{next(iter(entry.values()))}")[0], False
    raise SystemExit(f"{model}: no experiment trains it")


def leyden(words: list[str], folder: Path) -> str:
    """What `leyden run` with these words prints."""
    command = [sys.executable, "-m", "leyden", "run", *words]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **ALONE}, capture_output=True, text=True, timeout=LIMIT
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-1000:] or done.stdout.strip()[-1000:]}")
    return done.stdout


def words_of(model: str, folder: Path) -> list[str]:
    """The smallest setting in which the technique still does all that it does."""
    lab, own = experiment_of(model)
    chosen = [f"experiment={lab}", "trainer=cpu", *([] if own else [f"model={model}"])]
    config = yaml.safe_load(leyden([*chosen, "--cfg", "job"], folder))
    there = {key: value for keys, value in LITTLE_IF_THERE.items() for key in keys if is_number(config, key)}
    values = LITTLE | there
    for pattern, more in BIG.items():
        values |= more if fnmatch(model, pattern) else {}
    return [*chosen, *(f"{key}={json.dumps(value)}" for key, value in values.items())]


def is_number(config: Any, key: str) -> bool:
    """Whether a nested config has a number at a dotted key."""
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return isinstance(config, int | float) and not isinstance(config, bool)


def fingerprint(model: str) -> dict[str, Any]:
    """Trains a model a little; what came out, or why it did not."""
    with tempfile.TemporaryDirectory(prefix="fingerprints_") as name:
        try:
            words = words_of(model, Path(name))
            leyden([*words, f"paths.outputs={name}/outputs"], Path(name))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return {"failed": str(error)}
        [file] = Path(name).rglob("metrics.json")
        metrics = {k: repr(float(v)) for k, v in sorted(json.loads(file.read_text()).items()) if not UNSTEADY.search(k)}
        state = torch.load(file.parent / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
        tensors = sorted(digest(tensor) for tensor in state["state_dict"].values() if isinstance(tensor, torch.Tensor))
    hashes = {"weights": sha("\n".join(tensors).encode()), "metrics": sha(json.dumps(metrics).encode())}
    return {"hashes": hashes, "words": words, "values": metrics, "tensors": tensors}


def digest(tensor: torch.Tensor) -> str:
    """Of type, shape and bytes, which are readable in it but for the last."""
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)} {hashlib.sha256(content).hexdigest()}"


def sha(content: bytes) -> str:
    """A hash that fits on a line."""
    return hashlib.sha256(content).hexdigest()[:16]


def differences(old: dict[str, Any], new: dict[str, Any], names: dict[str, str]) -> list[str]:
    """What changed in one model's fingerprint, a line each; ``names`` are the new ones of metrics."""
    if "failed" in new:
        return [f"failed: {new['failed'].splitlines()[-1]}"]
    if "failed" in old:
        return ["there is nothing to compare with: it failed before"]
    lines = []
    for what, a, b in (("gone", old, new), ("new", new, old)):
        if some := Counter(a["tensors"]) - Counter(b["tensors"]):
            shapes = ", ".join(sorted(text.rpartition(" ")[0] for text in some.elements()))
            lines.append(f"weights: of {len(a['tensors'])} tensors {some.total()} are {what}: {shapes}")
    values = {names.get(name, name): value for name, value in old["values"].items()}
    for name in sorted({*values, *new["values"]}):
        before, now = (which.get(name, "not there") for which in (values, new["values"]))
        lines += [f"{name}: {before}, now {now}"] if before != now else []
    if lines and (other := set(old["words"]) ^ set(new["words"])):
        lines.append(f"ran with other words, perhaps only by name: {' '.join(sorted(other))}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=["*"], help="models, as globs (default: all)")
    parser.add_argument("--verbose", action="store_true", help="print the metrics, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with what --json wrote before")
    parser.add_argument(
        "--renamed", nargs=2, action="append", default=[], metavar=("OLD", "NEW"), help="a model or a metric"
    )
    asked = parser.parse_args()

    folder = ROOT / "conf" / "model"
    every = [file.relative_to(folder).with_suffix("").as_posix() for file in sorted(folder.rglob("[!_]*.yaml"))]
    models = [model for model in every if any(fnmatch(model, name) for name in asked.names)]
    if not models:
        parser.error(f"no such model; there are {', '.join(every)}")
    prints: dict[str, Any] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for model, one in zip(models, pool.map(fingerprint, models), strict=True):
            prints[model] = one
            shown = "  ".join(f"{what} {value}" for what, value in one.get("hashes", {}).items())
            print(f"{model:30}{shown or 'FAILED: ' + one['failed']}", flush=True)
            for name, value in one.get("values", {}).items() if asked.verbose else ():
                print(f"    {name} {value}")
    if asked.json:
        asked.json.write_text(json.dumps(prints, indent=1))
    changed = []
    given = {word.partition("=")[0] for one in prints.values() for word in one.get("words", [])}
    if models == every:  # a renamed option would go unnoticed otherwise
        changed += [f"no config has {keys[0]} any more" for keys in LITTLE_IF_THERE if not given & {*keys}]
    if asked.against:
        names = dict(asked.renamed)
        before = {names.get(model, model): one for model, one in json.loads(asked.against.read_text()).items()}
        for model in sorted({*before, *prints}):
            if model in before and model in prints:
                changed += [f"{model}: {line}" for line in differences(before[model], prints[model], names)]
            elif model in prints or any(fnmatch(model, name) for name in asked.names):
                changed.append(f"{model}: only {'now' if model in prints else 'before'} (see --renamed)")
        print("\n".join(changed) if changed else f"{len(prints)} models: the same as in {asked.against}")
    elif changed:
        print("\n".join(changed))
    return 1 if changed or any("failed" in one for one in prints.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
