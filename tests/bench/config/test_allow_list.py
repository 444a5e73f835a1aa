"""Attacks on whoever opens a record or a checkpoint of someone else's; each works where nothing stops it."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import yaml
from commands import FAST, read_json

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import CONF
from leyden.bench.config.instantiate import build
from leyden.bench.run.checkpoint import best, load_best, newest
from leyden.bench.run.record import Record
from leyden.cli import main
from leyden.core.allow_list import NotAllowedError, check_folder, from_environment, refuse_places, why_not
from leyden.training.checkpoint import CheckpointError, verify

FINETUNE = "leyden.transfer.finetune.finetune.Finetune"


class Payload:
    """Touches a file when it is unpickled carelessly."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.fixture
def pwned(tmp_path: Path) -> Path:
    """What an attack makes."""
    return tmp_path / "pwned"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Types a `leyden` command here, where nothing is allowed; what it says when it refuses."""

    def type_(*words: str) -> str:
        monkeypatch.setenv("LEYDEN_ALLOW", "")
        assert main(words) == 1
        return capsys.readouterr().err

    return type_


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A pending one, of the default lab."""
    return Record.create(compose([f"paths.outputs={tmp_path}"]), tmp_path / "theirs")


def rewrite(record: Record, change: Callable[[dict[str, Any]], Any]) -> None:
    config = record.config
    change(config)
    (record.folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_labs_and_configs_need_no_allowance() -> None:
    files = [*(CONF / "experiment").glob("*.yaml"), *(f for f in CONF.rglob("*.yaml") if f.parts[-3] != "hydra")]
    named = {name for file in files for name in re.findall(r"_target_: *(\S+)", file.read_text())}
    assert len(named) > 30
    assert {name: reason for name in named if (reason := why_not(name))} == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("os.system", "no part of leyden, lightning, torch or torchvision"),
        ("subprocess.Popen", "--allow NAME or set LEYDEN_ALLOW=NAME, here subprocess"),
        ("torch.os.system", "borrowed from posix"),
        ("lightning.pytorch.trainer.trainer.os.system", "borrowed from posix"),
        ("leyden.core.environment.subprocess.Popen", "borrowed from subprocess"),
        ("leyden.bench.sweep.local.BaseProcess", "borrowed from multiprocessing"),
        ("leyden.cli.main", "no class that a config is made of"),
        ("leyden.__main__.main", "no plain dotted name"),
        ("leyden.bench.config.instantiate.__builtins__.exec", "no plain dotted name"),
        ("torch.load", "no class that a config is made of"),
        ("torch.hub.load", "no class that a config is made of"),
        ("torch.utils.cpp_extension.load_inline", "no class that a config is made of"),
        ("torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler", "no class that a config"),
        ("torchvision.datasets.LSUNClass", "no class that a config is made of"),
        ("torch.nothing", "cannot be found"),
        ("${oc.env:HOME}", "no plain dotted name"),
        ("leyden:cli.main", "no plain dotted name"),
        (["os", "system"], "no plain dotted name"),
        (None, "no plain dotted name"),
        ("", "no plain dotted name"),
    ],
)
def test_names_that_records_may_not_have(name: Any, reason: str) -> None:
    assert reason in (why_not(name) or "allowed")


