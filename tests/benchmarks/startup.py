"""CPU seconds of each verb until its own work begins, and until a mistake is answered; the ratio to `import torch`.

From a folder where anything may be written, the least of some rounds in which all take turns::

    python tests/benchmarks/startup.py --rounds 3

Own work begins where the file is opened that the table names: the data of a run, the checkpoint of what a record is
used for. Without one, the whole process counts. CPU seconds, because other processes of the machine do not change them
as much as they change the time on the clock; of one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import os, resource, sys

def seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def finish():
    os.write(int(os.environ["STARTUP_OUT"]), f"{seconds():.2f} {int('torch' in sys.modules)}".encode())
    os._exit(0)

opens = os.environ["STARTUP_OPENS"]

def look(event, arguments):
    if event == "open" and opens and str(arguments[0]).endswith(opens):
        finish()

sys.addaudithook(look)
try:
    if sys.argv[1:] == ["import torch"]:
        import torch
    elif sys.argv[1:] == ["import lightning"]:
        import lightning
    else:
        from leyden.cli import main
        main()
except SystemExit:
    pass
finish()
"""
"""What a process does: it writes its CPU seconds, and whether it has imported torch, when it comes so far."""
DIGITS = "digits.csv.gz"
LAB = ["experiment=tour_gan", "debug=smoke", "data.image_size=16", "model.base_channels=8", "model.eval_samples=100"]
FOLDER = ["data/source=image_folder", "data.source.root=nowhere"]
BASE = {"import torch": (["import torch"], ""), "import lightning": (["import lightning"], "")}
GOOD = {
    "--help": (["--help"], ""),
    "list": (["list"], ""),
    "check": (["check", "experiment=tour_gan"], ""),
    "run": (["run", *LAB], DIGITS),
    "sweep": (["sweep", *LAB, "seed=0,1"], DIGITS),
    "find-lr": (["find-lr", "experiment=tour_transfer", "data/source=digits"], DIGITS),
    "advise": (["advise", "data/source=digits"], DIGITS),
    "check-data": (["check-data", "data/source=digits"], DIGITS),
    "resume": (["resume", "STOPPED"], DIGITS),
    "evaluate": (["evaluate", "DONE"], "best.ckpt"),
    "predict": (["predict", "DONE"], "best.ckpt"),
    "export": (["export", "DONE"], "best.ckpt"),
    "reproduce": (["reproduce", "DONE"], DIGITS),
    "verify": (["verify", "DONE"], ""),
    "compare": (["compare", "DONE", "OTHER"], ""),
}
"""By verb: what is typed, and the file with which its own work begins."""
WRONG = {
    "run, option": (["run", "experiment=gan_dcgn"], ""),
    "run, key": (["run", "experiment=tour_gan", "trainer.max_epoch=3"], ""),
    "run, folder": (["run", *FOLDER], ""),
    "run, weights": (["run", "model.weights=nowhere.pt"], ""),
    "check, key": (["check", "experiment=tour_gan", "trainer.max_epoch=3"], ""),
    "sweep, key": (["sweep", "experiment=tour_gan", "sed=0,1"], ""),
    "find-lr, option": (["find-lr", "experiment=gan_dcgn"], ""),
    "advise, option": (["advise", "data/source=imge_folder"], ""),
    "check-data, folder": (["check-data", *FOLDER], ""),
    "verify, option": (["verify", "experiment=gan_dcgn"], ""),
    **{f"{verb}, record": ([verb, "nowhere"], "") for verb in ("resume", "evaluate", "predict", "export", "reproduce")},
    "predict, input": (["predict", "DONE", "--input", "nowhere"], ""),
    "verify, record": (["verify", "nowhere"], ""),
    "compare, record": (["compare", "nowhere"], ""),
}
"""The same with a mistake."""


def measure(words: list[str], opens: str, records: dict[str, str], folder: Path) -> tuple[float, bool]:
    """CPU seconds, and whether torch was imported."""
    reading, writing = os.pipe()
    given = [records.get(word, word) for word in words]
    environment = {**os.environ, "STARTUP_OPENS": opens, "STARTUP_OUT": str(writing), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, *given]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, pass_fds=[writing], check=False)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        seconds, torch = pipe.read().split()
    return float(seconds), torch == "1"


def make_records(folder: Path) -> dict[str, str]:
    """Two runs that are done, and one that was stopped."""
    names = {"DONE": "seed=0", "OTHER": "seed=1", "STOPPED": "seed=2"}
    for seed in names.values():
        command = [sys.executable, "-m", "leyden", "run", *LAB, seed]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
    found = sorted((file.parent for file in folder.rglob("status.json")), key=str)
    stopped = found[-1] / "status.json"
    stopped.write_text(json.dumps({**json.loads(stopped.read_text()), "status": "interrupted"}))
    return dict(zip(names, map(str, found), strict=True))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_records(folder)
        best: dict[str, tuple[float, bool]] = {}
        for _ in range(rounds):
            for what, (words, opens) in {**BASE, **GOOD, **WRONG}.items():
                best[what] = min(best.get(what, (float("inf"), False)), measure(words, opens, records, folder))
    torch = best["import torch"][0]
    print(f"CPU seconds, the least of {rounds} rounds\n\n| | CPU s | over `import torch` | imports torch |")
    print("|---|---|---|---|")
    for what, (seconds, imported) in best.items():
        print(f"| {what} | {seconds:.2f} | {seconds - torch:+.2f} s, {seconds / torch:.1f} x | {'yes' * imported} |")


if __name__ == "__main__":
    main()
