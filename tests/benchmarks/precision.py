"""fp32 against bf16-mixed, and channels_last on and off, for each technique, in turn, in one process.

`make bench` runs it; where there is no arithmetic for bfloat16, the layouts only. Each experiment says what is fastest.
"""

import warnings
from itertools import product
from statistics import median

from steps import QUIET, with_leyden

from leyden.bench.run.devices import computes_bf16

ROUNDS = 3
VALIDATION = ["trainer.check_val_every_n_epoch=1", "trainer.val_check_interval=1.0"]  # none, but Lightning asks
TECHNIQUES = {
    "transfer_finetune": (40, ["model.weights=null"]),
    "gan_vanilla": (160, []),
    "gan_conditional": (32, []),
    "gan_dcgan": (32, []),
    "gan_lapgan": (32, []),
    "gan_srgan": (30, ["model.mse_steps=15", *VALIDATION]),
    "detection_ssd": (20, ["data.source.train=640"]),
}
PRECISIONS = ("32-true", "bf16-mixed") if computes_bf16() else ("32-true",)
VARIANTS = list(product(PRECISIONS, ("contiguous", "channels_last")))


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds; ratio to 32-true contiguous")
    for name, (steps, words) in TECHNIQUES.items():
        times: dict[tuple[str, str], list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(ROUNDS):
            for precision, layout in VARIANTS:
                chosen = [f"trainer.precision={precision}", f"model.memory_format={layout}"]
                lab = [f"experiment={name}", *words, *chosen, *QUIET]
                times[precision, layout].append(with_leyden(lab, steps)[0])
        base = median(times[VARIANTS[0]])
        for (precision, layout), values in times.items():
            print(
                f"{name:18} {precision:10} {layout:13} {median(values):8.2f}  {median(values) / base:.2f}", flush=True
            )


if __name__ == "__main__":
    main()
