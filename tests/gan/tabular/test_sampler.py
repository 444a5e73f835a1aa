from pathlib import Path

import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.mixed.encoding import RowEncoding
from leyden.data.source.mixed_rows.csv_mixed import CsvMixed
from leyden.data.source.rows.csv_rows import CsvRows
from leyden.data.splits import STAGES
from leyden.gan.tabular.sampler import TableSampler, csv_file


def replaying(data: MixedTable, conditional: bool) -> TableSampler:
    """A perfect generator: training rows, of the class that is asked for or of any."""
    encoding = RowEncoding(data.columns)
    rows = encoding.encode(data.rows("train"))

    def generate(conditions: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        drawn = torch.randint(len(rows), (len(conditions),), generator=generator)
        if conditional:
            fits = rows[:, -2:] @ conditions[:, -2:].T  # (N, M), the weather that was asked for
            fits += conditions[:, -2:].sum(1) == 0
            drawn = torch.multinomial(fits.T, 1, generator=generator).flatten()
        return rows[drawn]

    return TableSampler(generate, encoding, data.source.label, conditional)


@pytest.mark.parametrize("conditional", [True, False])
def test_rows_of_the_classes_that_are_asked_for(weather: MixedTable, conditional: bool) -> None:
    sampler = replaying(weather, conditional)
    classes = torch.arange(300) % 2
    rows, found = sampler.rows_of(classes, torch.Generator().manual_seed(0))
    assert torch.equal(found, torch.arange(300))
    assert torch.equal(rows[:, 4].long(), classes)


def test_frequencies_are_those_of_the_table(weather: MixedTable) -> None:
    rows = replaying(weather, conditional=True).rows(4000, torch.Generator().manual_seed(0))
    assert (rows[:, 4] == 1).double().mean().item() == pytest.approx(0.1, abs=0.02)


def test_rows_have_the_columns_and_types_of_the_table(weather: MixedTable) -> None:
    predictions = replaying(weather, conditional=True).sample(50, "snow", seed=3)
    assert predictions.images == []
    for row in predictions.rows:
        assert list(row) == ["degrees", "day", "station", "unit", "weather"]
        assert row["degrees"] is None or isinstance(row["degrees"], float)
        assert (len(row["day"]), row["unit"], row["weather"]) == (10, "C", "snow")
        assert row["station"] in ("north", "south", None)


def test_a_class_that_is_never_made_is_refused(weather: MixedTable) -> None:
    sampler = replaying(weather, conditional=False)
    rain = sampler.encoding.encode(weather.rows("train")[weather.rows("train")[:, 4] == 0])
    sampler.generate = lambda conditions, generator: rain[torch.arange(len(conditions)) % len(rain)]
    with pytest.raises(ValueError, match="of 5 rows of the class 'snow' 0 came out"):
        sampler.sample(5, "snow", seed=0)
    with pytest.raises(ValueError, match="no class 'hail': the data have rain, snow"):
        sampler.sample(5, "hail")


def test_the_written_file_is_data_again(weather: MixedTable, tmp_path: Path) -> None:
    sampler = replaying(weather, conditional=True)
    rows = [{"path": f"sample_{i:03d}", **row} for i, row in enumerate(sampler.sample(200, seed=0).rows)]
    file = tmp_path / "rows.csv"
    file.write_text(csv_file(sampler.encoding.columns, rows)["rows.csv"])
    again = CsvMixed(str(file), label="weather")
    again.prepare()
    kinds = {column["name"]: column["kind"] for column in again.columns}
    assert kinds == {column["name"]: column["kind"] for column in sampler.encoding.columns}
    assert again.class_names == ["rain", "snow"]
    assert sum(len(again.split(stage)) for stage in STAGES) == 200


def test_numbers_with_a_class_are_read_as_rows(tmp_path: Path) -> None:
    from leyden.data.source.mixed_rows.gaussian_mixtures import Rings

    data = MixedTable(Rings(rows=200), modes=2)
    data.prepare_data()
    sampler = replaying(data, conditional=True)
    file = tmp_path / "rows.csv"
    file.write_text(csv_file(data.columns, sampler.sample(40, seed=0).rows)["rows.csv"])
    source = CsvRows(str(file), label="class")
    source.prepare()
    assert list(source.feature_names) == ["x", "y"]
    assert list(source.class_names) == ["even", "odd"]
