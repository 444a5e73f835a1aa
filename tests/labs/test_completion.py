"""A table of one's own with empty cells, from the command line: completed, and new rows as well."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

FILMS = [f"film {letter}" for letter in "ABCDEFGH"]


def ratings(file: Path) -> None:
    """60 users of two tastes, about 60 % of their ratings; one has rated nothing, half are members or not."""
    draw = random.Random(3)
    films = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in FILMS]
    with file.open("w") as lines:
        lines.write(f"user,{','.join(FILMS)},member\n")
        for user in range(60):
            a, b = draw.gauss(0, 1), draw.gauss(0, 1)
            given = [f"{3 + a * x + b * y:.2f}" if draw.random() < 0.6 and user != 7 else "" for x, y in films]
            member = "" if user % 2 else "yes" if a > 0 else "no"
            lines.write(f"u{user},{','.join(given)},{member}\n")


def test_own_ratings_are_completed(leyden_here: Callable, records: Callable, tmp_path: Path) -> None:
    ratings(tmp_path / "ratings.csv")
    (tmp_path / "new.csv").write_text(",".join(FILMS) + "\n5,,1,,,4,,\n,,,,,,,\n")
    own = ["data/source=csv_table", "data.source.file=ratings.csv", "data.source.index=user", "data.observed=0.8"]
    ran = leyden_here(
        "run", "experiment=transfer_completion_matrix", *own, "data.source.labels=[member]", "model.path=8"
    )
    assert ran.returncode == 0, ran.stderr
    assert "user u7: no feature is known, so it is filled by its columns alone" in ran.stdout + ran.stderr
    [record] = records()
    assert list((record / "images").glob("completed_*.png"))
    predicted = leyden_here("predict", str(record), "--input", "new.csv", "--output", "filled")
    assert predicted.returncode == 0, predicted.stderr
    with (tmp_path / "filled" / "completed.csv").open() as lines:
        first, empty = csv.DictReader(lines)
    assert [float(first[film]) for film in ("film A", "film C", "film F")] == [5, 1, 4]
    assert len({float(value) for film, value in first.items() if film != "path"}) == len(FILMS)
    assert float(empty["film A"]) != 0  # the mean of its column


def test_labels_of_own_rows_are_predicted(leyden_here: Callable, records: Callable, tmp_path: Path) -> None:
    ratings(tmp_path / "ratings.csv")
    (tmp_path / "new.csv").write_text(",".join(FILMS) + "\n5,,1,,,4,,\n")
    own = ["data/source=csv_table", "data.source.file=ratings.csv", "data.source.index=user", "data.observed=0.8"]
    quick = ["model.folds=2", "model.label_weight=0.1", "model.last_mu=1e-4", "model.standardise=mean"]
    ran = leyden_here("run", "experiment=transfer_completion_mc1", *own, "data.source.labels=[member]", *quick)
    assert ran.returncode == 0, ran.stderr
    [record] = records()
    assert leyden_here("predict", str(record), "--input", "new.csv", "--output", "filled").returncode == 0
    with (tmp_path / "filled" / "predictions.csv").open() as lines:
        [row] = csv.DictReader(lines)
    assert row["holes"] == "5"
    assert 0 < float(row["p(member)"]) < 1
