"""The folder that a run leaves: what it was, how it went, what came out. Imports no torch."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from leyden.bench.config.compose import Composed
from leyden.core.environment import environment
from leyden.core.files import write_file
from leyden.core.text.shell import command
from leyden.core.yaml_file import DUMPER, LOADER


class RecordError(ValueError):
    """A folder that is no record, or one that cannot do what was asked; the message names the cure."""


class Record:
    """One run's folder.

    Args:
        folder: holds at least ``config.yaml``.
        allow: packages, modules or classes that its config may name besides known ones (see ``allow_list``).

    Raises:
        RecordError: the folder is none that a run left.
    """

    def __init__(self, folder: str | Path, allow: Iterable[str] = ()) -> None:
        self.folder = Path(folder)
        self.allow = frozenset(allow)
        if not (self.folder / "config.yaml").is_file():
            inner = sorted(self.folder.glob("**/config.yaml")) if self.folder.is_dir() else []
            hint = f"; did you mean {inner[-1].parent}?" if inner else "; `ls outputs/*` shows those that there are"
            raise RecordError(f"{self.folder} is no record of a run: it has no config.yaml{hint}")

    @classmethod
    def create(cls, composed: Composed, folder: Path | None = None, allow: Iterable[str] | None = None) -> "Record":
        """Makes the folder of a new run and writes down what it is.

        Args:
            composed: the run's config.
            folder: where; by default a new ``<outputs>/<experiment>/<date>_<time>_<n>``.
            allow: what the config may name; by default all that it names, as it was composed here.
        """
        folder = folder or new_folder(Path(composed.config["paths"]["outputs"]) / composed.config["lab"]["name"])
        make_folder(folder)
        write_file(folder / "overrides.yaml", _dump({"overrides": composed.overrides, "choices": composed.choices}))
        write_file(folder / "environment.json", json.dumps(environment(), indent=2))
        _write_status(folder, "pending")
        # Last, because it is what makes a folder a record.
        write_file(folder / "config.yaml", _dump(composed.config, sort_keys=False))
        return cls(folder, composed.allow if allow is None else allow)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return yaml.load((self.folder / "config.yaml").read_text(), LOADER)

    @property
    def overrides(self) -> list[str]:
        """The overrides of this run's command."""
        return yaml.load((self.folder / "overrides.yaml").read_text(), LOADER)["overrides"]

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine and git state; what became known once the run had begun, such as ``devices``."""
        return json.loads((self.folder / "environment.json").read_text())

    @property
    def status(self) -> dict[str, Any]:
        """``{"status": pending | running | done | failed | interrupted, ...}``."""
        return json.loads((self.folder / "status.json").read_text())

    @property
    def metrics(self) -> dict[str, float]:
        """Flat metrics; empty before the run is done."""
        file = self.folder / "metrics.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    @property
    def to_resume(self) -> str:
        """The command that goes on with the run, quoted for the shell."""
        return command("resume", self.folder)

    def checkpoint(self, name: str) -> Path:
        """The path of ``checkpoints/<name>.ckpt``, whether it exists or not."""
        return self.folder / "checkpoints" / f"{name}.ckpt"

    def kept_checkpoint(self) -> Path:
        """The checkpoint that predictions come from: the best, or the last where there is no best yet.

        Raises:
            RecordError: the run has not come as far as to have one.
        """
        kept = [path for name in ("best", "last") if (path := self.checkpoint(name)).is_file()]
        if not kept:
            raise RecordError(f"{self.folder} has no checkpoint yet: `{self.to_resume}` first")
        return kept[0]

    def refuse_unless_done(self) -> None:
        """Raises RecordError where the run has not come to its end."""
        if self.status["status"] != "done":
            raise RecordError(f"{self.folder} is not done: `{self.to_resume}` first")

    @property
    def is_failed_start(self) -> bool:
        """Whether the run failed before its first step: data, weights or a device were not there."""
        return self.status["status"] == "failed" and "monitor" not in self.environment

    def discard_failed_start(self) -> None:
        """Removes the folder where nothing in it is worth keeping."""
        if self.is_failed_start:
            shutil.rmtree(self.folder)
            with suppress(OSError):  # other runs of the lab lie there
                self.folder.parent.rmdir()

    def set_status(self, status: str, **details: Any) -> None:
        """Writes ``status.json`` atomically, with the time, this process and ``details`` such as the error."""
        _write_status(self.folder, status, **details)

    def add_environment(self, **spec: Any) -> None:
        """Adds to ``environment.json`` what is known only once the run has begun, such as the data's fingerprint."""
        write_file(self.folder / "environment.json", json.dumps({**self.environment, **spec}, indent=2))

    def start_again(self) -> None:
        """Makes the run begin at its start when it next goes on: forgets checkpoints, and what it ran with before."""
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        (self.folder / "metrics.json").unlink(missing_ok=True)
        write_file(self.folder / "environment.json", json.dumps(environment(), indent=2))
        self.set_status("pending")

    def set_metrics(self, metrics: Mapping[str, float]) -> None:
        """Writes ``metrics.json`` atomically."""
        write_file(self.folder / "metrics.json", json.dumps(dict(metrics), indent=2))

    def refuse_if_running(self) -> None:
        """Raises RecordError where another living process of this machine works in the folder."""
        status = self.status
        if status["status"] != "running" or status["host"] != socket.gethostname() or status["process"] == os.getpid():
            return
        if Path(f"/proc/{status['process']}").exists():
            raise RecordError(f"{self.folder} is still running as process {status['process']}; wait, or stop it first")


def _dump(content: Any, sort_keys: bool = True) -> str:
    return yaml.dump(content, Dumper=DUMPER, sort_keys=sort_keys)


def _write_status(folder: Path, status: str, **details: Any) -> None:
    stamp = {"time": datetime.now().astimezone().isoformat(timespec="seconds"), "host": socket.gethostname()}
    write_file(folder / "status.json", json.dumps({"status": status, **stamp, "process": os.getpid(), **details}))


def make_folder(folder: Path) -> None:
    """Makes a folder, if it is not there.

    Raises:
        RecordError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        accessible = os.access(folder, os.W_OK)
    except OSError as error:
        raise RecordError(
            f"{folder} cannot be made ({error.strerror}): name another place, paths.outputs=..."
        ) from error
    if not accessible:
        raise RecordError(f"nothing can be written in {folder}: name another place, paths.outputs=...")


def new_folder(parent: Path) -> Path:
    """A folder of its own, also for runs that start in the same second; ``mkdir`` decides who gets which."""
    make_folder(parent)
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    number = 0
    while True:
        try:
            (parent / f"{stamp}_{number}").mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return parent / f"{stamp}_{number}"
