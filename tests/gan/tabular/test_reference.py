"""The package ``ctgan`` (0.12) itself, where it is installed: what it fits and computes is what Leyden does."""

import numpy as np
import pandas as pd
import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings
from leyden.gan.penalties import gradient_penalty
from leyden.gan.tabular.ctgan import CTGAN, Discriminator, Generator

reference = pytest.importorskip("ctgan", reason="the package ctgan is not installed (pip install ctgan)")


def sizes(network: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in network.parameters()]


def test_networks_are_those_of_the_package() -> None:
    from ctgan.synthesizers import ctgan as package

    assert sizes(Generator(133, 256, 20)) == sizes(package.Generator(133, (256, 256), 20))
    assert sizes(Discriminator(250, 256, 0.5)) == sizes(package.Discriminator(25, (256, 256), pac=10))


def test_penalty_is_the_package_s() -> None:
    from ctgan.synthesizers import ctgan as package

    torch.manual_seed(0)
    theirs = package.Discriminator(6, (16, 16), pac=5).eval()  # without dropout both see one critic
    real, fake = torch.randn(20, 6), torch.randn(20, 6, requires_grad=True)
    torch.manual_seed(1)
    expected = theirs.calc_gradient_penalty(real, fake, pac=5)
    torch.manual_seed(1)  # their mixing weight is of the real rows, ours of the second ones
    ours = gradient_penalty(theirs.seq, fake.view(4, -1), real.view(4, -1))
    torch.testing.assert_close(10 * ours, expected)


def test_modes_and_vectors_are_the_package_s() -> None:
    """A ring's modes on both axes; what both encoders make of its rows decodes alike."""
    from ctgan.data_transformer import DataTransformer

    data = MixedTable(Rings(rows=400, labelled=False))
    data.prepare_data()
    rows = data.rows("train")
    table = pd.DataFrame(rows.numpy(), columns=["x", "y"])
    theirs = DataTransformer()
    theirs.fit(table)
    widths = [span[1].dim for span in theirs.output_info_list]
    model = CTGAN(**data.spec, latent_dim=4, hidden=8)
    spans = model.sampler.encoding.spans
    assert all(abs(width - (span.stop - span.start)) <= 1 for width, span in zip(widths, spans, strict=True))
    back = theirs.inverse_transform(theirs.transform(table))
    own = model.sampler.encoding.decode(model.sampler.encoding.encode(rows))
    assert np.abs(back.to_numpy() - rows.numpy()).max() < 0.05
    assert (own - rows).abs().max() < 0.05


def test_as_many_modes_as_the_package_in_as_many_steps() -> None:
    """A short training of both on eight modes; long ones are in ``tests/benchmarks/tables.py``."""
    source = Rings(rows=1000, labelled=False)
    data = MixedTable(source, batch_size=100)
    data.prepare_data()
    from training import quiet_trainer

    torch.manual_seed(0)
    model = CTGAN(**data.spec)
    quiet_trainer(max_steps=120, max_epochs=-1).fit(model, data)
    ours = source.modes(model.sampler.rows(2000, torch.Generator().manual_seed(0)))
    np.random.seed(0)
    torch.manual_seed(0)
    package = reference.CTGAN(batch_size=100, epochs=20, enable_gpu=False)  # of 6 steps
    package.fit(pd.DataFrame(data.rows("train").numpy(), columns=["x", "y"]))
    theirs = source.modes(torch.from_numpy(package.sample(2000).to_numpy()))
    assert ours[1] >= 0.7 * theirs[1]  # so early both are far from done, and a seed moves either by a fifth
