"""Networks of texts as ONNX files; those of images are exported through the command line in tests/bench."""

import json

import pytest
import torch
from toy_classifier import toy_classifier, toy_data

from leyden.nets.onnx import to_onnx

pytest.importorskip("tokenizers")
onnxruntime = pytest.importorskip("onnxruntime")
DATA = toy_data()


def test_texts_of_any_length_and_number(recwarn: pytest.WarningsRecorder) -> None:
    model = toy_classifier(DATA, strategy="lora", layers=1).eval()
    torch.nn.init.normal_(model.net.encoder.blocks[0].attention.qkv.lora_b)
    content, difference = to_onnx(model.export_network(), {"record": "here"})
    assert difference < 1e-4
    assert not [w for w in recwarn if "axis name" in str(w.message)]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["class_names"]) == ["bad", "good"]
    assert (facts["context"], facts["record"]) == ("24", "here")
    assert not any("lora" in name for name in (node.name for node in session.get_inputs()))
    for count in (1, 7):
        batch = DATA.split("test").sample(torch.arange(count))
        given = {"tokens": batch.tokens.numpy(), "lengths": batch.lengths.numpy()}
        [logits] = session.run(None, given)
        torch.testing.assert_close(
            torch.from_numpy(logits), model(batch.tokens, batch.lengths).detach(), rtol=1e-4, atol=1e-4
        )
