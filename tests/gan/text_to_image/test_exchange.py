import torch

from leyden.data.batches.captions import Captions, as_tokens
from leyden.data.source.scenes.captioned_scenes import CaptionedScenes
from leyden.gan.text_to_image.exchange import ExchangeWord, are_tokens
from leyden.gan.text_to_image.factors import factor_table

TEXTS = ["a green seven on grass", "an eight in blue on gravel", "on brick, a cyan zero", "grass with a yellow two"]
PLAIN = ["a green seven on grass", "a blue eight on gravel", "a cyan zero on brick", "a yellow two on grass"]


def test_one_word_of_each_factor_in_any_wording(data: Captions) -> None:
    names, factors, tokenizer = list(data.spec["class_names"]), data.spec["factors"], data.tokenizer
    exchange = ExchangeWord(names, data.spec["unseen"], factors, tokenizer)
    assert not exchange.state_dict()
    tokens, lengths, _ = as_tokens(TEXTS, tokenizer, 16)
    torch.manual_seed(0)
    exchanged, possible = exchange(tokens, torch.tensor([names.index(name) for name in PLAIN]))
    assert possible.all()
    own = factor_table(PLAIN, factors)
    for k, rows in enumerate(exchanged):
        drawn = [tokenizer.decode(row[:end].tolist()) for row, end in zip(rows, lengths, strict=True)]
        differ = factor_table(drawn, factors) != own
        assert differ[:, k].all()
        assert differ.sum() == len(TEXTS)
        assert ((rows != tokens).sum(1) == 1).all()  # the wording stays


def test_unseen_descriptions_never_come_out(data: Captions) -> None:
    names, factors = list(data.spec["class_names"]), data.spec["factors"]
    seven, red = factors["digit"].index("seven"), factors["colour"].index("red")
    exchange = ExchangeWord(names, data.spec["unseen"], factors, data.tokenizer)
    others = [names.index("a red zero on grass"), names.index("a blue seven on grass")]
    assert not exchange.allowed[others[0], 0, seven]
    assert not exchange.allowed[others[1], 1, red]
    assert exchange.allowed.sum(2).amax(0).tolist() == [9, 5, 2]
    all_but_one = [place for place, name in enumerate(names) if name != "a blue seven on grass"]
    alone = ExchangeWord(names, all_but_one, factors, data.tokenizer)
    tokens, _, _ = as_tokens(["a blue seven on grass"], data.tokenizer, 16)
    assert not alone(tokens, torch.tensor(others[1:]))[1].any()


def test_words_of_several_tokens_cannot_be_exchanged(data: Captions) -> None:
    assert are_tokens(data.spec["factors"], data.tokenizer)
    assert not are_tokens({}, data.tokenizer)
    letters = Captions(CaptionedScenes(16, train_each=1, val_each=1, test_each=1), tokenizer="characters")
    assert not are_tokens(data.spec["factors"], letters.tokenizer)
