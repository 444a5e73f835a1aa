"""A table of one's own from the command line: looked at, learnt, and generated rows as data again."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

HEADING = "id;age;income;city;zip;since;paid;note;unit"
FEW = ["trainer.max_steps=6", "trainer.val_check_interval=3", "data.batch_size=20", "data.modes=2", "model.hidden=16"]


def customers(file: Path) -> None:
    """80 customers as a German spreadsheet exports them: a byte-order mark, semicolons, decimal commas."""
    draw = random.Random(0)
    lines = []
    for number in range(80):
        income = f"{draw.uniform(900, 5000):.2f}".replace(".", ",") if draw.random() < 0.9 else ""
        city, place = draw.choice(["Bonn", "Kiel", "Jena"]), draw.choice(["01067", "53111", "24103"])
        since, paid = f"{draw.randint(1, 28):02d}.03.2021", draw.choice(["yes", "yes", "no"])
        lines.append(f"{number};{draw.randint(18, 90)};{income};{city};{place};{since};{paid};text {number};EUR")
    file.write_text("\n".join([HEADING, *lines]) + "\n", encoding="utf-8-sig")


def test_an_own_table_is_learnt_and_written(leyden_here: Callable, records: Callable, tmp_path: Path) -> None:
    customers(tmp_path / "customers.csv")
    own = ["data/source=csv_mixed", "paths.data=customers.csv", "data.source.label=paid"]
    checked = leyden_here("check-data", *own)
    for told in ("row numbers", "identifiers or free text", "constant column", "missing values", "dates"):
        assert told in checked.stdout, checked.stdout + checked.stderr
    ran = leyden_here("run", "experiment=gan_fraud", *own, *FEW)
    assert ran.returncode == 0, ran.stderr
    [record] = records()
    assert list((record / "images").glob("rows_*.png"))
    drawn = leyden_here("predict", str(record), "--count", "40", "--seed", "1", "--output", "made")
    assert drawn.returncode == 0, drawn.stderr
    with (tmp_path / "made" / "rows.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 40
    assert list(rows[0]) == ["age", "income", "city", "zip", "since", "paid", "unit"]
    assert {row["unit"] for row in rows} == {"EUR"}
    assert {row["zip"] for row in rows} <= {"01067", "53111", "24103"}
    assert all(18 <= int(row["age"]) <= 90 and row["since"].endswith(".03.2021") for row in rows)
    again = ["data/source=csv_mixed", "paths.data=made/rows.csv", "data.source.kinds={age: whole}"]
    assert "| since  | date" in leyden_here("check-data", *again, "--output", "seen").stdout
