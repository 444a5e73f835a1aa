import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import FAST, read_json
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from leyden.bench.config.groups import options

LIGHT = [
    ["--help"],
    ["--version"],
    ["list", "gan"],
    ["show", "gan_dcgan"],
    ["run", "--help"],
    ["sweep", "--help"],
    ["run", "experiment=tour_gan", "--cfg", "job"],
    ["new", "lab", "mine"],
    ["completion", "words"],
    ["-sc", "query=bash"],
]


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_light_verbs_import_no_torch(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['leyden', *sys.argv[1:]]; from leyden.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'torchvision', 'sklearn', 'pandas', 'matplotlib', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    shell = {"COMP_LINE": "leyden run model.las", "COMP_POINT": "20", "PATH": "/usr/bin:/bin"}
    environment = shell if {"-sc", "completion"} & {*words} else {}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    if environment:
        assert "model.last_k." in done.stdout.split()


def test_list_has_every_option(leyden: Callable) -> None:
    said = leyden("list").stdout
    for group in ("experiment", "model", "data/source", "trainer"):
        for option in options(group):
            assert f"{option} " in said


def test_run_leaves_a_whole_record(leyden: Callable, records: Callable) -> None:
    done = leyden("run", *FAST, "seed=0")
    assert done.returncode == 0, done.stderr
    [folder] = records()
    assert f"done: {folder}" in done.stdout or str(folder.relative_to(folder.parents[2])) in done.stdout
    assert read_json(folder / "status.json")["status"] == "done"
    metrics = read_json(folder / "metrics.json")
    assert {"train/loss", "val/accuracy", "best/val/accuracy", "test/accuracy", "steps"} <= set(metrics)
    assert metrics["steps"] == 1
    for name in ("config.yaml", "overrides.yaml", "environment.json", "metrics.csv", "run.log"):
        assert (folder / name).stat().st_size > 0, name
    assert "weights_only" not in (folder / "run.log").read_text(), "Lightning says it of each checkpoint"
    assert {"best.ckpt", "last.ckpt"} == {file.name for file in (folder / "checkpoints").iterdir()}
    assert list((folder / "images").glob("confusion_*.png"))
    files = [str(file) for file in folder.glob("tensorboard/events.out.tfevents.*")]
    tags = [v.tag for file in files for event in EventFileLoader(file).Load() for v in event.summary.value]
    assert {"train/loss", "val/accuracy", "metrics/text_summary", "visual_charts/confusion"} <= set(tags)
    assert not {tag for tag in tags if tag.startswith(("test/", "best/")) or tag in ("steps", "epochs")}
    assert tags.count("_hparams_/session_start_info") == 1
    assert read_json(folder / "environment.json")["data"]


def test_evaluate_and_predict_a_record(leyden: Callable, records: Callable, tmp_path: Path) -> None:
    leyden("run", *FAST)
    [folder] = records()
    assert leyden("evaluate", str(folder)).returncode == 0
    recorded = read_json(folder / "metrics.json")
    for name, value in read_json(folder / "evaluation.json").items():
        assert recorded[name] == value
    assert leyden("predict", str(folder), "--count", "2").returncode == 0
    assert len(read_json(folder / "predictions" / "predictions.json")) == 2
    done = leyden("predict", str(folder), "--input", str(folder / "images"), "--output", "predicted")
    assert done.returncode == 0, done.stderr
    names = {file.name for file in (folder / "images").iterdir()}
    assert {file.name for file in (tmp_path / "predicted" / "images").iterdir()} == names
    assert (tmp_path / "predicted" / "contact_sheet.png").is_file()
    (tmp_path / "predicted" / "images" / "broken.png").write_text("no picture")
    done = leyden("predict", str(folder), "--input", "predicted/images", "--output", "again")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"1 of {len(names) + 1} inputs could not be read"


def test_predict_takes_class_and_seed(leyden: Callable, records: Callable, tmp_path: Path) -> None:
    small = ["data.image_size=16", "model.base_channels=8", "model.eval_samples=100"]
    done = leyden("run", "experiment=gan_conditional", "debug=smoke", *small)
    assert done.returncode == 0, done.stderr
    [folder] = records()
    words = ["predict", str(folder), "--count", "4", "--seed", "1"]
    for output in ("a", "b"):
        assert leyden(*words, "--class", "3", "--output", output).returncode == 0
    for name in ("predictions.json", "grid.png", "images/sample_003.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert [row["class"] for row in read_json(tmp_path / "a" / "predictions.json")] == ["3"] * 4
    done = leyden(*words, "--class", "ten", "--output", "c")
    assert done.returncode == 1
    assert done.stderr == "error: no class 'ten': the data have 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
    assert not (tmp_path / "c").exists()


def test_sweep_goes_on_after_a_failed_job(leyden: Callable, records: Callable) -> None:
    fault = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes", "+callbacks.fault.step=1"]
    done = leyden("run", "-m", *FAST, *fault, "+callbacks.fault.kind=raise,none")
    assert done.returncode == 1
    assert [read_json(folder / "status.json")["status"] for folder in records()] == ["failed", "done"]
    assert "(callbacks.fault.kind=raise): ValueError: this is what went wrong" in done.stderr
    assert "1 of 2 jobs done" in done.stderr


def test_sweep_refuses_a_job_that_could_not_train(leyden: Callable, records: Callable) -> None:
    done = leyden("run", "-m", *FAST, "data.labels_per_class=2,100000")
    assert done.returncode == 1
    assert "labels_per_class=100000" in done.stderr
    assert records() == []


def test_glob_without_a_match_is_an_error(leyden: Callable) -> None:
    done = leyden("run", "-m", "experiment=glob(nothing_*)")
    assert done.returncode == 1
    assert "matches nothing" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer=gpu"], "use trainer=cpu"),
        (["data.labels_per_class=100000"], "labels_per_class"),
        (["data/source=tables"], "choose another data/source or data"),
    ],
)
def test_failed_start_is_one_line_and_no_record(
    words: list[str], message: str, leyden: Callable, tmp_path: Path
) -> None:
    done = leyden("run", *FAST, *words)
    assert done.returncode == 1
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert message in error
    assert "Traceback" not in done.stderr
    assert [*tmp_path.glob("outputs/*")] == []