def test_own_module_is_not_imported_unallowed(tmp_path: Path, pwned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mylab_of_trust.py").write_text(
        f"import os\nfrom torch.hub import load\nos.mkdir({str(pwned)!r})\ndef make(): return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "here mylab_of_trust" in str(why_not("mylab_of_trust.make"))
    assert not pwned.exists()
    monkeypatch.setenv("LEYDEN_ALLOW", "other, mylab_of_trust")
    assert from_environment() == {"other", "mylab_of_trust"}
    allow = {"mylab_of_trust"}
    assert why_not("mylab_of_trust.make", allow) is None
    assert pwned.exists()
    assert build({"_target_": "mylab_of_trust.make"}, allow) == 1
    assert "borrowed from posix" in str(why_not("mylab_of_trust.os.system", allow))
    assert "no class that a config is made of" in str(why_not("mylab_of_trust.load", allow))
    assert "here mylab_of_trusted" in str(why_not("mylab_of_trusted.make", allow))


def test_foreign_record_is_refused_after_composing_the_same(record: Record, refused: Callable, tmp_path: Path) -> None:
    """What was composed here is allowed for its own run alone, not for the process."""
    name = "lightning.pytorch.utilities.seed.isolate_rng"
    place = str(tmp_path / "elsewhere")
    composed = compose([f"+callbacks.mine._target_={name}", f"+trainer.default_root_dir={place}"])
    node = composed.config["callbacks"]["mine"]
    build(node, composed.allow)
    with pytest.raises(NotAllowedError, match="no class that a config is made of"):
        build(node)
    with pytest.raises(NotAllowedError, match="is a place of its own"):
        refuse_places(composed.config)
    rewrite(record, lambda config: config["callbacks"].update(mine=node))
    assert "error: callbacks.mine._target_: refused" in refused("resume", str(record.folder))


@pytest.mark.parametrize(
    ("group", "node"),
    [
        ("callbacks", {"_target_": "os.mkdir", "path": "PWNED"}),
        ("callbacks", {"_target_": "torch.os.mkdir", "path": "PWNED"}),
        ("logger", {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": [{"_target_": "os.mkdir", "a": 0}]}),
        (
            "callbacks",
            {
                "_target_": "lightning.pytorch.callbacks.ModelSummary",
                "max_depth": "${oc.decode:'{_target_: os.mkdir, path: PWNED}'}",
            },
        ),
    ],
)
def test_no_verb_builds_unknown_targets(
    group: str, node: dict[str, Any], record: Record, pwned: Path, refused: Callable
) -> None:
    text = yaml.safe_dump(node).replace("PWNED", str(pwned))
    rewrite(record, lambda config: config[group].update(harmless=yaml.safe_load(text)))
    with pytest.raises(NotAllowedError, match="refused"):
        build(record.config[group]["harmless"])
    said = refused("resume", str(record.folder))
    assert said.startswith(f"error: {group}.harmless")
    assert "refused" in said
    assert not pwned.exists()
    assert read_json(record.folder / "status.json")["status"] == "pending"
    assert not (record.folder / "run.log").exists()


def test_foreign_technique_is_not_imported(
    record: Record, tmp_path: Path, pwned: Path, refused: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a record that was unpacked where the person stands: Python looks for modules there too."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "their_net.py").write_text(f"import os\nos.mkdir({str(pwned)!r})\n")
    rewrite(record, lambda config: config["model"].update(_target_="their_net.Net"))
    with pytest.raises(NotAllowedError, match=r"model\._target_: refused: their_net\.Net is no part of"):
        load_best(record)
    for verb in ("resume", "evaluate", "predict", "export", "reproduce"):
        assert "error: model._target_: refused: their_net.Net is no part of" in refused(verb, str(record.folder))
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "multirun.yaml").touch()
    record.folder.rename(sweep / "0_job")
    assert "refused: their_net.Net" in refused("resume", str(sweep))
    assert not pwned.exists()


def test_own_code_runs_once_allowed(leyden: Callable, records: Callable, refused: Callable) -> None:
    words = [*FAST, "+callbacks.killer._target_=killer.Killer", "trainer.max_steps=2", "checkpoint.every_n_steps=1"]
    words += ["trainer.limit_train_batches=2"]
    assert leyden("run", *words, LEYDEN_ALLOW="", LEYDEN_KILL_AT_STEP="1").returncode == -9
    [folder] = records()
    cure = "if you know what it runs, add --allow NAME or set LEYDEN_ALLOW=NAME, here killer"
    assert cure in refused("resume", str(folder))
    done = leyden("resume", str(folder), "--allow", "killer", LEYDEN_ALLOW="")
    assert done.returncode == 0, done.stderr


def test_sweep_allows_its_jobs_targets(leyden: Callable, records: Callable) -> None:
    own = ["+callbacks.killer._target_=killer.Killer"]
    done = leyden("run", "-m", *FAST, *own, "seed=3", LEYDEN_ALLOW="")
    assert done.returncode == 0, done.stderr
    assert len(records()) == 1


@pytest.mark.parametrize("name", ["run.log", "checkpoints", "images/deep"])
def test_link_out_of_a_record_is_refused(name: str, record: Record, tmp_path: Path, refused: Callable) -> None:
    """`run.log` is appended to, so as a link to a shell's start-up file it would run what a config says."""
    outside = tmp_path / "profile"
    outside.write_text("safe\n")
    link = record.folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    assert f"{link} is a link out of the record" in refused("resume", str(record.folder))
    assert outside.read_text() == "safe\n"
    link.unlink()
    link.symlink_to(record.folder / "config.yaml")
    check_folder(record.folder, [record.config])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("filename", "../../escaped"),
        ("filename", "..\\escaped"),
        ("filename", "/tmp/escaped"),
        ("filename", "~/escaped"),
        ("dirpath", "file:///tmp/escaped"),
        ("dirpath", "escaped"),
    ],
)
def test_writers_have_no_place_of_their_own(key: str, value: str) -> None:
    node = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", key: value, "monitor": "val/accuracy"}
    for config in ({"callbacks": {"kept": node}}, {"trainer": {"plugins": [node]}}, {"logger": {"kept": node}}):
        with pytest.raises(NotAllowedError, match=rf"\.{key}: refused: .* is a place of its own"):
            refuse_places(config)
    refuse_places(config, {"lightning.pytorch.callbacks.ModelCheckpoint"})


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoint_with_code_is_refused(name: str, record: Record, pwned: Path, refused: Callable) -> None:
    file = record.checkpoint(name)
    file.parent.mkdir()
    torch.save({"state_dict": {}, "technique": FINETUNE, "global_step": 1, "more": Payload(pwned)}, file)
    for find in (newest, best):
        with pytest.raises(CheckpointError, match="refused: it holds more than tensors and plain values"):
            find(record, FINETUNE)
    assert "refused: it holds more" in refused("evaluate", str(record.folder))
    file.write_bytes(pickle.dumps(Payload(pwned)))
    assert "is not a whole checkpoint" in refused("predict", str(record.folder))
    assert not pwned.exists()
    with file.open("rb") as careless:
        pickle.load(careless)
    assert pwned.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"callbacks": {"c": {"best_k_models": {"/r/checkpoints/../../x": 1.0}}}}, "the file /r/checkpoints/../../x"),
        ({"callbacks": {"c": {"kth_best_model_path": "../x"}}}, "the file ../x"),
    ],
)
def test_names_in_a_checkpoint_delete_nothing(content: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = tmp_path / "best.ckpt"
    torch.save({"technique": FINETUNE, **content}, file)
    with pytest.raises(CheckpointError, match=f"refused: .*{reason}"):
        verify(file, FINETUNE)


def test_lightning_would_delete_such_files(tmp_path: Path) -> None:
    """The reason for the check above: its own looks at the name only as it is written."""
    keeper = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path / "checkpoints")
    there = str(tmp_path / "checkpoints" / ".." / "precious.txt")
    trainer = lightning.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    assert keeper._should_remove_checkpoint(trainer, there, "other")
