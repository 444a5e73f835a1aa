from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.nets.strategies.plan import l2_sp_penalty
from leyden.nets.strategies.strategies import STRATEGIES
from leyden.transfer.finetune.finetune import Finetune

ALL = ("stem", "stage1", "stage2")
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # inherited, and frozen during two epochs
    "head": (ALL, ALL),
    "full": (ALL, ()),
    "truncate": (ALL[:2], ALL[:2]),
    "scratch": ((), ()),
    "last_k": (ALL, ALL[:2]),
    "gradual": (ALL, ALL[:2]),
    "discriminative": (ALL, ()),
    "l2_sp": (ALL, ()),
    "bn_only": (ALL, ()),
    "adapter": (ALL, ALL),
}


def of_stage(state: dict[str, Tensor], stage: str) -> dict[str, Tensor]:
    """Parameters and buffers, the statistics of batch norms among them."""
    return {key: value for key, value in state.items() if key.startswith(f"net.backbone.stages.{stage}.")}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_inherited_and_what_is_frozen(
    strategy: str, fit: Callable, new_model: Callable, new_data: Callable
) -> None:
    """With weight decay and batch norms; of what is not frozen every tensor moves."""
    inherited, frozen = CASES[strategy]
    drawn = new_model(new_data(), strategy=strategy, truncate={"at": "stage1"}).state_dict()
    model, seen = fit(strategy=strategy, truncate={"at": "stage1"})
    start, after = seen.states[0], model.state_dict()
    for stage in ALL:
        taken = [not torch.equal(value, of_stage(drawn, stage)[key]) for key, value in of_stage(start, stage).items()]
        assert any(taken) == (stage in inherited)
        same = {key for key, value in of_stage(after, stage).items() if torch.equal(value, start[key])}
        convolutions = {key for key, value in of_stage(after, stage).items() if value.dim() == 4}
        assert same == (
            set(of_stage(after, stage)) if stage in frozen else convolutions if strategy == "bn_only" else set()
        )
    assert not torch.equal(start["net.head.weight"], after["net.head.weight"])
    for key in [key for key in after if ".adapters." in key and ".up." in key]:
        assert not start[key].any()  # begins as the inherited network itself
        assert after[key].any()
    assert any(".adapters." in key for key in after) == (strategy == "adapter")


def test_gradual_stages_are_untouched_until_their_epoch_and_move_from_it_on(fit: Callable) -> None:
    _, seen = fit(strategy="gradual", gradual={"unfreeze_every": 2}, epochs=7)
    moved = [
        [stage for stage in ALL if any(not torch.equal(new[key], value) for key, value in of_stage(old, stage).items())]
        for old, new in zip(seen.states, seen.states[1:], strict=False)
    ]
    assert moved == [[], [], ["stage2"], ["stage2"], ["stage1", "stage2"], ["stage1", "stage2"], list(ALL)]


def test_fixed_statistics_stay_while_weights_move(fit: Callable) -> None:
    model, seen = fit(strategy="full", fixed_statistics=True)
    for key, value in model.net.state_dict().items():
        statistics = key.endswith(("running_mean", "running_var", "num_batches_tracked", ".mean", ".std"))
        assert torch.equal(value, seen.states[0][f"net.{key}"]) == statistics, key


@pytest.mark.parametrize(
    ("strategy", "rates", "decay"),
    [
        ("head", {}, 0.5),
        ("full", {"stem": 0.2, "stage1": 0.2, "stage2": 0.2}, 0.5),
        ("truncate", {"stage2": 1.0}, 0.5),
        ("scratch", {"stem": 1.0, "stage1": 1.0, "stage2": 1.0}, 0.5),
        ("discriminative", {"stem": 0.002, "stage1": 0.02, "stage2": 0.2}, 0.5),
        ("gradual", {"stem": 0.2, "stage1": 0.2, "stage2": 0.2}, 0.5),
        ("l2_sp", {"stem": 0.2, "stage1": 0.2, "stage2": 0.2}, 0.0),  # its decay is in the loss
    ],
)
def test_optimizer_holds_what_is_trained_at_its_rate_and_nothing_else(
    strategy: str, rates: dict[str, float], decay: float, fit: Callable
) -> None:
    model, seen = fit(
        strategy=strategy, backbone_lr_factor=0.2, discriminative={"decay": 0.1}, truncate={"at": "stage1"}, lr=0.01
    )
    held = {id(p): group["lr"] for group in seen.groups[0] for p in group["params"]}
    wanted = {id(p): 0.01 * rates[name] for name in rates for p in model.net.backbone.stages[name].parameters()}
    assert held == pytest.approx(wanted | {id(p): 0.01 for p in model.net.head.parameters()})
    assert {group["weight_decay"] for group in seen.groups[0]} == {decay}
    half, end = ([group["lr"] / group["initial_lr"] for group in seen.groups[epoch]] for epoch in (1, 2))
    assert half == pytest.approx([0.5] * len(half))  # along a cosine
    assert end == pytest.approx([0] * len(end), abs=1e-9)