def test_error_is_one_line_and_failed_record(leyden: Callable, records: Callable) -> None:
    done = leyden("run", *FAST, "model.lr=1e30", "trainer.max_steps=20", "trainer.limit_train_batches=null")
    assert done.returncode == 1
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "the loss is" in error
    assert "Traceback" not in done.stderr
    [folder] = records()
    status = read_json(folder / "status.json")
    assert status["status"] == "failed"
    assert "the loss is" in status["error"]
    assert "Traceback" in (folder / "run.log").read_text()
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_stopped_run_can_go_on(signal: str, leyden: Callable, records: Callable) -> None:
    words = [*FAST, "trainer.max_steps=8", "trainer.max_epochs=4", "trainer.limit_train_batches=null"]
    killer = ["+callbacks.killer._target_=killer.Killer", "checkpoint.every_n_steps=2"]
    done = leyden("run", *words, *killer, LEYDEN_KILL_AT_STEP="5", LEYDEN_KILL_BY=signal)
    assert done.returncode != 0
    [folder] = records()
    status = read_json(folder / "status.json")
    assert status["status"] == "interrupted"
    assert status["cure"] == f"leyden resume {folder.relative_to(folder.parents[2])}"
    assert f"`{status['cure']}` goes on\n" in done.stdout
    assert leyden("resume", str(folder)).returncode == 0
    assert read_json(folder / "status.json")["status"] == "done"
    assert read_json(folder / "metrics.json")["steps"] == 8


def test_overfit_learns_one_batch(leyden: Callable, records: Callable) -> None:
    words = ["debug=overfit", "model.strategy=full", "model.source_epochs=1", "trainer.max_epochs=60", "model.lr=0.01"]
    assert leyden("run", *words).returncode == 0
    [folder] = records()
    assert read_json(folder / "metrics.json")["train/loss"] < 0.05


def test_cut_or_other_checkpoint_is_refused(leyden: Callable, records: Callable) -> None:
    leyden("run", *FAST)
    [folder] = records()
    best = folder / "checkpoints" / "best.ckpt"
    whole = best.read_bytes()
    best.write_bytes(whole[: len(whole) // 2])
    assert "is not a whole checkpoint" in leyden("evaluate", str(folder)).stderr
    best.write_bytes(whole)
    config = folder / "config.yaml"
    other = "leyden.gan.noise_to_image.dcgan.DCGAN"
    config.write_text(config.read_text().replace("leyden.transfer.finetune.finetune.Finetune", other))
    assert f"the config wants {other}" in leyden("evaluate", str(folder)).stderr


def test_two_processes_train_as_one_lab(leyden: Callable, records: Callable) -> None:
    done = leyden("run", *FAST, "trainer=ddp_cpu")
    assert done.returncode == 0, done.stderr
    [folder] = records()
    assert read_json(folder / "environment.json")["devices"]["count"] == 2
    assert (folder / "run.rank1.log").is_file()
    assert " x 2 processes x 1 accumulated; learning rates as configured" in (folder / "run.log").read_text()
