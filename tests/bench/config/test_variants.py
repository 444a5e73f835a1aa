"""Variants of labs: chosen by name, applied below what is typed, and what each lab's own compare."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import swept

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import file_of, groups, options
from leyden.bench.config.overrides import wrong_overrides
from leyden.bench.config.validate import check
from leyden.bench.config.variants import chosen, quoted, spelled_out

LABS = [lab for lab in options("experiment") if swept(lab)]


def variant(lab: str, name: str, *overrides: str) -> dict[str, Any]:
    return compose([f"experiment={lab}", f"lab.variant={quoted(name)}", *overrides]).config


@cache
def own_settings(lab: str) -> dict[str, Any]:
    """Of a lab without a variant, composed once for all of its variants."""
    return compose([f"experiment={lab}"]).config


def at(config: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def test_variant_is_below_what_is_typed() -> None:
    assert compose(["experiment=gan_stabilise"]).config["model"]["translation"] == 0.125
    without = variant("gan_stabilise", "no DiffAugment")
    assert without["model"]["translation"] == 0
    assert without["lab"]["variant"] == "no DiffAugment"
    assert variant("gan_stabilise", "no DiffAugment", "model.translation=0.25")["model"]["translation"] == 0.25
    assert variant("detection_race", "YOLO", "model=detection/yolox")["model"]["_target_"].endswith("YOLOX")
    assert "variants" not in without["lab"]


def test_variant_of_another_model_leaves_the_labs_keys_out(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(OTHER_MODEL)
    words = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine", "lab.variant=full"]
    composed = compose(words)
    assert check(composed) == []
    assert composed.config["model"]["_target_"].endswith("DCGAN")
    assert composed.config["model"]["lr_generator"] == 0.5
    assert "coarsest" not in composed.config["model"]


OTHER_MODEL = """\
# @package _global_
defaults:
  - override /model: gan/lapgan
  - override /data: gan/images
lab:
  variants:
    full: {model: gan/dcgan, ~model.coarsest: null}
model: {lr_generator: 0.5, coarsest: 16}
"""


def test_values_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("""# @package _global_
lab:
  variants:
    mine: {data.seed: null, model.widths: [8, 16], lab.title: "a, b ${seed}", trainer: {max_epochs: 3}, lab.expect: {}}
""")
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine", "lab.variant=mine", "seed=7"]
    config = compose(overrides).config
    assert (config["data"]["seed"], config["model"]["widths"], config["trainer"]["max_epochs"]) == (None, [8, 16], 3)
    assert (config["lab"]["title"], config["lab"]["expect"]) == ("a, b 7", {})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=detection_ssd_parts", "lab.variant=no minin"], "no variant 'no minin'; did you mean no mining?"),
        (["experiment=detection_ssd_parts", "lab.variant=x"], "no variant 'x'; there are: no augmentation, no mining"),
        (["experiment=tour_gan", "lab.variant=standard"], "no variant 'standard' in this lab"),
    ],
)
def test_unknown_variant_names_the_nearest(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^lab\.variant: {message}".replace("?", r"\?")):
        compose(overrides)


def test_keys_of_the_variants_model_are_known() -> None:
    assert wrong_overrides(["experiment=detection_race", "lab.variant=YOLO", "model.boxes=3"]) == {}
    assert wrong_overrides(["experiment=detection_race", "model.boxes=3"])


def test_glob_matches_names() -> None:
    names = ["standard", "no mining", "it's"]
    assert spelled_out(["seed=1", "lab.variant=glob(*)"], names)[1] == r"lab.variant='standard','no mining','it\'s'"
    assert spelled_out(["lab.variant=glob(no*)"], names) == ["lab.variant='no mining'"]
    assert spelled_out(["lab.variant=standard"], names) == ["lab.variant=standard"]


@pytest.mark.parametrize(("lab", "name"), [(lab, name) for lab in LABS for name in swept(lab)])
def test_variant_fits_its_lab_and_changes_what_it_says(lab: str, name: str) -> None:
    own = own_settings(lab)
    composed = compose([f"experiment={lab}", f"lab.variant={quoted(name)}"])
    assert check(composed) == []
    content = yaml.safe_load(file_of("experiment", lab).read_text())["lab"]["variants"][name]
    for key, value in content.items():
        if key.split("@")[0] not in groups() and not key.startswith("~"):
            assert at(composed.config, key) == value
            assert not content.keys().isdisjoint(groups()) or at(own, key) != value or lab == "detection_nms"
    if not content:
        assert composed.config == {**own, "lab": {**own["lab"], "variant": name}}


def test_mistake_in_a_variant_names_its_file() -> None:
    composed = compose(["experiment=gan_stabilise", "lab.variant=R1"])
    composed.config["model"]["r1"] = "much"
    [mistake] = check(composed)
    assert mistake.startswith("model.r1 (experiment/gan_stabilise.yaml): should be float")


RACE = {
    "R-CNN": "detection_rcnn",
    "Fast R-CNN": "detection_fast_rcnn",
    "Faster R-CNN": "detection_faster_rcnn",
    "YOLO": "detection_yolo",
    "SSD": "detection_ssd",
    "YOLOX": "detection_yolox",
}


@pytest.mark.parametrize("name", swept("detection_race"))
def test_race_trains_what_each_detectors_lab_trains(name: str) -> None:
    """So the numbers of one are those of the other."""
    raced, own = variant("detection_race", name), compose([f"experiment={RACE[name]}"]).config
    for part in ("model", "data", "trainer"):
        assert raced[part] == own[part], part


def test_of_several_choices_the_last_counts() -> None:
    assert chosen(["lab.variant=a", "seed=1", "lab.variant=b"]) == "b"
    assert chosen(["lab.variant=a", "lab.variant=a,b"]) is None
