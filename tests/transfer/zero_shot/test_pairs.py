from pathlib import Path

from leyden.report.runs import Run
from leyden.transfer.zero_shot.pairs import PairMatrix


def run(pair: list[str], accuracy: float | None) -> Run:
    metrics = {} if accuracy is None else {"test/accuracy": accuracy}
    return Run(config={"data": {"unseen": pair}, "lab": {"title": "Pairs"}}, metrics=metrics, folder=Path("sweep/0"))


def test_mean_of_pairs_and_those_below_chance() -> None:
    runs = [run(["3", "8"], 0.4), run(["0", "1"], 0.9), run(["8", "0"], 0.8), run(["1", "3"], None)]
    files = PairMatrix("data.unseen", "test/accuracy")(runs)
    assert "3 of 4 pairs have test/accuracy" in files["report.md"]
    assert "Mean 0.700, chance 0.5; 1 pairs are below chance" in files["report.md"]
    assert "0 and 1 0.90, 0 and 8 0.80, 3 and 8 0.40" in files["report.md"]
    assert files["report.csv"].splitlines()[1:] == ["3,8,0.4", "0,1,0.9", "0,8,0.8", "1,3,"]
    assert files["report.png"].shape[0] == 3


def test_no_run_ended_well() -> None:
    files = PairMatrix("data.unseen", "test/accuracy")([run(["3", "8"], None)])
    assert set(files) == {"report.md", "report.csv"}
