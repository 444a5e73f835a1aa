"""MC-1, MC-b and the two-step rows on the synthetic protocol of Goldberg et al. 2010: 24 settings, one table.

    python tests/benchmarks/goldberg.py [seeds]

10 tasks, 20 features; rank 2 or 4, 100 or 400 items, noise of variance 0.01 or 0.1, and 10, 20 or 40 % of the features
and labels observed. Label error: held-out labels that are predicted wrong. Feature error: squared errors by squared
values of the held-out features. Parameters are chosen on the observed labels alone.
"""

import sys
from itertools import product

import torch

from leyden.data.batches.incomplete_table import IncompleteTable
from leyden.data.source.incomplete.low_rank import LowRank
from leyden.transfer.relational.mc1 import MC1

NAMES = ["MC-1", "MC-b", "Soft-Impute + SVM", "mean + SVM", "0 + SVM", "majority"]
FEATURES = ["MC-1", "MC-b"]


def one(rank: int, rows: int, noise: float, observed: float, seed: int) -> tuple[list[float], list[float]]:
    """Label errors of all rows, and feature errors of MC-1 and MC-b."""
    data = IncompleteTable(LowRank(rows=rows, rank=rank, noise=noise, seed=seed), observed=observed, seed=seed)
    data.prepare_data()
    columns = data.split("test").columns
    targets = columns.targets.double()
    values, labels = targets[:, :20], targets[:, 20:]
    tested, wanted = ~labels.isnan(), ~values.isnan()

    def error(scores: torch.Tensor) -> float:
        return float(((1 - scores.sign() * labels) / 2)[tested].mean())

    found, features = [], []
    for bias in ("ones", "free"):
        model = MC1(**data.spec, bias=bias, baselines=bias == "ones")
        model.estimate(data)
        model.fitted.fill_(True)
        estimate = model(columns.incomplete_rows, columns.places)
        found.append(error(estimate[:, 20:]))
        features.append(float((estimate[:, :20] - values)[wanted].square().sum() / values[wanted].square().sum()))
        if bias == "ones":
            steps = [error(votes.double()) for votes in model.two_step]
    return [*found, *steps], features


def main() -> None:
    """A line for each setting, then the meta-average."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("| rank | items | noise | observed |", " | ".join(NAMES), "| features:", " | ".join(FEATURES), "|")
    total = []
    for rank, rows, noise, observed in product((2, 4), (100, 400), (0.01, 0.1), (0.1, 0.2, 0.4)):
        runs = [one(rank, rows, noise, observed, seed) for seed in range(seeds)]
        means = torch.tensor([[*labels, *features] for labels, features in runs]).mean(0)
        total.append(means)
        print(f"| {rank} | {rows} | {noise} | {observed:.0%} |", " | ".join(f"{m:.3f}" for m in means), "|", flush=True)
    print("| mean | | | |", " | ".join(f"{m:.3f}" for m in torch.stack(total).mean(0)), "|")


if __name__ == "__main__":
    main()
