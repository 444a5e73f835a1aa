"""Python processes that are forked from one which has imported what they need: `leyden` commands above all.

Importing takes longer than a small command itself. What tests are about is the same as in a process that was started by
itself: arguments, environment, working directory, output, exit status, and that a kill or a crash reaches nobody else.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from leyden.core.start.loading import keep_imported, no_collections

IMPORTED = [
    "leyden.bench.run.run",
    "leyden.bench.config.validate",
    "leyden.bench.run.summary",
    "leyden.bench.commands.predict",
    "leyden.training.callbacks",
    "leyden.training.loggers",
    "leyden.training.progress",
    "leyden.training.tensorboard",
    "leyden.transfer.data",
    "leyden.transfer.finetune.finetune",
    "leyden.data.batches.gan.images",
    "leyden.gan.noise_to_image.dcgan",
    "leyden.detection.data",
    "leyden.detection.ssd",
    "leyden.data.source.builtin.digits",
    "leyden.data.source.builtin.digit_scenes",
    "leyden.data.source.builtin.image_patches",
]
AT_START = ("OMP_NUM_THREADS", "PYTHONPATH")
"""What Python and its libraries read only when they start: a command that differs in one of them starts by itself."""
LEYDEN = ("-m", "leyden")


class Typist:
    """Types `leyden` commands, or other arguments of Python.

    Args:
        environment: what most commands will have.
        prefix: a command that starts the process to fork from, such as one that gives it file systems of its own.
    """

    def __init__(self, environment: dict[str, str], prefix: Sequence[str] = ()) -> None:
        self._environment, self._prefix = environment, prefix
        self._server: subprocess.Popen[str] | None = None

    def type(self, words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """`leyden WORDS` in a folder, to its end. Exit status -N: by signal N."""
        if any(environment.get(name) != self._environment.get(name) for name in AT_START):
            return subprocess.run(
                [sys.executable, *LEYDEN, *words],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
        with self.start([*LEYDEN, *words], folder, environment) as process:
            return process.result()

    def start(self, arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> "Process":
        """`python ARGUMENTS` in a folder, which begin with -m or -c."""
        place = TemporaryDirectory()
        said = [str(Path(place.name, stream)) for stream in ("stdout", "stderr")]
        request = {"arguments": arguments, "folder": str(folder), "environment": environment, "said": said}
        return Process(self, self.ask("start", request), place)

    def ask(self, what: str, of: Any) -> Any:
        """What the server answers."""
        if self._server is None and what != "start":
            return -signal.SIGKILL  # its children ended with it
        if self._server is None:
            self._server = subprocess.Popen(
                [*self._prefix, sys.executable, __file__],
                env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            print(json.dumps([what, of]), file=self._server.stdin, flush=True)
            return json.loads(self._server.stdout.readline())
        except BaseException:  # such as that the test's time is up
            self.close()
            raise

    def close(self) -> None:
        """Ends the server, and commands that still run."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.communicate()
            self._server = None


class Process:
    """One that was started; killed at the end of a ``with``.

    Args:
        typist: who asks its parent.
        pid: its number.
        place: where its stdout and stderr go.
    """

    def __init__(self, typist: Typist, pid: int, place: TemporaryDirectory[str]) -> None:
        self.pid = pid
        self._typist, self._place = typist, place
        self._status: int | None = None
        self._result: subprocess.CompletedProcess[str] | None = None

    def ended(self) -> bool:
        """Whether it is through."""
        if self._status is None:
            self._status = self._typist.ask("poll", self.pid)
        return self._status is not None

    def result(self) -> subprocess.CompletedProcess[str]:
        """Waits for its end: exit status and output."""
        if self._result is None:
            if self._status is None:
                self._status = self._typist.ask("wait", self.pid)
            said = (Path(self._place.name, stream).read_text() for stream in ("stdout", "stderr"))
            self._result = subprocess.CompletedProcess([str(self.pid)], self._status or 0, *said)
        return self._result

    def send_signal(self, number: int) -> None:
        """Not to one that is through, whose number may be another's by now."""
        if not self.ended():
            os.kill(self.pid, number)

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.send_signal(signal.SIGKILL)
        self.result()
        self._place.cleanup()


def serve() -> None:
    """Forks one process per ``start``; answers with its number, later with its exit status."""
    with no_collections():
        for name in IMPORTED:
            import_module(name)
    keep_imported()
    for line in sys.stdin:
        what, of = json.loads(line)
        if what == "start":
            answer: int | None = os.fork()
            if answer == 0:
                become(**of)
        else:
            pid, status = os.waitpid(of, os.WNOHANG if what == "poll" else 0)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)


def become(arguments: list[str], folder: str, environment: dict[str, str], said: list[str]) -> None:
    """Makes this process what `python ARGUMENTS` starts; it ends with it."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in enumerate([os.devnull, *said]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), stream)
    sys.path[0] = folder
    how, what, *sys.argv[1:] = arguments
    if how == "-m":
        sys.argv[0] = what
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = how
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    sys.exit()


if __name__ == "__main__":
    serve()
