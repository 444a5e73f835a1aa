"""The in-memory loader against a plain DataLoader on the same images, in turn, in one process: `make bench` runs it."""

import time
from statistics import median

import torch
from torch.utils.data import DataLoader, TensorDataset

from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.splits import InMemory

ROUNDS = 7


def seconds(loader: Loader | DataLoader) -> float:
    began = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - began


def main() -> None:
    print("batches of 128, one epoch: ms per batch (median of rounds)")
    for name, shape, count in (("digits 8 px", (1, 8, 8), 12800), ("photographs 64 px", (3, 64, 64), 6400)):
        images = torch.randint(256, (count, *shape), dtype=torch.uint8)
        labels = torch.randint(10, (count,))
        ours = Loader(InMemory(LabelledImages(images, labels)), 128, train=True)
        plain = DataLoader(TensorDataset(images, labels), 128, shuffle=True, drop_last=True)
        pairs = [(seconds(ours), seconds(plain)) for _ in range(ROUNDS)]
        a, b = (median(side) / (count // 128) * 1e3 for side in zip(*pairs, strict=True))
        ratio = median(x / y for x, y in pairs)
        print(f"{name:18}  leyden {a:.3f}  DataLoader {b:.3f}  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
