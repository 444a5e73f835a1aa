import pytest
import torch

from leyden.data.mixed.encoding import RowEncoding, cells
from leyden.data.specs import ColumnKind, FittedColumnSpec

NAN = float("nan")


def column(name: str, kind: ColumnKind, **values) -> FittedColumnSpec:
    plain = {
        "categories": [], "date_format": "", "low": -1e9, "high": 1e9, "decimals": 6, "missing": 0.0, "counts": [],
        "means": [], "stds": [], "weights": [],
    }  # fmt: skip
    return FittedColumnSpec(name=name, kind=kind, **{**plain, **values})  # type: ignore[typeddict-item]


NUMBER = column("n", "continuous", means=[0.0, 100.0], stds=[1.0, 5.0], weights=[0.5, 0.5], decimals=2)
WORD = column("w", "category", categories=["a", "b", ""], counts=[1, 1, 1])


def test_golden_vector_of_two_modes() -> None:
    rows = torch.tensor([[2.0, 0], [110, 1], [-7, 2]], dtype=torch.float64)
    encoded = RowEncoding([NUMBER, WORD]).encode(rows)
    expected = [[0.5, 1, 0, 1, 0, 0], [0.5, 0, 1, 0, 1, 0], [-0.99, 1, 0, 0, 0, 1]]  # 2/(4 1), 10/(4 5), clipped
    torch.testing.assert_close(encoded, torch.tensor(expected))


def test_decode_is_the_inverse_up_to_clipping() -> None:
    encoding = RowEncoding([NUMBER, WORD])
    torch.manual_seed(0)
    mode = torch.randint(2, (200,))
    numbers = (torch.randn(200, dtype=torch.float64) * torch.tensor([1.0, 5.0])[mode] + 100 * mode).round(decimals=2)
    rows = torch.stack([numbers, torch.randint(3, (200,)).double()], 1)
    assert torch.equal(encoding.decode(encoding.encode(rows)), rows)


def test_modes_are_drawn_by_their_share() -> None:
    alike = column("n", "continuous", means=[-1.0, 1.0], stds=[1.0, 1.0], weights=[0.25, 0.75])
    encoded = RowEncoding([alike]).encode(torch.zeros(4000, 1, dtype=torch.float64))  # as likely under both
    assert encoded[:, 2].mean().item() == pytest.approx(0.75, abs=0.03)


def test_an_empty_number_is_a_mode_of_its_own() -> None:
    encoding = RowEncoding([{**NUMBER, "missing": 0.5}])
    rows = torch.tensor([[NAN], [1.0]], dtype=torch.float64)
    encoded = encoding.encode(rows)
    assert encoded[0].tolist() == [0, 0, 0, 1]
    torch.testing.assert_close(encoding.decode(encoded), rows, equal_nan=True)


def test_numbers_stay_in_range_and_whole() -> None:
    whole = column("n", "whole", means=[5.0], stds=[2.0], weights=[1.0], low=0.0, high=9.0, decimals=0)
    decoded = RowEncoding([whole]).decode(torch.tensor([[-1.5, 1.0], [0.05, 1], [1, 1]]))
    assert decoded.flatten().tolist() == [0, 5, 9]


def test_cells_have_the_types_of_the_file() -> None:
    constant = column("c", "constant", categories=["7"])
    date = column("d", "date", date_format="%d.%m.%Y", means=[0.0], stds=[1.0], weights=[1.0], decimals=0)
    whole = column("k", "whole")
    rows = torch.tensor([[1.25, 2, 0, 365, 3], [NAN, 1, 0, 0, 4]], dtype=torch.float64)
    assert cells([NUMBER, WORD, constant, date, whole], rows) == [
        {"n": 1.25, "w": None, "c": 7, "d": "01.01.1971", "k": 3},
        {"n": None, "w": "b", "c": 7, "d": "01.01.1970", "k": 4},
    ]


def test_constants_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="every column is constant"):
        RowEncoding([column("c", "constant", categories=["7"])])
