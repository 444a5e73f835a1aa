"""What the documentation's site takes from the repository when it is built."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from leyden.bench.config.groups import CONF, options

ROOT = Path(__file__).parents[1]
FAMILIES = sorted(page.stem for page in (ROOT / "docs/families").glob("*.md"))


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_lab_and_technique_has_its_place(hooks: ModuleType) -> None:
    pages = {family: hooks.on_page_markdown((ROOT / f"docs/families/{family}.md").read_text()) for family in FAMILIES}
    for model in options("model"):
        page = pages[model.partition("/")[0]]
        assert f"### {model}\n" in page
        assert all(
            f"`{key}`" in page
            for key in yaml.safe_load((CONF / f"model/{model}.yaml").read_text())
            if key[0] not in "_d"
        )
    for lab in options("experiment"):
        family = lab.partition("_")[0]
        assert family in ("tour", "own") or f"| `{lab}` |" in pages[family]
    assert not any("<!--" in page for page in pages.values())


def test_options_have_default_and_meaning(hooks: ModuleType) -> None:
    table = hooks.options("model/gan/dcgan")
    assert "| `latent_dim` | `100` | length of the noise vector |" in table
    assert "| `beta1` | `0.5` |" in table  # of a file that it includes


def test_a_technique_has_its_command_and_each_option_once(hooks: ModuleType) -> None:
    """Also one that is a variant of a lab, and changes what it includes."""
    page = hooks.techniques("transfer")
    adda = page.split("### transfer/adda\n")[1].split("\n### ")[0]
    assert "leyden run experiment=transfer_domain_digits lab.variant='ADDA'\n" in adda
    assert adda.count("| `lr` |") == adda.count("| `momentum` |") == 1
    assert "| `lr` | `0.001` |" in adda
    assert "```bash\n\n```" not in page


def test_labs_say_what_was_measured(hooks: ModuleType) -> None:
    [row] = [line for line in hooks.labs("gan").splitlines() if line.startswith("| `gan_dcgan`")]
    assert re.search(r"`test/modes` min: 10 \(10, 10, 10\)", row)
    [row] = [line for line in hooks.labs("tour").splitlines() if line.startswith("| `tour_transfer`")]
    assert "above: {scratch: 0.25}<br>Measured: leyden verify experiment=tour_transfer" in row
    assert "_gan" not in hooks.labs("gan").replace("`gan_", "")


def test_images_are_shown_somewhere() -> None:
    text = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for image in (ROOT / "docs/images").iterdir():
        assert image.name in text


def test_the_lecture_names_every_lab() -> None:
    """No lab that there is not, none left out, and a lab that compares is marked so."""
    page = (ROOT / "docs/lecture.md").read_text()
    named = set(re.findall(r"`((?:tour|transfer|gan|text|multimodal|detection|own)_\w+)`", page))
    assert named == set(options("experiment"))
    for lab in re.findall(r"`(\w+)` \(sweep", page):
        text = (ROOT / f"experiments/{lab}.yaml").read_text()
        included = [ROOT / f"experiments/{base}.yaml" for base in re.findall(r"^  - (_\w+)$", text, re.MULTILINE)]
        assert "sweeper:" in text + "".join(file.read_text() for file in included)
