"""Shallow DANN: algorithm 1's own gradients, tasks side by side, and the order of the paper's twelve."""

from pathlib import Path

import pytest
import torch
from lightning import seed_everything
from sklearn.datasets import dump_svmlight_file

from leyden.data.batches.domain_rows import DomainPairs, DomainRows, RowDomains
from leyden.data.columns import LabelledRows, Rows
from leyden.data.source.rows.svmlight_folder import SvmlightFolder
from leyden.data.splits import STAGES
from leyden.transfer.domain.text.shallow_dann import ShallowDANN, ShallowNet
from training import quiet_trainer

DOMAINS = ["books", "dvd", "electronics", "kitchen"]


def test_gradients_of_algorithm_1() -> None:
    torch.manual_seed(0)
    net, weight = ShallowNet(4, 2, 3).double(), 0.3
    xs, xt, y = torch.rand(1, 4).double(), torch.rand(1, 4).double(), torch.tensor([1])
    net.loss(RowDomains(LabelledRows(xs, y), Rows(xt)), weight)[0].backward()
    with torch.no_grad():
        hs, ht = net.codes(xs)[0], net.codes(xt)[0]
        delta_c = net.classifier(hs).softmax(0) - torch.tensor([0.0, 1.0])
        delta_b = net.classifier.weight.T @ delta_c * hs * (1 - hs)
        os, ot = (torch.sigmoid(net.domain(h))[0] for h in (hs, ht))
        u = net.domain.weight[0]
        # lambda (1 - o) u h (1 - h) of the source, -lambda o u h (1 - h) of the target, added to W's and b's steps
        away_s, away_t = weight * (1 - os) * u * hs * (1 - hs), -weight * ot * u * ht * (1 - ht)
    torch.testing.assert_close(net.classifier.bias.grad, delta_c)
    torch.testing.assert_close(net.classifier.weight.grad, torch.outer(delta_c, hs))
    torch.testing.assert_close(net.encoder.bias.grad, delta_b + away_s + away_t)
    torch.testing.assert_close(
        net.encoder.weight.grad, torch.outer(delta_b + away_s, xs[0]) + torch.outer(away_t, xt[0])
    )
    torch.testing.assert_close(net.domain.bias.grad, (-weight * (1 - os) + weight * ot)[None])
    torch.testing.assert_close(net.domain.weight.grad[0], -weight * (1 - os) * hs + weight * ot * ht)


def folder(root: Path) -> str:
    """Four domains of 12 features, of which two say the class in all and two more in each domain alone."""
    generator = torch.Generator().manual_seed(0)
    for place, domain in enumerate(DOMAINS):
        for part in ("train", "test"):
            labels = torch.arange(60) % 2
            rows = torch.rand(60, 12, generator=generator)
            rows[:, 0] += labels
            rows[:, 2 + 2 * place] += labels
            rows[:, 3 + 2 * place] += 1
            dump_svmlight_file(rows.numpy(), labels.numpy(), str(root / f"{domain}_{part}.svmlight"), zero_based=False)
    return str(root)


def trained(data: DomainRows, epochs: int = 3) -> tuple[ShallowDANN, dict[str, float]]:
    data.prepare_data()
    seed_everything(0, verbose=False)
    model = ShallowDANN(**data.spec, hidden=4)
    trainer = quiet_trainer(max_epochs=epochs, limit_val_batches=1.0)
    trainer.fit(model, data)
    return model, dict(trainer.test(model, data, verbose=False)[0])


def test_twelve_tasks_in_the_paper_s_order(tmp_path: Path) -> None:
    data = DomainPairs(SvmlightFolder(folder(tmp_path), "books"), DOMAINS, batch_size=16)
    model, found = trained(data)
    assert [name.replace("_to_", ">") for name in model.tasks[:4]] == [
        "books>dvd",
        "books>electronics",
        "books>kitchen",
        "dvd>books",
    ]
    assert len(model.tasks) == 12
    assert found["test/accuracy"] == pytest.approx(sum(found[f"test/{name}"] for name in model.tasks) / 12)
    with pytest.raises(ValueError, match="predict from a run of one task"):
        model.predict([torch.zeros(12)])


def test_tasks_side_by_side_learn_as_each_alone(tmp_path: Path) -> None:
    data = DomainPairs(SvmlightFolder(folder(tmp_path), "books"), DOMAINS, batch_size=16)
    model, _ = trained(data, 1)
    alone = DomainRows(SvmlightFolder(str(tmp_path), "books"), SvmlightFolder(str(tmp_path), "dvd"), batch_size=16)
    assert torch.equal(trained(alone, 1)[0].net.encoder.weight, model.net.encoder.weight)


def test_target_labels_change_nothing(tmp_path: Path) -> None:
    files = folder(tmp_path)
    weights = []
    for nonsense in (False, True):
        source, target = SvmlightFolder(files, "books"), SvmlightFolder(files, "dvd")
        target.prepare()
        if nonsense:
            splits = {stage: target.split(stage).columns for stage in STAGES}
            splits["train"] = splits["train"]._replace(labels=1 - splits["train"].labels)
            target.set_splits(splits, target.class_names, target.feature_names)
        weights.append(trained(DomainRows(source, target, batch_size=16))[0].state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items() if name.startswith("nets"))


def test_the_paper_s_files(dev_data: Path) -> None:
    data = DomainRows(*(SvmlightFolder(str(dev_data / "amazon_svmlight"), d) for d in ("kitchen", "electronics")))
    assert trained(data, 5)[1]["test/accuracy"] > 0.8


def test_numbers_out_of_range() -> None:
    with pytest.raises(ValueError, match="hidden=0 counts from 1"):
        ShallowDANN(["a", "b"], ["x"], hidden=0)
