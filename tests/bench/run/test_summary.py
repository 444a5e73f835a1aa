import pytest

from leyden.bench.run.summary import verdicts


@pytest.mark.parametrize(
    ("bounds", "metrics", "verdict"),
    [
        ({"min": 0.9}, {"m": 0.95}, "m at least 0.9: 0.95, as expected"),
        ({"min": 0.9}, {"m": 0.85}, "m at least 0.9: 0.85, NOT as expected"),
        ({"max": 3}, {"m": 3.5}, "m at most 3: 3.5, NOT as expected"),
        ({"min": 1, "max": 2}, {"m": 1.5}, "m at least 1 and at most 2: 1.5, as expected"),
        ({"min": 1}, {"m": float("nan")}, "m at least 1: nan, NOT as expected"),
        ({"min": 1}, {}, "m at least 1: not measured"),
    ],
)
def test_a_verdict_holds_what_was_reached_against_the_bounds(bounds: dict, metrics: dict, verdict: str) -> None:
    assert verdicts({"m": bounds}, metrics) == [verdict]
