import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from leyden.detection.boxes.batch import PaddedTargets, pad_targets
from leyden.detection.boxes.simota import simota

NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def grid(side: int = 64) -> Tensor:
    """Points of strides 8, 16 and 32."""
    listed = []
    for stride in (8, 16, 32):
        steps = [stride * (i + 0.5) for i in range(side // stride)]
        listed += [[x, y, stride] for y in steps for x in steps]
    return torch.tensor(listed)


def guesses(points: Tensor, images: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes around the points that are more or less right, and any scores."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randn(images, len(points), 2, generator=generator) * points[:, 2:] / 2
    half = points[:, 2:] * torch.rand(images, len(points), 2, generator=generator).add(0.3)
    centre = points[:, :2] + shift
    return torch.cat([centre - half, centre + half], 2), torch.rand(images, len(points), classes, generator=generator)


def scenes(seed: int, counts: list[int], side: int = 64) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for count in counts:
        low, size = torch.rand(2, count, 2, generator=generator) * side / 2
        labels = torch.randint(3, (count,), generator=generator)
        made.append({"boxes": torch.cat([low, low + size + 4], 1), "labels": labels})
    return made


def slow_simota(
    boxes: Tensor, scores: Tensor, points: Tensor, target: dict[str, Tensor], radius: float, most: int
) -> list[int]:
    """The rule for one image, one object after the other."""
    cost: dict[tuple[int, int], float] = {}
    ious = box_iou(target["boxes"], boxes).tolist()
    taken: dict[int, list[int]] = {}
    for thing, ((x1, y1, x2, y2), label) in enumerate(
        zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)
    ):
        near = [
            p
            for p, (x, y, stride) in enumerate(points.tolist())
            if abs(x - (x1 + x2) / 2) < radius * stride and abs(y - (y1 + y2) / 2) < radius * stride
        ]
        for p in near:
            entropy = 0.0
            for c, score in enumerate(scores[p].tolist()):
                root = min(max(math.sqrt(score), 1e-7), 1 - 1e-7)
                entropy -= math.log(root) if c == label else math.log(1 - root)
            cost[thing, p] = entropy - 3 * math.log(ious[thing][p] + 1e-7)
        k = max(1, int(sum(sorted((ious[thing][p] for p in near), reverse=True)[:most])))
        for p in sorted(near, key=lambda p: cost[thing, p])[:k]:
            taken.setdefault(p, []).append(thing)
    return [min(taken[p], key=lambda thing: cost[thing, p]) if p in taken else -1 for p in range(len(points))]


@pytest.mark.parametrize(("radius", "most"), [(1.5, 10), (2.5, 10), (1.5, 3), (0.6, 1)])
def test_simota_equals_naive_loop(radius: float, most: int):
    points = grid()
    targets = scenes(0, [3, 0, 12, 1])
    boxes, scores = guesses(points, 4, 3, 1)
    match, iou = simota(boxes, scores, points, pad_targets(targets), radius, most)
    for i, target in enumerate(targets):
        assert match[i].tolist() == slow_simota(boxes[i], scores[i], points, target, radius, most)
        for p in (match[i] >= 0).nonzero().flatten().tolist():
            own = box_iou(target["boxes"][match[i, p], None], boxes[i, p, None])
            torch.testing.assert_close(iou[i, p], own[0, 0])
    assert iou[match < 0].abs().max() == 0
    # The case is worth its name: more points than objects are matched, and objects of the third image share points.
    assert (match >= 0).sum() > (3 if most == 1 else 12)


@pytest.mark.parametrize(
    ("boxes", "points", "truth", "expected"),
    [
        # mmdetection's test_simota_assigner: an object and a point at it, none in reach, no object.
        ([[23, 23, 43, 43], [4, 5, 6, 7]], [[30, 30, 8], [4, 5, 6]], [[23, 23, 43, 43]], [0, -1]),
        ([[123, 123, 143, 143], [114, 151, 161, 171]], [[30, 30, 8], [55, 55, 8]], [[0, 0, 1, 1]], [-1, -1]),
        ([[30, 40, 50, 60], [4, 5, 6, 7]], [[0, 12, 23], [4, 5, 6]], [], [-1, -1]),
    ],
)
def test_mmdetections_cases(boxes: list, points: list, truth: list, expected: list[int]):
    target = {"boxes": torch.tensor(truth).float().view(-1, 4), "labels": torch.zeros(len(truth), dtype=torch.int64)}
    scores = torch.tensor([[[0.2], [0.8]]])
    found = simota(torch.tensor([boxes]).float(), scores, torch.tensor(points).float(), pad_targets([target]), 2.5, 1)
    assert found.match.tolist() == [expected]


@pytest.mark.parametrize(("right", "points"), [(0, 1), (1, 1), (2, 2), (5, 5), (9, 9)])
def test_object_gets_points_that_predict_it(right: int, points: int):
    # Nine points of stride 8 around one object; so many of them say it exactly, the others something elsewhere.
    places = torch.tensor([[x, y, 8.0] for y in (20.0, 28, 36) for x in (20.0, 28, 36)])
    boxes = torch.tensor([20.0, 20, 36, 36]).repeat(1, 9, 1)
    boxes[:, right:] += 100
    objects = pad_targets([{"boxes": torch.tensor([[20.0, 20, 36, 36]]), "labels": torch.tensor([1])}])
    found = simota(boxes, torch.full((1, 9, 3), 0.1), places, objects)
    assert (found.match >= 0).sum() == points
    assert (found.match[0, :right] == 0).all()


def test_contested_point_goes_to_least_cost():
    places = torch.tensor([[32.0, 32, 32]])
    objects = pad_targets(
        [{"boxes": torch.tensor([[16.0, 16, 40, 40], [20, 20, 44, 44]]), "labels": torch.tensor([0, 1])}]
    )
    box = torch.tensor([[[18.0, 18, 42, 42]]])  # overlaps both alike
    assert simota(box, torch.tensor([[[0.9, 0.1]]]), places, objects).match.item() == 0
    assert simota(box, torch.tensor([[[0.1, 0.9]]]), places, objects).match.item() == 1
    assert simota(box + 2, torch.tensor([[[0.5, 0.5]]]), places, objects).match.item() == 1


def test_neither_padding_nor_the_other_images_change_anything():
    points = grid()
    targets = scenes(3, [2, 5])
    boxes, scores = guesses(points, 2, 3, 4)
    both = simota(boxes, scores, points, pad_targets(targets))
    for i in range(2):
        alone = simota(boxes[i : i + 1], scores[i : i + 1], points, pad_targets([targets[i]]))
        assert torch.equal(alone.match[0], both.match[i])
    # Boxes of padding would sit at (0, 0, 1, 1).
    only = simota(
        torch.tensor([[[0.0, 0, 1, 1]]]), torch.ones(1, 1, 3), torch.tensor([[0.5, 0.5, 8.0]]), pad_targets([NOTHING])
    )
    assert only.match.item() == -1


def test_the_order_of_the_objects_does_not_matter():
    points = grid()
    target = scenes(5, [6])[0]
    boxes, scores = guesses(points, 1, 3, 6)
    turned = torch.tensor([3, 0, 5, 1, 4, 2])
    first = simota(boxes, scores, points, pad_targets([target])).match
    second = simota(boxes, scores, points, pad_targets([{key: value[turned] for key, value in target.items()}])).match
    assert torch.equal(torch.where(second < 0, second, turned[second.clamp(min=0)]), first)


def test_extreme_predictions_stay_finite():
    points = grid()
    boxes, _ = guesses(points, 1, 3, 7)
    boxes = (boxes + 1e4).requires_grad_()
    scores = torch.zeros(1, len(points), 3)
    scores[..., 0] = 1
    objects = PaddedTargets(torch.tensor([[[10.0, 10, 30, 40]]]), torch.tensor([[1]]), torch.tensor([[True]]))
    found = simota(boxes, scores, points, objects)
    assert (found.match >= 0).sum() == 1
    assert found.iou.isfinite().all()
    assert not found.iou.requires_grad
