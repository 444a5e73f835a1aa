"""Encoder-decoders of transformers: a tiny T5 and a tiny BART, with the network cut."""

import json
import socket
from pathlib import Path

import pytest
import torch
from toy_pairs import ToyPairs

from leyden.data.text.pairs import PairTokens
from leyden.text.summary.seq2seq import Seq2Seq, build_seq2seq, t5_config
from training import quiet_trainer

transformers = pytest.importorskip("transformers")
pytest.importorskip("rouge_score")


@pytest.fixture(autouse=True)
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("the network is cut")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def data(**options: object) -> PairTokens:
    module = PairTokens(ToyPairs(), vocabulary_size=300, context=30, summary_context=12, batch_size=6, **options)  # type: ignore[arg-type]
    module.prepare_data()
    return module


def folder(path: Path, module: PairTokens, kind: str = "t5", extra: int = 0) -> str:
    """A checkpoint in the library's layout."""
    torch.manual_seed(1)
    config = t5_config(module.tokenizer, 1, 2, 16)
    if kind == "bart":
        config = {
            "model_type": "bart", "vocab_size": module.tokenizer.size, "d_model": 16, "encoder_layers": 1,
            "decoder_layers": 1, "encoder_attention_heads": 2,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
            "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
            "decoder_start_token_id": 3, "forced_eos_token_id": 3,
        }  # fmt: skip
    config["vocab_size"] += extra
    build_seq2seq(config).save_pretrained(path)
    (path / "tokenizer.json").write_text(module.tokenizer.spec["content"])
    return str(path)


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_folder_gives_the_library_s_summaries(tmp_path: Path, kind: str) -> None:
    module = data()
    place = folder(tmp_path / kind, module, kind)
    model = Seq2Seq(**data(tokenizer=place).spec, checkpoint=place, beams=2).eval()
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(place, local_files_only=True).eval()
    text = module.whole("test").texts[0]
    tokens = torch.tensor([[2, *module.tokenizer.encode(text)[:30], 3]])
    written = theirs.generate(input_ids=tokens, num_beams=2, do_sample=False, max_new_tokens=12)
    assert model.summarise([text]) == [module.tokenizer.decode(written[0].tolist()).strip()]


def test_a_checkpoint_needs_no_other_file(tmp_path: Path) -> None:
    module = data()
    model = Seq2Seq(**module.spec, checkpoint=folder(tmp_path / "t5", module), beams=1)
    trainer = quiet_trainer(max_steps=1)
    trainer.fit(model, module)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    (tmp_path / "t5" / "model.safetensors").unlink()
    again = Seq2Seq.load_from_checkpoint(tmp_path / "own.ckpt", map_location="cpu", weights_only=True)
    torch.testing.assert_close(again.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert json.loads(again.hparams["config"])["model_type"] == "t5"


def test_the_loss_is_the_mean_over_real_tokens() -> None:
    module = data()
    torch.manual_seed(0)
    model = Seq2Seq(**module.spec, layers=1, heads=2, width=16).eval()
    batch = next(iter(module.train_dataloader()))
    total = count = 0.0
    for i in range(6):
        n, m = int(batch.lengths[i]), int(batch.summary_lengths[i])
        one = batch._make(x[i : i + 1] for x in batch)
        one = one._replace(tokens=one.tokens[:, :n], summaries=one.summaries[:, :m])
        total, count = total + float(model.loss(one)) * (m + 1), count + m + 1  # with the start
    assert float(model.loss(batch)) == pytest.approx(total / count, rel=1e-4)


def test_the_prefix_stands_before_each_text() -> None:
    model = Seq2Seq(**data().spec, layers=1, heads=2, width=16, prefix="sum: ")
    read = model.reads(torch.tensor([[5, 6, 7], [8, 9, 9]]), torch.tensor([3, 1]))
    prefix = model.tokens.encode("sum:")
    assert read["input_ids"].tolist() == [[2, *prefix, 5, 6, 7, 3], [2, *prefix, 8, 3, 0, 0]]
    assert read["attention_mask"].sum(1).tolist() == [len(prefix) + 5, len(prefix) + 3]
    assert model.summarise(["", " "]) == ["", ""]


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    module = data()
    place = folder(tmp_path / "t5", module)
    other = data(tokenizer="characters")
    with pytest.raises(ValueError, match=r"trained with a tokenizer of \d+ tokens, .* set data.tokenizer="):
        Seq2Seq(**other.spec, checkpoint=place)
    large = folder(tmp_path / "large", module, extra=500)
    with pytest.raises(ValueError, match="do not belong together"):
        Seq2Seq(**module.spec, checkpoint=large)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"give a folder with config\.json"):
        Seq2Seq(**data().spec, checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match=r"model\.heads=3 do not divide"):
        Seq2Seq(**data().spec, heads=3)
