import torch

from leyden.data.source.builtin.glyphs import ALPHABETS, Glyphs
from leyden.data.splits import STAGES


def test_splits_share_no_class() -> None:
    source = Glyphs(per_face=1)
    assert len(set(source.class_names)) == len(source.class_names) == sum(map(len, ALPHABETS.values()))
    seen = [set(source.split(stage).columns.labels.tolist()) for stage in STAGES]
    assert [len(labels) for labels in seen] == [len(ALPHABETS[stage]) for stage in STAGES]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_labels_name_the_characters() -> None:
    source = Glyphs(per_face=2)
    test = source.split("test").columns
    assert {source.class_names[label] for label in test.labels.tolist()} == set(ALPHABETS["test"])
    assert test.labels.bincount().max() == 16 * 2
    assert test.images.shape[1:] == (1, 28, 28)


def test_every_typeface_has_every_character() -> None:
    for stage in STAGES:
        columns = Glyphs(per_face=1, degrees=0).split(stage).columns
        ink = (columns.images > 60).float().mean((1, 2, 3))
        assert ink.min() > 0.03  # a missing character would be an empty box, the same for all
        means = torch.stack(
            [columns.images[columns.labels == label].float().mean(0) for label in columns.labels.unique()]
        )
        assert torch.pdist(means.flatten(1)).min() > 100


def test_same_seed_same_images() -> None:
    first, again = (Glyphs(per_face=1).split("val").columns.images for _ in range(2))
    assert torch.equal(first, again)
