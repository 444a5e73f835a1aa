import torch

from leyden.data.columns import CaptionedTokens
from leyden.gan.text_to_image.wrong_texts import shared_words, unpreferred, wrong_partners

RED, BLUE, SEVEN, ONE, GRASS, BRICK = range(1, 7)
TOKENS = torch.tensor(
    [[RED, SEVEN, GRASS, 0], [ONE, RED, GRASS, 0], [BLUE, ONE, BRICK, 0], [GRASS, SEVEN, RED, 0], [BLUE, BRICK, 0, 0]]
)
BATCH = CaptionedTokens(torch.zeros(5, 3, 4, 4), TOKENS, torch.tensor([3, 3, 3, 3, 2]), torch.tensor([0, 1, 2, 0, 3]))


def test_shared_words_do_not_count_padding_or_repetition() -> None:
    assert shared_words(TOKENS, BATCH.lengths)[0].tolist() == [3, 2, 0, 3, 0]
    assert shared_words(torch.tensor([[RED, RED], [RED, ONE]]), torch.tensor([2, 2])).tolist() == [[1, 1], [1, 2]]


def test_the_nearest_says_something_else() -> None:
    others, differ = wrong_partners(BATCH, "nearest")
    assert differ.all()
    assert others[[0, 2, 3, 4]].tolist() == [1, 4, 1, 2]  # never 0 and 3, which say the same
    assert others[1] in (0, 3)


def test_any_is_the_one_before() -> None:
    others, differ = wrong_partners(BATCH._replace(labels=torch.tensor([0, 1, 1, 2, 0])), "any")
    assert others.tolist() == [4, 0, 1, 2, 3]
    assert differ.tolist() == [False, True, False, True, True]


def test_equal_descriptions_have_no_partner() -> None:
    assert not wrong_partners(BATCH._replace(labels=torch.ones(5)), "nearest")[1].any()


def test_how_little_the_own_description_is_preferred() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 5.0], [9.0, 1.0]])
    differ = torch.tensor([[True, False], [False, True]])
    expected = -(torch.tensor([2.0, 0.0]).sigmoid().log()).mean()  # 2 to 0 and 1 to 1
    torch.testing.assert_close(unpreferred(logits, differ), expected)
    assert unpreferred(logits, torch.zeros_like(differ)) == 0
