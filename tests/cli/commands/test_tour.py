"""The tour, with runs that have ended before they began."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from leyden.bench.config import validate
from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record
from leyden.bench.sweep.local import Pool
from leyden.cli.commands import tour as module
from leyden.cli.commands.tour import tour


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """The tour's executor, which here imports nothing beside us."""
    only = Pool()
    monkeypatch.setattr(only, "expect", lambda configs: [])
    monkeypatch.setattr(module, "Pool", lambda: only)
    return only


@pytest.fixture
def ran(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is handed to the executor; all of it reaches an accuracy of 0.9, controls one of 0.5."""
    calls: list[list[str]] = []

    def run_stored(records: Sequence[Record], settings: dict, executor: Pool) -> None:
        assert executor is pool
        open_records = [record for record in records if record.status["status"] != "done"]
        calls.append([record.folder.parent.name for record in open_records])
        for record in open_records:
            record.add_environment(monitor={"metric": "val/accuracy", "mode": "max"}, main_image="confusion")
            record.set_metrics({"test/accuracy": 0.5 if record.config["lab"]["variant"] else 0.9})
            record.set_status("done")

    monkeypatch.setattr(module, "run_stored", run_stored)
    return calls


def test_labs_whose_packages_are_there(
    ran: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert tour([f"paths.outputs={tmp_path}"])
    assert "tour_text" in ran[0]
    assert "left out" not in capsys.readouterr().err


def test_labs_with_their_controls_then_a_page(
    ran: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    words = [f"paths.outputs={tmp_path}", "seed=3"]
    assert tour(words)
    assert "tour_text is left out: it needs names (pip install 'leyden[text]')" in capsys.readouterr().err
    assert sorted(ran[0]) == ["tour_detection", "tour_gan", "tour_transfer", "tour_transfer_scratch"]
    assert tour(words)
    assert ran[1] == []  # typed again, nothing is left to do
    text = capsys.readouterr().out
    assert "Two photographs of each class" in text
    assert "test/accuracy of scratch  0.5" in text
    assert f"what to try next: {tmp_path}/tour.html" in text
    assert (tmp_path / "tour.html").read_text().count("<section>") == 4  # and one for what comes then

    assert tour([words[0], "seed=4"])
    assert len(ran[2]) == 4


def test_stopped_tour_says_how_it_goes_on(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_stored", stop)
    with pytest.raises(KeyboardInterrupt):
        tour([f"paths.outputs={tmp_path}/my runs"])
    assert f"`leyden tour 'paths.outputs={tmp_path}/my runs'` goes on" in capsys.readouterr().err


def test_processes_import_beside_the_checks(
    ran: list, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(pool, "expect", lambda configs: order.append(configs[0]["lab"]["name"]))
    monkeypatch.setattr(validate, "load_torch", lambda: order.append("torch"))
    assert tour([f"paths.outputs={tmp_path}"])
    assert order[:2] == ["tour_detection", "torch"]


@pytest.mark.parametrize("word", ["seed=0,1", "seed=x", "sed=1"])
def test_mistyped_override_starts_no_process(word: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "expect", lambda configs: pytest.fail("a process was started"))
    with pytest.raises(ConfigError, match=word.partition("=")[0]):
        tour([word])
