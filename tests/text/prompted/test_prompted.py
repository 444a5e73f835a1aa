"""Classification by a prompt: what it learns from, examples, checkpoints of others, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leyden.core.technique import PredictOptions
from leyden.data.columns import LabelledTexts
from leyden.data.source.text.text_source import TextSource
from leyden.data.specs import TokenizerSpec
from leyden.data.splits import InMemory, Stage
from leyden.data.text.sentences import Sentences
from leyden.data.text.tokenizer import build_tokenizer
from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.text.prompted.causal import LibraryCausalNet, build_causal_net, causal_net
from leyden.text.prompted.prompted import Prompted
from training import quiet_trainer

WORDS = {0: "bad", 1: "good"}
OPINIONS = {0: ["a mess", "it drags", "so dull", "a bore"], 1: ["a joy", "it sings", "so bright", "a gem"]}


class Told(TextSource):
    """Short opinions; the training texts go on with the word that names their class."""

    def __init__(self) -> None:
        super().__init__("told")
        self.class_names = ["negative", "positive"]

    def read(self) -> Any:
        raise NotImplementedError("the splits are given")

    def prepare(self) -> None:
        pass

    def split(self, stage: Stage) -> InMemory[LabelledTexts]:
        rows = [(text, label) for label, texts in OPINIONS.items() for text in texts] * 4
        behind = {"train": [f", {WORDS[label]}" for _, label in rows], "val": ["."] * 32, "test": [""] * 32}[stage]
        texts = [text + end for (text, _), end in zip(rows, behind, strict=True)]
        return InMemory(LabelledTexts(texts, torch.tensor([label for _, label in rows])))


def data(**arguments: Any) -> Sentences:
    found = Sentences(Told(), tokenizer="characters", context=16, **arguments)
    found.prepare_data()
    return found


def small(read: Sentences, **arguments: Any) -> Prompted:
    options = {
        "words": ["bad", "good"], "template": "{text}, {label}", "layers": 2, "heads": 2, "width": 32,
        "prompt_context": 64, "pretraining_steps": 150, "pretraining_batch_size": 16, "pretraining_lr": 1e-2,
    }  # fmt: skip
    return Prompted(**read.spec, **(options | arguments))


def fit(model: Prompted, read: Sentences, folder: Path) -> Prompted:
    trainer = quiet_trainer(default_root_dir=folder, max_epochs=1)
    trainer.fit(model, read)
    return model


def test_a_language_model_is_asked_for_the_word(tmp_path: Path) -> None:
    read = data()
    model = fit(small(read), read, tmp_path)
    texts = [text for texts in OPINIONS.values() for text in texts]
    rows = model.predict(texts).rows
    assert [row["label"] for row in rows] == ["negative"] * 4 + ["positive"] * 4
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3) for row in rows)
    assert not any(parameter.requires_grad for parameter in model.net.parameters())


def test_examples_stand_before_the_text(tmp_path: Path) -> None:
    read = data(seed=3)
    model = fit(small(read, shots_per_class=1, pretraining_steps=1), read, tmp_path)
    tokens, end = model.examples.tolist(), read.tokenizer.end  # the tokenizer has seen no line's end
    lines = [read.tokenizer.decode(tokens[: tokens.index(end)]), read.tokenizer.decode(tokens[tokens.index(end) : -1])]
    train = read.examples("train").columns
    known = {f"{text}, {WORDS[int(label)]}" for text, label in zip(*train, strict=True)}
    assert set(lines) <= known
    assert tokens[-1] == end
    assert lines[0].endswith("bad")
    assert lines[1].endswith("good")


def test_texts_stand_behind_examples_of_their_class(tmp_path: Path) -> None:
    """By the word before it, without an example; and each class has its own examples before its texts."""
    read = data()
    told = fit(
        small(read, scoring="text", template="{label}, {text}", shots_per_class=2, pretraining_steps=1), read, tmp_path
    )
    owners = told.owners.tolist()
    assert set(owners) == {0, 1}
    for label, word in WORDS.items():
        shown = read.tokenizer.decode(told._shown(label))
        assert shown.count(f"{word}, ") == 2
        assert WORDS[1 - label] not in shown
    assert not told.calibrate
    alone = fit(small(read, scoring="text", template="{label}, {text}", pretraining_steps=1), read, tmp_path)
    rows = alone.predict(["a joy", "a mess"]).rows
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3) for row in rows)


def test_a_text_s_class_is_that_behind_whose_examples_it_is_likeliest(tmp_path: Path) -> None:
    read = data()
    options = {"scoring": "text", "template": "{label}, {text}", "shots_per_class": 1, "pretraining_steps": 30}
    model = fit(small(read, **options), read, tmp_path)
    rows = model.predict(["a joy"]).rows
    model.owners = 1 - model.owners  # each class has the other's examples
    assert model.predict(["a joy"]).rows != rows


def test_a_checkpoint_needs_nothing_but_itself(tmp_path: Path) -> None:
    read = data()
    model = fit(small(read, shots_per_class=1, pretraining_steps=2), read, tmp_path)
    model.trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded = Prompted.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    assert loaded.predict(["a joy"]).rows == model.predict(["a joy"]).rows


def test_any_causal_network_of_transformers(tmp_path: Path) -> None:
    """Its own logits; reloaded by its spec alone."""
    transformers: Any = pytest.importorskip("transformers")
    tokenizer: TokenizerSpec = train_tokenizer("bpe", ["a joy, good", "a mess, bad"], 300).spec
    size = build_tokenizer(tokenizer).size
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.AutoConfig.for_model("gpt_neox", vocab_size=size, max_position_embeddings=48, **sizes)
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(tokenizer["content"])
    net = causal_net(str(tmp_path), tokenizer, (16, 1, 1, 8), "model.weights").eval()
    assert isinstance(net, LibraryCausalNet)
    assert net.context == 48
    tokens, places = torch.tensor([[5, 6, 7, 0], [8, 9, 3, 4]]), torch.tensor([[1, 2], [0, 3]])
    found = net(tokens, places)
    torch.testing.assert_close(found[0], theirs(tokens[:1, :3]).logits[0, 1:])
    torch.testing.assert_close(found[1], theirs(tokens[1:]).logits[0, [0, 3]])
    again = build_causal_net(net.spec)
    again.load_state_dict(net.state_dict())
    torch.testing.assert_close(again.eval()(tokens, places), found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": ["bad"]}, "give a word of its own to each"),
        ({"words": ["bad", "bad"]}, "give a word of its own to each"),
        ({"shots_per_class": -1}, "from 0"),
        ({"template": "{text}"}, "once behind it"),
        ({"scoring": "image"}, "one of word, text"),
        ({"scoring": "text", "template": "{text}"}, "tells no class"),
    ],
)
def test_bad_options(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(data(), **arguments)


def test_examples_that_leave_no_room(tmp_path: Path) -> None:
    read = data()
    with pytest.raises(ValueError, match=r"set model\.shots_per_class below 8"):
        fit(small(read, shots_per_class=8, pretraining_steps=0), read, tmp_path)


def test_options_and_order_of_predictions() -> None:
    model = small(data())
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(["a joy"])
    with pytest.raises(ValueError, match="leave --threshold out"):
        model.predict(["a joy"], PredictOptions(threshold=0.5))


@pytest.mark.parametrize("calibrate", [True, False])
def test_what_calibration_changes_is_told_where_there_is_one(calibrate: bool, tmp_path: Path) -> None:
    read = data()
    model = fit(small(read, calibrate=calibrate, pretraining_steps=2), read, tmp_path)
    (scores,) = model.trainer.test(model, read, verbose=False)
    assert ("test/accuracy_uncalibrated" in scores) == calibrate
