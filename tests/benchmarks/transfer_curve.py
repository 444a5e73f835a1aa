"""How much each way to inherit brings at 1, 2, 5 and 10 labels per class: the curve behind the lab transfer_finetune.

    python tests/benchmarks/transfer_curve.py --seeds 10

Pre-trains once per seed and hands the weights to every strategy as a file, so that all start from the same. Prints, per
cell, mean and standard deviation over the seeds of the test accuracy of the best validated checkpoint, in percent.
"""

import argparse
import logging
import tempfile
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from leyden.bench.compose import compose
from leyden.data.source.digits import Digits
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune import CosineHead, Finetune
from leyden.transfer.pretraining import pretrain


def without_target(config: dict) -> dict:
    return {key: value for key, value in config.items() if key not in ("_target_", "source", "seed")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--labels", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--strategies", nargs="+", default=["scratch", "head", "full", "truncate"])
    parser.add_argument("overrides", nargs="*", help="words for the lab's config, behind --")
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    lab = compose(["experiment=transfer_finetune", *arguments.overrides]).config
    cells: dict[tuple[int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for labels in arguments.labels:
            for seed in range(arguments.seeds):
                for strategy in arguments.strategies:
                    accuracy = run(lab, seed, labels, strategy, Path(folder))
                    cells.setdefault((labels, strategy), []).append(100 * accuracy)
            for strategy in arguments.strategies:
                values = torch.tensor(cells[labels, strategy])
                each = " ".join(f"{value:.1f}" for value in values)
                print(f"{labels:2d} {strategy:9s} {values.mean():5.1f} +- {values.std():4.1f}   {each}", flush=True)


def run(lab: dict, seed: int, labels: int, strategy: str, folder: Path) -> float:
    data = TransferImages(Digits(), **(without_target(lab["data"]) | {"labels_per_class": labels}), seed=seed)
    weights = folder / f"{seed}.pth"
    chosen = without_target(lab["model"]) | {"strategy": strategy, "weights": str(weights)}
    torch.manual_seed(seed)
    if not weights.exists():
        giver = Finetune(**data.facts, **(chosen | {"strategy": "full"}))  # nothing of it is frozen
        head = CosineHead(giver.backbone.features, len(data.source_names) * giver.source_views, giver.scale)
        batches = data.source_task(giver.source_batch_size, giver.source_views)
        pretrain(giver.backbone, head, batches, giver.source_epochs, giver.source_lr, giver.weight_decay)
        torch.save(giver.backbone.state_dict(), weights)
        torch.manual_seed(seed)
    model = Finetune(**data.facts, **chosen)
    best = ModelCheckpoint(folder / "runs", monitor=model.monitor, mode=model.mode, save_weights_only=True)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=lab["trainer"]["max_epochs"],
        check_val_every_n_epoch=lab["trainer"]["check_val_every_n_epoch"],
        callbacks=[best],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10**6,
    )
    trainer.fit(model, data)
    tested = trainer.test(model, data, ckpt_path=best.best_model_path, verbose=False, weights_only=True)
    return tested[0]["test/accuracy"]


if __name__ == "__main__":
    main()
