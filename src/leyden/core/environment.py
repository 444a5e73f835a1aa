"""What a process runs with, for records; and what differs between two such environments."""

import importlib.metadata
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = (
    "leyden",
    "torch",
    "torchvision",
    "lightning",
    "hydra-core",
    "omegaconf",
    "tensorboard",
    "torchmetrics",
    "scikit-learn",
    "numpy",
)


@cache
def environment() -> dict[str, Any]:
    """What this process runs with; the code is what it was when the process began, whatever git says later."""
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES if name in installed},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "git": _git(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _git() -> dict[str, Any] | None:
    """The commit of the code that runs, and whether it was changed since; None outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        logging.getLogger(__name__).debug("no git checkout around %s", here)
        return None


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two runs' environments and may make the outcome differ, a line each.

    Args:
        then: ``environment.json`` of the one.
        now: of the other; what only one of them has by now, such as the data's fingerprint, is left out.
    """
    lines = []
    before, after = then["packages"], now["packages"]
    packages = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
    spec = {name: (then.get(name), now.get(name)) for name in ("python", "platform", "cpu", "data")}
    devices, others = then.get("devices") or {}, now.get("devices") or {}
    spec |= {f"devices.{name}": (devices[name], others.get(name)) for name in devices}
    spec |= {"git commit": (_commit(then), _commit(now))}
    for name, (old, new) in {**packages, **spec}.items():
        if old != new and not (name == "data" and None in (old, new)):
            lines.append(f"{name}: {old or 'none'} then, {new or 'none'} now")
    if dirty := [when for when, spec in (("then", then), ("now", now)) if (spec.get("git") or {}).get("dirty")]:
        lines.append(f"git: the code had changes that no commit holds ({' and '.join(dirty)})")
    return lines


def _commit(environment: Mapping[str, Any]) -> str | None:
    return (environment.get("git") or {}).get("commit")
