"""What is mistyped or missing is answered before torch is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from leyden.bench.commands.run import check
from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.validate import NOT_ALL, compose_and_check

HEAVY = ["torch", "lightning", "torchvision", "torchmetrics", "sklearn", "scipy"]
CODE = f"""
import json, sys
from leyden.cli import main
for words in json.loads(sys.argv[1]):
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code
    heavy = [name for name in {HEAVY} if name in sys.modules]
    print(json.dumps([words, status, heavy]))
    if heavy:
        break
"""
RECORD_VERBS = ["resume", "evaluate", "predict", "export", "reproduce", "verify", "compare"]
WRONG = [
    *(["check", text] for text in ("modle=gan/dcgan", "checkpoint.every_n_steps=0", "model.weights=nowhere.pt")),
    *(["run", text] for text in ("model=gan/dcgn", "trainer.max_epoch=3")),
    *([verb, "modle=gan/dcgan"] for verb in ("sweep", "find-lr", "verify", "advise", "check-data")),
]
FOLDER = ["data/source=image_folder", "data.source.root=nowhere"]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The record of a run that has no checkpoint yet."""
    folder = tmp_path / "begun"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(compose().config))
    (folder / "status.json").write_text('{"status": "interrupted"}')
    return folder


def test_wrong_input_imports_no_torch(begun: Path, tmp_path: Path) -> None:
    commands = [*WRONG, *([verb, *FOLDER] for verb in ("run", "sweep", "check-data"))]
    commands += [[verb, "nowhere"] for verb in RECORD_VERBS]
    commands += [[verb, str(begun)] for verb in ("predict", "reproduce")]
    commands += [["predict", str(begun), "--input", "nowhere"]]
    words = [sys.executable, "-c", CODE, json.dumps(commands)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=True)
    answered = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in answered if line[1] == 0 or line[2]] == []
    assert len(answered) == len(commands), done.stderr
    assert done.stderr.count("error:") == len(commands)
    assert [*tmp_path.rglob("status.json")] == [begun / "status.json"], "there is no other record"


def test_every_mistake_at_once_where_others_are_typed() -> None:
    typed = ["model.lr=oops", "trainer.max_epoch=3", "data.batch_size=-1"]
    with pytest.raises(ConfigError) as caught:
        check(typed)
    assert [mistake.split()[0].rstrip(":") for mistake in caught.value.mistakes] == [
        "trainer.max_epoch", "model.lr", "data.batch_size",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        compose_and_check(typed, whole=False)
    assert caught.value.mistakes == ["trainer.max_epoch: unknown key; did you mean trainer.max_epochs?", NOT_ALL]


@pytest.mark.parametrize("typed", [["trainer.max_epoch=3"], ["trainer.max_epoch=3", "model=gan/dcgan"]])
def test_where_nothing_else_was_typed_no_check_is_offered(typed: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_and_check(typed, whole=False)
    assert caught.value.mistakes == ["trainer.max_epoch: unknown key; did you mean trainer.max_epochs?"]


def test_a_missing_folder_says_what_it_should_hold() -> None:
    with pytest.raises(ConfigError) as caught:
        compose_and_check(FOLDER, here=True)
    [mistake] = caught.value.mistakes
    assert mistake.startswith("data.source.root=nowhere: no such folder (looked from ")
    assert "image_folder: your own images: a folder per class" in mistake
