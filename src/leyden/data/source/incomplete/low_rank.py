"""A generated table of low rank with labels that depend on it linearly: the synthetic data of Goldberg et al. 2010."""

from math import sqrt

import torch

from leyden.data.source.incomplete.table_source import Table, TableSource, check_table


class LowRank(TableSource):
    """Features of a given rank and noisy labels, from a seed (Goldberg et al. 2010, section 4.1).

    X0 = L R^T with L (features, rank) and R (rows, rank) of standard normal numbers, divided by the deviation of its
    entries; the labels of the tasks are drawn with the probability sigmoid(W x0 + b) of being 1, W and b normal with
    variance 10; then normal noise is added to the features.

    Args:
        rows: of the table; the paper has 100 and 400.
        features: columns of numbers; the paper has 20.
        rank: of the features without noise; the paper has 2 and 4.
        noise: variance of what is added to the features; the paper has 0.01 and 0.1.
        tasks: label columns; the paper has 10.
        seed: of all numbers.

    Raises:
        ValueError: a rank above the table's own, or noise below 0.
    """

    def __init__(
        self, rows: int = 400, features: int = 20, rank: int = 4, noise: float = 0.01, tasks: int = 10, seed: int = 0
    ) -> None:
        if not 1 <= rank <= min(rows, features):
            raise ValueError(f"data.source.rank={rank}: a table of {rows} x {features} has 1 to {min(rows, features)}")
        if noise < 0 or tasks < 0:
            raise ValueError(f"data.source.noise={noise} and tasks={tasks}: neither may be below 0")
        self.name = f"table of rank {rank}"
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        clean = normal(rows, rank) @ normal(features, rank).T
        clean = clean / clean.std(correction=0)
        logits = sqrt(10) * (clean @ normal(tasks, features).T + normal(tasks))
        drawn = torch.rand(rows, tasks, dtype=torch.float64, generator=generator) < logits.sigmoid()
        self._table = Table(
            clean + sqrt(noise) * normal(rows, features),
            drawn.double() * 2 - 1,
            [f"feature {i}" for i in range(features)],
            [f"task {i}" for i in range(tasks)],
            [f"row {i}" for i in range(rows)],
        )

    def table(self) -> Table:
        """The table; every cell has a value.

        Raises:
            ValueError: so few rows that a task's labels are all alike.
        """
        check_table(self._table, self.name)
        return self._table
