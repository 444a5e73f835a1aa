"""`leyden` commands as processes that are forked from one which has imported what they need.

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
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

IMPORTED = [
    "leyden.bench.run.run",
    "leyden.bench.config.validate",
    "leyden.bench.run.summary",
    "leyden.bench.commands.predict",
    "leyden.bench.run.callbacks",
    "leyden.bench.run.loggers",
    "leyden.bench.run.progress",
    "leyden.transfer.data",
    "leyden.transfer.finetune.finetune",
    "leyden.data.batches.gan_images",
    "leyden.gan.noise_to_image.dcgan",
    "leyden.detection.data",
    "leyden.detection.ssd",
    "leyden.data.source.builtin.digits",
    "leyden.data.source.builtin.digit_scenes",
    "leyden.data.source.builtin.image_patches",
]
AT_START = ("OMP_NUM_THREADS", "PYTHONPATH")
"""What Python and its libraries read only when they start: a command that differs in one of them starts by itself."""


class Typist:
    """Types `leyden` commands, one after the other.

    Args:
        environment: what most commands will have.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._server: subprocess.Popen[str] | None = None

    def type(self, words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """`leyden WORDS` in a folder, to its end. Exit status -N: by signal N."""
        if any(environment.get(name) != self._environment.get(name) for name in AT_START):
            return subprocess.run(
                [sys.executable, "-m", "leyden", *words],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
        with TemporaryDirectory() as place:
            said = [Path(place, "stdout"), Path(place, "stderr")]
            paths = [str(file) for file in said]
            status = self._ask(words=words, folder=str(folder), environment=environment, said=paths)
            return subprocess.CompletedProcess(["leyden", *words], status, *(file.read_text() for file in said))

    def close(self) -> None:
        """Ends the server, and a command that still runs."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.communicate()
            self._server = None

    def _ask(self, **request: Any) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            print(json.dumps(request), file=self._server.stdin, flush=True)
            return int(self._server.stdout.readline())
        except BaseException:  # such as that the test's time is up
            self.close()
            raise


def serve() -> None:
    """Forks one command per line of stdin; answers with its exit status."""
    for name in IMPORTED:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(words: list[str], folder: str, environment: dict[str, str], said: list[str]) -> None:
    """Makes this process what `python -m leyden WORDS` starts; it ends with it."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in enumerate([os.devnull, *said]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), stream)
    sys.path[0] = folder
    sys.argv = ["leyden", *words]
    runpy.run_module("leyden", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
