"""Completion: candidates in process, then the script in a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leyden.bench.config.groups import options
from leyden.cli import main
from leyden.cli.completion import SHELLS, candidates
from leyden.cli.verbs import VERBS


@pytest.fixture(autouse=True)
def own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "")  # which completion sets for Hydra
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_verbs_and_options() -> None:
    assert candidates("leyden ") == [*VERBS, "--help", "--version"]
    assert candidates("leyden comp") == ["compare", "completion"]
    assert candidates("leyden predict x --") == [
        "--help", "--allow", "--input", "--output", "--count", "--prompt", "--class", "--seed", "--threshold",
        "--direction", "--mask", "--support",
    ]  # fmt: skip
    assert candidates("leyden run --c") == ["--cfg"]
    assert candidates("leyden completion ") == ["bash", "zsh"]
    assert candidates("leyden new te") == ["technique"]
    assert candidates("leyden predict --input pi") == []  # a file, which the shell completes
    assert candidates("leyden predict x --direction ") == ["A2B", "B2A"]
    assert candidates("leyden nothing ") == []


@pytest.mark.parametrize("verb", ["run", "sweep", "check", "find-lr", "verify", "show"])
def test_overrides(verb: str) -> None:
    assert candidates(f"leyden {verb} experiment=tour_") == [
        f"experiment={name}" for name in options("experiment") if name.startswith("tour_")
    ]
    assert candidates(f"leyden {verb} model=gan/dc") == ["model=gan/dcgan"]
    assert candidates(f"leyden {verb} experiment=gan_dcgan model.latent") == ["model.latent_dim="]  # Hydra's
    assert {"experiment=", "data/source=", "trainer.", "seed="} <= {*candidates(f"leyden {verb} ")}


def test_labs_of_the_searchpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\nmodel:\n  own_key: 3\n")
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(tmp_path))
    assert candidates("leyden run experiment=mi") == ["experiment=mine"]
    assert candidates("leyden run experiment=mine model.own") == ["model.own_key="]


def test_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tour_gan/2026-11-28_10-00-00_0", "sweeps/mine/0_tour_gan"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        for file in ("config.yaml", "status.json"):
            (tmp_path / "outputs" / name / file).touch()
    (tmp_path / "outputs/sweeps/mine/multirun.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert candidates("leyden predict ") == ["last", "tour_gan"]
    assert candidates("leyden resume m") == ["mine", "mine/0_tour_gan"]
    assert candidates("leyden evaluate outputs/s") == ["outputs/sweeps/mine/0_tour_gan"]
    assert candidates("leyden predict tour_gan/") == ["tour_gan/2026-11-28_10-00-00_0"]


def test_in_a_real_bash(tmp_path: Path) -> None:
    program = tmp_path / "leyden"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m leyden "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(leyden completion bash)"
        complete -p leyden
        for line in "leyden ver" "leyden run experiment=tour_g" "leyden run model.last"; do
          COMP_LINE=$line COMP_POINT=${#line}
          _leyden leyden
          printf '<%s>' "${COMPREPLY[@]}"
        done
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines() == [
        "complete -o default -o nospace -F _leyden leyden",
        "<verify ><tour_gan ><model.last_k.>",  # after the sign at which bash cuts words
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_scripts_are_sound(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script == (SHELLS / f"{shell}.sh").read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=script, text=True, check=True)
