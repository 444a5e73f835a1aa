import re
from pathlib import Path

import pytest

from leyden.report.directions import arrow, better

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def documented() -> list[tuple[str, str]]:
    """Metrics of the page with one word on what is better, an example for each."""
    lines = [line.split("|") for line in PAGE.read_text().replace("\\|", "/").splitlines() if line.startswith("| `")]
    pairs = []
    for _, names, _, word, _ in lines:
        for name in re.findall(r"`([\w/.<>]+)`", names):
            name = name.replace("<class>", "dog").replace("<kind>", "class").replace("<target>", "digit")
            first = re.sub(r"(small|ar1)/.*", r"\1", name)
            if first.startswith(("test/", "val/", "train")) and word.strip() in ("higher", "lower"):
                pairs.append((first, word.strip()))
    return pairs


def test_the_page_on_metrics_says_the_same() -> None:
    pairs = documented()
    assert len(pairs) > 20
    assert {"test/fid", "test/ap50_dog", "test/error_class", "val/accuracy"} <= {name for name, _ in pairs}
    for name, word in pairs:
        assert better(name) == {"higher": "max", "lower": "min"}[word], name


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("best/val/accuracy", "max"),
        ("test/fid_over_floor_ab", "min"),
        ("test/conditional_accuracy_ba", "max"),
        ("test/psnr_y_srresnet", "max"),
        ("test/cycle_a", "min"),
        ("test/mode_kl", "min"),
        ("test/modes", "max"),
        ("test/fid_floor", None),
        ("test/coverage_noise", None),
        ("test/judge_accuracy", None),
        ("test/samples", None),
        ("test/neighbour_ratio", None),
        ("steps", None),
        ("test/apples", None),
    ],
)
def test_direction_of_a_metric(metric: str, expected: str | None) -> None:
    assert better(metric) == expected


def test_arrows_point_to_the_better() -> None:
    assert [arrow(name) for name in ("test/fid", "test/ap", "steps")] == ["test/fid ↓", "test/ap ↑", "steps"]