def test_l2_sp_starts_at_its_anchors_and_is_held_there_by_the_pull(fit: Callable) -> None:
    def drift(alpha: float) -> float:
        model, seen = fit(strategy="l2_sp", l2_sp={"alpha": alpha}, epochs=10)
        anchors = [value for key, value in seen.states[0].items() if key.startswith("anchors.")]
        for anchor, now, parameter in zip(anchors, model.anchors, model.net.inherited(), strict=True):
            assert torch.equal(anchor, now)
            assert not torch.equal(parameter, now)
        start = dict(zip([key for key, _ in model.net.backbone.stages.named_parameters()], anchors, strict=True))
        assert all(torch.equal(seen.states[0][f"net.backbone.stages.{key}"], value) for key, value in start.items())
        return sum(float((p - a).detach().square().sum()) for p, a in zip(model.net.inherited(), anchors, strict=True))

    free, loose, tight = drift(0.0), drift(1.0), drift(1000.0)
    assert tight < loose < free
    assert tight < free / 20


def training_loss(model: Finetune, trainer: Any, images: Tensor, labels: Tensor) -> Tensor:
    model.trainer = trainer
    return model.train().training_step((images, labels), 0)


def test_loss_of_l2_sp_is_cross_entropy_and_penalty(
    new_model: Callable, new_data: Callable, new_trainer: Callable
) -> None:
    model = new_model(new_data(), strategy="l2_sp", l2_sp={"alpha": 0.3}, weight_decay=0.2, head="linear")
    images, labels = next(iter(new_data().train_dataloader()))
    for parameter in model.net.inherited():
        parameter.data += 0.1
    loss = training_loss(model, new_trainer(), images, labels)
    count = sum(p.numel() for p in model.net.inherited())
    head = sum(float(p.detach().square().sum()) for p in model.net.head.parameters())
    expected = F.cross_entropy(model(images), labels) + 0.3 / 2 * 0.01 * count + 0.2 / 2 * head
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        loss - F.cross_entropy(model(images), labels),
        l2_sp_penalty(model.net.inherited(), model.anchors, 0.3, model.net.head.parameters(), 0.2),
    )


def test_googlenets_auxiliary_losses_count_three_tenths_in_training_alone(
    new_data: Callable, new_model: Callable, new_trainer: Callable
) -> None:
    data = new_data(image_size=64, source_classes=None)
    model = new_model(data, backbone="googlenet", strategy="scratch", head="linear")
    images, labels = next(iter(data.train_dataloader()))
    loss = training_loss(model, new_trainer(), images[:4], labels[:4])
    auxiliary_logits = [F.cross_entropy(logits, labels[:4]) for logits in model.net.auxiliary_logits]
    assert len(auxiliary_logits) == 2
    main = F.cross_entropy(model.eval()(images[:4]), labels[:4])  # neither batch norm nor dropout on the main path
    assert model.net.auxiliary_logits == []
    torch.testing.assert_close(loss, main + 0.3 * sum(auxiliary_logits))
    learning = {id(p) for p in model.net.rates()[1.0]}
    assert {id(p) for p in model.net.auxiliary.parameters()} <= learning


def test_it_learns_and_inheriting_helps(new_data: Callable, new_model: Callable, new_trainer: Callable) -> None:
    """One example of each of five new digits: from scratch little above chance (0.2), after a source task far above."""
    splits = ["train", "val", "test"]
    data = new_data(labels_per_class=1, epoch_size=64, degrees=15, zoom=0.2, shift=0.1, source_splits=splits)
    tested = {}
    for strategy in ("scratch", "head", "full"):
        given = {"widths": [16, 32], "source_epochs": 20, "lr": 0.002, "weight_decay": 0.01, "strategy": strategy}
        model, trainer = new_model(data, **given), new_trainer(max_epochs=3)
        trainer.fit(model, data)
        tested[strategy] = trainer.test(model, data, verbose=False)[0]["test/accuracy"]
    assert min(tested["head"], tested["full"]) > max(0.4, tested["scratch"] + 0.1)
    images, labels = data.split("test").take(torch.arange(269))
    predicted = model.eval()(images).argmax(1)
    assert tested["full"] == pytest.approx(float((predicted == labels).float().mean()), abs=1e-6)


