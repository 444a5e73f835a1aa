"""``leyden new``, in process; ``tests/test_readme.py`` runs what the documentation makes with it."""

import sys
from pathlib import Path

import pytest
import yaml

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import CONF
from leyden.bench.config.validate import compose_and_check
from leyden.cli import main, new
from leyden.cli.listing import chosen
from leyden.cli.searchpath import added_to, conf_folders

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as under `python -m leyden`
    return tmp_path


def test_a_new_lab_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "lab", "my_lab", "--folder", "my labs"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "wrote", "my labs/conf/experiment/my_lab.yaml", "next", f"export LEYDEN_SEARCHPATH='{folder}/my labs'",
        "leyden run experiment=my_lab", "leyden predict my_lab", "leyden sweep experiment=my_lab",
    ]  # fmt: skip
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(folder / "my labs"))
    for variant in ("standard", "scratch"):
        compose_and_check(added_to(["experiment=my_lab", f"lab.variant={variant}"]))
    assert chosen(["labs", "my_lab"], conf_folders()) == {"labs": ["my_lab"]}


@pytest.mark.parametrize("source", ["gan_dcgan", "transfer_shots"])
def test_a_lab_from_another(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["new", "lab", "mine", "--from", source]) == 0
    text = (folder / "conf/experiment/mine.yaml").read_text()
    assert f"experiment={source}" not in text
    assert "# leyden run experiment=mine" in text
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(folder))
    mine, other = (compose(added_to([f"experiment={name}"])).config for name in ("mine", source))
    assert mine.pop("lab")["question"] == other.pop("lab")["question"]
    assert mine == other


def test_a_technique_outside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "technique", "my_net"]) == 0
    files = ["my_net.py", "conf/model/my_net.yaml", "conf/experiment/my_net_digits.yaml", "test_my_net.py"]
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "wrote", *files, "next", f"export LEYDEN_SEARCHPATH={folder} LEYDEN_ALLOW=my_net",
        "leyden run experiment=my_net_digits", "leyden predict my_net_digits", "python -m pytest test_my_net.py",
    ]  # fmt: skip
    assert "class MyNet(ClassifierTask)" in (folder / files[0]).read_text()
    assert yaml.safe_load((folder / files[1]).read_text()) == {"_target_": "my_net.MyNet", "lr": 0.01}
    assert "from my_net import MyNet" in (folder / files[3]).read_text()


def test_a_technique_in_the_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for family in ("gan", "transfer"):
        (folder / "conf" / "model" / family).mkdir(parents=True)
    monkeypatch.setattr(new, "CONF", folder / "conf")
    assert main(["new", "technique", "my_net"]) == 0
    assert main(["new", "technique", "my_net", "--family", "gan"]) == 0
    for family in ("transfer", "gan"):
        model = yaml.safe_load((folder / f"conf/model/{family}/my_net.yaml").read_text())
        assert model["_target_"] == f"leyden.{family}.my_net.MyNet"
        assert f"/model: {family}/my_net\n" in (folder / f"experiments/{family}_my_net.yaml").read_text()
        assert (folder / f"src/leyden/{family}/my_net.py").is_file()
        assert f"from leyden.{family}.my_net import" in (folder / f"tests/{family}/test_my_net.py").read_text()


def test_the_repository_is_known_by_its_conf() -> None:
    if CONF.parent == ROOT:  # not where Leyden was installed
        assert (ROOT / "conf" / "experiment").resolve() == ROOT / "experiments"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lab", "My-lab"], "'My-lab' is no name: small letters, digits and _, such as my_lab"),
        (["technique", "class"], "'class' is no name"),
        (["technique", "torch"], "Python has a module torch already: choose another name"),
        (["lab", "gan_dcgan"], "there is a lab gan_dcgan already: choose another name"),
        (["lab", "mine", "--from", "gan_dcgn"], "--from gan_dcgn: no such lab; did you mean gan_dcgan?"),
        (["lab", "mine", "--family", "gan"], "--family is for a technique"),
        (["technique", "mine", "--family", "gan"], "--family is for the repository of Leyden"),
    ],
)
def test_mistakes(words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", *words]) == 1
    assert message in capsys.readouterr().err
    assert not [*folder.iterdir()]


@pytest.mark.parametrize("there", ["my_net.py", "conf/model/my_net.yaml", "test_my_net.py"])
def test_nothing_is_overwritten(there: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / there).parent.mkdir(parents=True, exist_ok=True)
    (folder / there).write_text("mine")
    assert main(["new", "technique", "my_net"]) == 1
    assert f"error: {there}: there already, and nothing is overwritten" in capsys.readouterr().err
    assert [file.read_text() for file in folder.rglob("*") if file.is_file()] == ["mine"]
