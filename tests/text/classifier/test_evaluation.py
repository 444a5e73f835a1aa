import torch

from leyden.data.columns import LabelledTokens
from leyden.text.classifier.evaluation import SHOWN, TextEvaluator


def test_confusion_and_the_surest_of_each_class() -> None:
    evaluator = TextEvaluator(["bad", "good"])
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        probabilities = torch.rand(40, 2, generator=generator).softmax(1)
        labels = torch.arange(40) % 2
        tokens, lengths = torch.arange(40)[:, None].expand(40, 6), torch.arange(40) % 6 + 1
        evaluator.update(LabelledTokens(tokens, lengths, labels), probabilities)
    assert evaluator.confusion.sum() == 200
    assert evaluator.confusion.sum(1).tolist() == [100, 100]
    for kept, right in ((evaluator.right, True), (evaluator.wrong, False)):
        assert len(kept) == 4 * SHOWN
        assert all((one.target == one.predicted) == right for one in kept)
        assert [one.target for one in kept[:4]] == [0, 1, 0, 1]  # the classes in turn
        assert kept[0].confidence >= kept[2].confidence >= kept[4].confidence
        assert all(one.tokens == [one.tokens[0]] * (one.tokens[0] % 6 + 1) for one in kept)