def test_runs_repeat_bit_for_bit(fit: Callable) -> None:
    one, other = (fit(strategy="full")[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("source", ["file", "record"])
def test_weights_and_normalisation_come_from_a_file_or_a_record(source: str, tmp_path: Path, fit: Callable) -> None:
    giver, _ = fit(strategy="full")
    giver.net.backbone.mean.fill_(0.25)
    if source == "record":
        path = tmp_path / "2026-01-01_00-00-00_0"
        giver.trainer.save_checkpoint(path / "checkpoints" / "best.ckpt")
    else:
        path = tmp_path / "w.pth"
        torch.save(giver.net.backbone.state_dict(), path)
    _, seen = fit(strategy="head", weights=str(path))
    for key, value in giver.net.backbone.state_dict().items():
        assert torch.equal(seen.states[0][f"net.backbone.{key}"], value), key
    _, seen = fit(strategy="truncate", truncate={"at": "stage1"}, weights=str(path))
    assert torch.equal(seen.states[0]["net.backbone.mean"], torch.tensor([0.25]))


@pytest.mark.parametrize("none", [None, "none"])
def test_no_weights_inherit_the_random_ones(
    none: str | None, fit: Callable, new_model: Callable, new_data: Callable
) -> None:
    drawn = new_model(new_data()).net.backbone.state_dict()
    model, _ = fit(strategy="head", weights=none)
    assert all(torch.equal(value, drawn[key]) for key, value in model.net.backbone.state_dict().items())


def test_all_classes_with_all_labels_is_plain_training(fit: Callable, new_data: Callable) -> None:
    data = new_data(source_classes=None, labels_per_class=None, epoch_size=None, batch_size=128)
    model, _ = fit(data, 1, strategy="scratch", weight_decay=0.01)
    assert len(model.class_names) == 10


def test_a_cosine_head_starts_at_the_mean_features_of_each_class(fit: Callable, new_data: Callable) -> None:
    data = new_data(labels_per_class=3, epoch_size=None, batch_size=4)
    model, seen = fit(data, strategy="head", head="cosine")
    split = data.split("train")
    model.eval()
    directions = F.normalize(model.net.features(split.columns.images))  # frozen, so as they were
    for label in range(5):
        expected = directions[split.columns.labels == label].mean(0)
        torch.testing.assert_close(seen.states[0]["net.head.weight"][label], expected)


def test_features_before_training_are_kept_with_the_checkpoint(
    tmp_path: Path, new_data: Callable, new_model: Callable, new_trainer: Callable
) -> None:
    data = new_data()
    model, trainer = new_model(data, strategy="full", embedding=7), new_trainer()
    trainer.fit(model, data)
    assert model.before.shape == (7, 16)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = Finetune.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert torch.equal(loaded.before, model.before)
    images = data.split("val").columns.images[:7]
    assert not torch.allclose(model.eval().net.features(images), model.before)


def test_predicts_pictures_of_any_kind(new_data: Callable, new_model: Callable) -> None:
    model = new_model(new_data()).train()
    pictures = [torch.randint(0, 256, (c, 30, 50), dtype=torch.uint8) for c in (1, 3)]
    predictions = model.predict(pictures)
    for row, picture in zip(predictions.rows, predictions.images, strict=True):
        assert list(row) == ["label", "probability", "probabilities"]
        assert list(row["probabilities"]) == list("56789")
        assert row["probabilities"][row["label"]] == max(row["probabilities"].values())
        assert row["probability"] == pytest.approx(row["probabilities"][row["label"]], abs=1e-4)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert picture.dtype == torch.uint8
        assert picture.shape[0] == 3


def test_pictures_are_cropped_as_the_data_was_also_from_a_checkpoint(
    tmp_path: Path, fit: Callable, new_data: Callable
) -> None:
    """What lies outside of the centre square has no say."""
    picture = torch.zeros(1, 8, 24, dtype=torch.uint8)
    picture[:, :, 8:16] = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)
    other = picture.clone()
    other[:, :, 18:] = 255
    model, _ = fit(new_data(crop=1.0), strategy="head")
    model.trainer.save_checkpoint(tmp_path / "a.ckpt")
    for answering in (model, Finetune.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)):
        rows = answering.predict([picture, other, picture[:, :, 8:16]]).rows
        assert rows[0] == rows[1] == rows[2]
    squeezed, _ = fit(new_data(), strategy="head")
    rows = squeezed.predict([picture, other]).rows
    assert rows[0] != rows[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "all"}, "model.strategy='all': there are head"),
        (
            {"strategy": "truncate", "truncate": {"at": "stage3"}},
            "'stage3' is no stage of this backbone: stem, stage1, stage2",
        ),
        ({"backbone": "resnett"}, "did you mean resnet"),
        ({"memory_format": "last"}, "model.memory_format='last': there are contiguous, channels_last"),
        ({"class_names": ["5"]}, r"two classes or more, got \['5'\]"),
    ],
)
def test_impossible_choices(arguments: dict, message: str, new_data: Callable) -> None:
    spec: dict[str, Any] = {**new_data().spec, "widths": [8, 16], "strides": [1, 2]}
    with pytest.raises(ValueError, match=message):
        Finetune(**(spec | arguments))


def test_source_task_needs_source_classes(fit: Callable, new_data: Callable) -> None:
    with pytest.raises(ValueError, match=r"set data\.source_classes, or model\.weights=null"):
        fit(new_data(source_classes=None))


def test_other_data_is_refused(new_data: Callable, new_model: Callable, new_trainer: Callable) -> None:
    with pytest.raises(ValueError, match="learns from data=transfer/images"):
        new_trainer().fit(new_model(new_data()), train_dataloaders=new_data().train_dataloader())
