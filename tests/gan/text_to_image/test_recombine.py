import torch

from leyden.data.batches.captions import Captions
from leyden.gan.text_to_image.factors import factor_table
from leyden.gan.text_to_image.recombine import Recombine


def test_each_factor_is_that_of_one_of_two(data: Captions) -> None:
    names, factors, tokenizer = list(data.spec["class_names"]), data.spec["factors"], data.tokenizer
    recombine = Recombine(names, factors, tokenizer, 16)
    assert not recombine.state_dict()
    torch.manual_seed(0)
    labels = torch.tensor([names.index("a red zero on grass"), names.index("a blue seven on brick")]).repeat(40)
    tokens, lengths, found = recombine(labels)
    drawn = [tokenizer.decode(row[:end].tolist()) for row, end in zip(tokens, lengths, strict=True)]
    values = factor_table(drawn, factors)
    assert torch.equal(values, factor_table(names, factors)[found])
    assert [set(column) for column in values.T.tolist()] == [{0, 7}, {0, 4}, {0, 2}]
    assert len(set(drawn)) == 8  # all that two can give, "a red seven" among them, which no image shows


def test_what_there_is_not_stays_as_it_was() -> None:
    class Words:
        start, end, pad = None, 0, 0

        def encode_all(self, texts):
            return [[ord(sign) for sign in text if sign != " "] for text in texts]

    recombine = Recombine(["a x", "b y"], {"one": ["a", "b"], "two": ["x", "y"]}, Words(), 4)  # type: ignore[arg-type]
    tokens, *_ = recombine(torch.tensor([0, 1]).repeat(20))
    assert {tuple(row) for row in tokens[:, :2].tolist()} == {(ord("a"), ord("x")), (ord("b"), ord("y"))}
