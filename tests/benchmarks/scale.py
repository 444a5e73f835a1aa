"""How cost grows: time and memory against the number of images, of jobs and of processes.

Images: generated JPEG files in class folders, streamed by two workers through the data module. Jobs: a sweep's own
work, on jobs that are done already, and what jobs of one step cost. Processes: the same training, its batch shared out.
Memory is what /proc says (Linux): of the main process its resident set (RSS); of all processes together what they have
filled themselves, each page once however many share it (Pss_Anon), so without libraries. `make bench-scale`, or this
file with the names of some parts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

COUNTS = (1_000, 20_000, 200_000)
JOBS = (10, 100, 1_000)
DIFFERENT, CLASSES, SIDE = 400, 100, 16
"""Pictures that differ, each under many names; class folders; pixels."""
EPOCHS, WORKERS, BATCH = 3, 2, 256
SEED = 987_654_321
"""Stands for a job's own in the config that all of a sweep's records are made from."""
LABEL = "experiment=transfer_finetune"
STEP = ["debug=smoke", "model.weights=none", "data.source_classes=null"]


def images() -> None:
    print(f"images: {SIDE} px, {WORKERS} workers, batches of {BATCH}; 60 % of the files train")
    print("   files   seconds to start: no index, index   images/s: epoch 1, 3   MB main: start, 1, 3   MB all: 1, 3")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            paint(Path(folder), count)
            time.sleep(2.5)  # an index is kept of folders that have been quiet for two seconds
            seen = json.loads(typed([sys.executable, __file__, "-look", folder], folder)[0].splitlines()[-1])
        speed, main, whole = ([seen[name][0], seen[name][-1]] for name in ("per_second", "main", "all"))
        print(
            f"{count:8,}   {seen['first']:26.2f}, {seen['start']:5.2f}   {speed[0]:17.0f}, {speed[1]:.0f}"
            f"   {seen['before']:14.0f}, {main[0]:.0f}, {main[1]:.0f}   {whole[0]:9.0f}, {whole[1]:.0f}",
            flush=True,
        )


def paint(folder: Path, count: int) -> None:
    """So many JPEG files in class folders, hard links of a few hundred different ones."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    (folder / "pool").mkdir()
    for i in range(DIFFERENT):
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((SIDE, SIDE)).save(folder / "pool" / f"{i}.jpg")
    for label in range(CLASSES):
        (folder / "set" / f"class_{label:02d}").mkdir(parents=True)
    for i in range(count):
        os.link(f"{folder}/pool/{i % DIFFERENT}.jpg", f"{folder}/set/class_{i % CLASSES:02d}/{i:07d}.jpg")


def look(folder: Path) -> None:
    """A start without an index, in a process of its own that shares the imports, one with it, and epochs: as JSON."""
    import multiprocessing

    import leyden.data.module  # noqa: F401  # before the fork, so that neither clock sees it

    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=lambda: there.send(start(folder)[1]))
    process.start()
    seen = {"first": here.recv()}
    process.join()
    data, seen["start"] = start(folder)
    seen |= {"before": resident(os.getpid()), "per_second": [], "main": [], "all": []}
    loader = data.train_dataloader()
    for _ in range(EPOCHS):
        began, count = time.perf_counter(), 0
        for number, (batch, _) in enumerate(loader):
            count += len(batch)
            if number == len(loader) - 1:  # the workers are still there
                seen["main"].append(resident(os.getpid()))
                seen["all"].append(own_memory(os.getpid()))
        seen["per_second"].append(count / (time.perf_counter() - began))
    print(json.dumps(seen))


def start(folder: Path) -> tuple[Any, float]:
    """Data of which batches may be asked for, as a run has it, and the seconds that it took."""
    from leyden.data.images import ImageDataModule
    from leyden.data.source.files.image_folder import ImageFolder

    began = time.perf_counter()
    source = ImageFolder(str(folder / "set"), index_cache=str(folder / "cache"))
    data = ImageDataModule(source, image_size=SIDE, batch_size=BATCH, in_memory=False, workers=WORKERS)
    data.prepare_data()
    assert data.fingerprint
    return data, time.perf_counter() - began


