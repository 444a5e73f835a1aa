import pytest
import torch

from leyden.gan.text_to_image.encoders import ENCODERS, BagOfWords, make_encoder


@pytest.mark.parametrize("name", ENCODERS)
def test_what_lies_behind_the_end_is_ignored(name: str) -> None:
    torch.manual_seed(0)
    encode = make_encoder(name, 9, 6)
    tokens, lengths = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]), torch.tensor([3, 5])
    padded = tokens.clone()
    padded[0, 3:] = 8
    torch.testing.assert_close(encode(tokens, lengths), encode(padded, lengths))
    assert encode(tokens, lengths).shape == (2, 6)


def test_bag_of_words_is_the_sum_over_the_root_of_the_length() -> None:
    bag = BagOfWords(3, 1)
    bag.embed.weight.data = torch.tensor([[100.0], [1.0], [4.0]])
    assert bag(torch.tensor([[1, 2, 2, 1, 0]]), torch.tensor([4])).item() == (1 + 4 + 4 + 1) / 2


def test_only_the_gru_knows_the_order() -> None:
    torch.manual_seed(0)
    tokens, lengths = torch.tensor([[1, 2, 3], [3, 2, 1]]), torch.tensor([3, 3])
    bag, gru = (make_encoder(name, 4, 5)(tokens, lengths) for name in ENCODERS)
    torch.testing.assert_close(bag[0], bag[1])
    assert not torch.allclose(gru[0], gru[1], atol=1e-3)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.encoder=lstm: one of bag_of_words, gru"):
        make_encoder("lstm", 4, 5)  # type: ignore[arg-type]
