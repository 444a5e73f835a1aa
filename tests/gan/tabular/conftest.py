"""Small tables whose columns differ in kind."""

import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.specs import ColumnSpec


class Weather(MixedSource):
    """Temperatures by weather and station, some empty: 200 rows, a tenth of them snow."""

    name = "weather"

    def __init__(self) -> None:
        torch.manual_seed(0)
        snow = (torch.arange(200) % 10 == 0).double()
        degrees = torch.where(snow == 1, torch.randn(200) - 5, 3 * torch.randn(200) + 15).double().round(decimals=1)
        degrees[5::20] = torch.nan
        day = torch.randint(0, 300, (200,)).double()
        station = torch.randint(0, 3, (200,)).double()
        columns = [
            ColumnSpec(name="degrees", kind="continuous", categories=[], date_format=""),
            ColumnSpec(name="day", kind="date", categories=[], date_format="%Y-%m-%d"),
            ColumnSpec(name="station", kind="category", categories=["north", "south", ""], date_format=""),
            ColumnSpec(name="unit", kind="constant", categories=["C"], date_format=""),
            ColumnSpec(name="weather", kind="category", categories=["rain", "snow"], date_format=""),
        ]
        self.set_table(columns, torch.stack([degrees, day, station, torch.zeros(200), snow], 1), "weather")


@pytest.fixture(scope="session")
def weather() -> MixedTable:
    data = MixedTable(Weather(), modes=3, batch_size=40)
    data.prepare_data()
    return data
