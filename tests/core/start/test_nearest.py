import pytest

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.overrides import wrong_overrides
from leyden.core.start.nearest import meant, nearest

KEYS = ["trainer.max_epochs", "model.lr", "model.source_batch_size", "data.batch_size", "data.image_size", "sweep.mode"]


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("epochs", "trainer.max_epochs"), ("lr", "model.lr"), ("model.learning_rate", "model.lr"),
        ("batch", "data.batch_size"), ("batch_size", "data.batch_size"), ("model.batch_size", "data.batch_size"),
        ("imgsz", "data.image_size"), ("image_size", "data.image_size or data.source.image_size"),
        ("ckpt_path", "model.weights"), ("pretrained", "model.weights"),
        ("workers", "data.workers"), ("num_workers", "data.workers"), ("devices", "trainer.devices"),
        ("optimizer.lr", "model.lr"), ("trainer.epochs", "trainer.max_epochs"), ("sed", "seed"), ("modle", "model"),
        ("trainer.max_epoch", "trainer.max_epochs"), ("dataset", "data/source"),
        ("gpus", "trainer.devices or trainer=gpu"),
        ("data=voc", "data/source=voc"), ("model=ssd", "detection/ssd"), ("model=dcgan", "gan/dcgan"),
        ("experiment=dcgan", "gan_dcgan"), ("data/source=imagefolder", "image_folder"), ("trainer=cuda", "trainer=gpu"),
    ],
)  # fmt: skip
def test_what_people_type_is_answered(typed: str, right: str) -> None:
    text = typed if "=" in typed else f"{typed}=1"
    assert f"; did you mean {right}?" in wrong_overrides([text])[text]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("gan_dcgan", "gan_dcgan: is no KEY=VALUE; did you mean experiment=gan_dcgan?"),
        ("gan_dcgn", "gan_dcgn: is no KEY=VALUE; did you mean experiment=gan_dcgan?"),
        ("one thing", "is no KEY=VALUE, +KEY=VALUE or ~KEY"),
        (
            "data.source=docstrings",
            "data.source=docstrings: this is set by choosing from a group: data/source=docstrings",
        ),
    ],
)
def test_what_is_no_override_is_answered(typed: str, told: str) -> None:
    assert told in wrong_overrides([typed])[typed]


def test_two_rates_are_both_offered() -> None:
    typed = ["experiment=gan_dcgan", "lr=1"]
    assert wrong_overrides(typed)["lr=1"].endswith("did you mean model.lr_generator or model.lr_discriminator?")


def test_a_key_of_a_source_is_found_by_another_name() -> None:
    typed = ["data/source=csv_text", "data=text/sentences", "data.source.path=texts.csv"]
    assert wrong_overrides(typed) == {typed[2]: "data.source.path: unknown key; did you mean data.source.file?"}
    assert meant("data.source.pth", ["data.source.sizes"], ["paths", "trainer"]) == []


@pytest.mark.parametrize("typed", ["xyz", "root", "num_classes", "data.root", "optimizer", "augment", "model=xyz"])
def test_nothing_silly_is_offered(typed: str) -> None:
    text = typed if "=" in typed else f"{typed}=1"
    told = wrong_overrides([text])[text]
    assert "did you mean" not in told
    assert "; there are: " in told


def test_a_checkpoint_is_for_resume_or_weights() -> None:
    told = nearest("ckpt_path", [], ["model.weights"])
    assert told == "; did you mean model.weights?; `leyden resume RECORD` goes on with a run"


def test_the_same_place_comes_first() -> None:
    assert meant("data.imagesize", ["data.image_size"], KEYS) == ["data.image_size"]
    assert meant("val/acuracy", ["test/accuracy", "val/accuracy"]) == ["val/accuracy"]
    assert meant("model.learning_rate", ["memory_format", "lr"]) == ["lr"]
    assert meant("minimum", ["min", "max", "above"]) == ["min"]
    assert meant("", KEYS) == []


def test_an_added_key_that_nothing_reads() -> None:
    with pytest.raises(ConfigError, match=r"epochs: unknown key, which nothing reads; did you mean trainer.max_epochs"):
        compose(["+epochs=3"])
    assert compose(["+rate=0.5", "model.lr=${rate}"]).config["model"]["lr"] == 0.5
