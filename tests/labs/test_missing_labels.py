"""What labs of completion and of self-taught learning teach, over their seeds and without a command line."""

import pytest
import torch
from whole_labs import Allowance

from leyden.data.batches.incomplete_table import IncompleteTable
from leyden.data.source.builtin.digits import Digits
from leyden.transfer.relational.soft_impute import SoftImpute
from leyden.transfer.self_taught.data import SelfTaughtImages
from leyden.transfer.self_taught.self_taught import ROWS, SelfTaught


def accuracies(seed: int, labels: int, patch: int | None = 4) -> list[float]:
    """Of codes, and of the rows beside them, on the test split."""
    data = SelfTaughtImages(Digits(), unlabelled_classes=5, labels_per_class=labels, seed=seed)
    data.prepare_data()
    model = SelfTaught(**data.spec, patch=patch)
    model.estimate(data)
    images, wanted = data.split("test").columns
    logits = [model(images), *(model.heads[row](model.row(row, images)) for row in ROWS)]
    return [float((each.argmax(1) == wanted).float().mean()) for each in logits]


@pytest.mark.lab
@pytest.mark.parametrize(("labels", "patch", "margin"), [(1, 4, 0.0), (5, 4, 0.02), (50, 4, 0.0), (5, None, -0.05)])
def test_codes_of_patches_are_worth_more_than_pixels(
    labels: int, patch: int | None, margin: float, allowance: Allowance
) -> None:
    allowance.spend(0.5)
    found = torch.tensor([accuracies(seed, labels, patch) for seed in range(5)])
    print(labels, patch, found.tolist(), found.mean(0).tolist(), found.std(0).tolist())
    codes, pixels, components, _ = found.mean(0).tolist()
    assert codes > max(pixels, components) + margin


@pytest.mark.lab
@pytest.mark.parametrize(("pattern", "observed", "most"), [("cells", 0.5, 0.75), ("squares", 0.75, 0.88)])
def test_digits_with_holes_are_better_than_their_means(
    pattern: str, observed: float, most: float, allowance: Allowance
) -> None:
    allowance.spend(0.5)
    ratios = []
    for seed in range(3):
        data = IncompleteTable(Digits(), observed=observed, pattern=pattern, new_rows=0.1, seed=seed)
        data.prepare_data()
        model = SoftImpute(**data.spec, standardise="mean")
        figures = model.estimate(data)
        model.fitted.fill_(True)
        rows, held, places = data.split("test").columns
        wanted, tested = held[:, :64].double(), ~held[:, :64].isnan()
        for part in (places >= 0, places < 0):
            where = tested & part[:, None]
            errors = [
                float((estimate - wanted)[where].square().mean().sqrt())
                for estimate in (model.in_units(model(rows, places)), model.column_means.expand_as(wanted))
            ]
            ratios.append(errors[0] / errors[1])
        print(pattern, seed, figures, errors, ratios[-2:])
    assert max(ratios) < most