def jobs() -> None:
    print("jobs: a sweep that finds all of them done")
    print("    jobs  ms per record written   seconds, start to end   ms per job   MB at most")
    base = 0.0
    for count in JOBS:
        with tempfile.TemporaryDirectory() as folder:
            stored = store(Path(folder), count)
            words = [LABEL, *STEP, f"seed=range(0,{count})", "sweep.name=scale"]
            began = time.perf_counter()
            said, peak = typed([sys.executable, "-m", "leyden", "sweep", *words], folder)
            seconds = time.perf_counter() - began
            if f"{count} of {count} jobs done" not in said or "at a time" in said:
                raise SystemExit(f"the sweep did not take its jobs as done:\n{said}")
        base = base or seconds
        own = f"{(seconds - base) / (count - JOBS[0]) * 1e3:10.1f}" if count > JOBS[0] else " " * 10
        print(f"{count:8,}  {stored:21.1f}   {seconds:21.1f}   {own}   {peak:10.0f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        typed([sys.executable, "-m", "leyden", "sweep", LABEL, *STEP, "seed=range(0,4)", "sweep.jobs=2"], folder)
        print(f"4 real jobs of one step, 2 at a time: {time.perf_counter() - began:.1f} s in all")


def store(folder: Path, count: int) -> float:
    """Writes records of jobs that are done, as the sweep would leave them; the median of ms per record."""
    from leyden.bench.config.compose import Composed, compose
    from leyden.bench.run.record import Record

    composed = compose([LABEL, *STEP, f"seed={SEED}"])
    text, seconds = json.dumps(composed.config), []
    for number in range(count):
        own = Composed(json.loads(text.replace(str(SEED), str(number))), composed.choices, composed.overrides)
        began = time.perf_counter()
        record = Record.create(own, folder / "outputs/sweeps/scale" / f"{number}_{LABEL.partition('=')[2]}")
        record.add_environment(monitor={"metric": "val/accuracy", "mode": "max"})
        record.set_metrics({"best/val/accuracy": 1 / (1 + number), "test/accuracy": 0.5})
        record.set_status("done")
        seconds.append(time.perf_counter() - began)
    return median(seconds) * 1e3


def processes() -> None:
    words = [
        "~experiment", "data/source=digits", "data.epoch_size=12800", "model.weights=none", "trainer.max_epochs=3",
        "model.source_epochs=0", "trainer.limit_val_batches=1",
    ]  # fmt: skip
    print("processes: fine-tuning on digits, 128 examples per step in all, one thread each")
    print("processes   steps/s   MB all, at most")
    for count, own in ((1, ["trainer=cpu"]), (2, ["trainer=ddp_cpu"])):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "leyden", "run", *words, *own, f"data.batch_size={128 // count}"]
            _, peak = typed(command, folder, everybody=True)
            (file,) = Path(folder).rglob("metrics.json")
            metrics = json.loads(file.read_text())
        print(f"{count:9}   {metrics['steps'] / metrics['train_seconds']:7.1f}   {peak:15.0f}", flush=True)


def typed(command: list[str], folder: str, everybody: bool = False) -> tuple[str, float]:
    """What a command prints, and the most memory that it has at a time, MB.

    Args:
        command: typed in ``folder``.
        folder: where it may leave files.
        everybody: the memory of all its processes, looked at five times a second; otherwise its own, exactly.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        peak = 0.0
        while everybody and process.poll() is None:
            peak = max(peak, own_memory(process.pid))
            time.sleep(0.2)
        if not everybody:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode, peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1e3
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return said, peak


def resident(process: int) -> float:
    """MB that a process has in memory, alone or with others."""
    return kilobytes(Path(f"/proc/{process}/status"), "VmRSS") / 1e3


def own_memory(process: int) -> float:
    """MB that a process and all that it has started have filled, together."""
    return sum(kilobytes(Path(f"/proc/{one}/smaps_rollup"), "Pss_Anon") for one in family(process)) / 1e3


def kilobytes(file: Path, name: str) -> int:
    """A number of a file in /proc; 0 where its process has just ended."""
    try:
        lines = file.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def family(process: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(file.read_text().rpartition(")")[2].split()[1])  # a name may hold anything, even brackets
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(file.parent.name))
    found = [process]
    for one in found:  # grows as it goes
        found += children.get(one, [])
    return found


PARTS: dict[str, Callable[[], None]] = {"images": images, "jobs": jobs, "processes": processes}


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    if sys.argv[1:2] == ["-look"]:
        look(Path(sys.argv[2]))
    else:
        main()
