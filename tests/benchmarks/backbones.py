"""Which precision and memory format suit which backbone: ms per image at 224 pixels, in evaluation and in training.

Every variant in turn, medians of the rounds, one process. `make bench` runs it.
"""

import time
from itertools import product
from statistics import median

import torch
from torch.nn import functional as F

from leyden.bench.run.devices import computes_bf16
from leyden.nets.memory_format import MemoryFormat, arrange
from leyden.nets.zoo import backbone

NAMES = ("mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x0_5", "resnet18", "googlenet", "vgg11", "xception")
LAYOUTS: tuple[MemoryFormat, ...] = ("contiguous", "channels_last")
PRECISIONS = ("32-true", "bf16-mixed") if computes_bf16() else ("32-true",)
VARIANTS = list(product(PRECISIONS, LAYOUTS))
ROUNDS, BATCH, SIZE = 3, 16, 224


def ms_per_image(net: torch.nn.Module, precision: str, training: bool) -> float:
    images = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    labels = torch.zeros(BATCH, dtype=torch.long)
    net.train(training)
    began = time.perf_counter()
    with torch.set_grad_enabled(training):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            features = net(images)
        if training:
            F.cross_entropy(features.float(), labels).backward()
    return (time.perf_counter() - began) / BATCH * 1e3


def main() -> None:
    print(f"ms per image at {SIZE} px, batches of {BATCH}, {torch.get_num_threads()} threads; evaluation / training")
    print(f"{'':20}" + "".join(f"{f'{p} {layout}':>26}" for p, layout in VARIANTS))
    for name in NAMES:
        nets = {layout: backbone(name, 3, SIZE) for layout in LAYOUTS}
        for layout, net in nets.items():
            arrange(net, layout)
        cells = []
        for precision, layout in VARIANTS:
            times = []
            for training in (False, True):
                ms_per_image(nets[layout], precision, training)  # compiles kernels
                times.append(median(ms_per_image(nets[layout], precision, training) for _ in range(ROUNDS)))
            cells.append(f"{times[0]:.1f} / {times[1]:.1f}")
        print(f"{name:20}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
