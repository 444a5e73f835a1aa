"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them."""

import os
import socket
import time
from pathlib import Path
from typing import Any

import torch
from typist import Process, Typist


def run_two_ranks(typist: Typist, script: str, folder: Path, timeout: float = 240) -> list[Any]:
    """What each rank of a script leaves, once both have ended well.

    Args:
        typist: what starts them.
        script: Python that reads its rank and ``folder`` from the command line and saves ``<folder>/<rank>.pt``.
        folder: of the test.
        timeout: seconds for both.

    Returns:
        the content of ``0.pt`` and ``1.pt``.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first, second = (_start(typist, script, rank, port, folder) for rank in (0, 1))
    deadline = time.monotonic() + timeout
    with first, second:
        while not (first.ended() and second.ended()) and time.monotonic() < deadline:
            time.sleep(0.02)
    ranks = [first.result(), second.result()]
    assert [rank.returncode for rank in ranks] == [0, 0], [rank.stderr for rank in ranks]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def _start(typist: Typist, script: str, rank: int, port: int, folder: Path) -> Process:
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    one_thread = f"import torch; torch.set_num_threads(1)\n{script}"
    return typist.start(["-c", one_thread, str(rank), str(folder)], folder, {**os.environ, **places, "WORLD_SIZE": "2"})
