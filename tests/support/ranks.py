"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

SUPPORT = Path(__file__).parent


def run_two_ranks(script: str, folder: Path, timeout: float = 120) -> list[Any]:
    """What each rank of a script leaves, once both have ended well.

    Args:
        script: Python that reads its rank and ``folder`` from the command line and saves ``<folder>/<rank>.pt``.
        folder: of the test.
        timeout: seconds for either rank.

    Returns:
        the content of ``0.pt`` and ``1.pt``.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [_start(script, rank, port, folder) for rank in (0, 1)]
    try:
        errors = [rank.communicate(timeout=timeout)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def _start(script: str, rank: int, port: int, folder: Path) -> subprocess.Popen[str]:
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", script, str(rank), str(folder)],
        env={**os.environ, **places, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SUPPORT)},
        stderr=subprocess.PIPE,
        text=True,
    )
