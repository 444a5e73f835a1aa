"""`pip install .` into another environment, then `leyden` from any folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from commands import FAST

ROOT = Path(__file__).parents[1]


def test_the_installed_wheel_brings_its_labs(tmp_path: Path) -> None:
    def call(*words: str | Path) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    call(sys.executable, "-m", "venv", "other")
    python = tmp_path / "other" / "bin" / "python"
    packages = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))  # torch and the like need not be installed again
    call(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", ROOT)

    where = Path(call(python, "-c", "import leyden; print(leyden.__file__)").strip())
    assert where.is_relative_to(packages)
    assert (where.parent / "report" / "compare.html.j2").is_file()
    leyden = tmp_path / "other" / "bin" / "leyden"
    assert "transfer_fonts" in call(leyden, "list")
    assert "done: outputs/sweeps/here/0_transfer_fonts" in call(leyden, "sweep", *FAST, "sweep.name=here")
    assert "_leyden()" in call(leyden, "completion", "bash")
    assert "my_net.py" in call(leyden, "new", "technique", "my_net")
    assert list((tmp_path / "outputs" / "sweeps" / "here").glob("*/metrics.json"))
