import math

import pytest
import torch
from torch import Tensor, nn

from leyden.detection.boxes.batch import pad_targets
from leyden.detection.nets.backbone_features import BackboneOptions
from leyden.detection.nets.yolo import YOLONet
from leyden.detection.yolo import YOLO, assign_cells, decode_cells, responsible, yolo_loss

FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 16, 16, 16], "blocks": [0, 0, 0, 0], "head": [16]}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def truth(seed: int, count: int) -> dict[str, Tensor]:
    """Some objects in an image of side 1; with few cells some of them share one."""
    generator = torch.Generator().manual_seed(seed)
    centre, size = torch.rand(count, 2, generator=generator), 0.05 + 0.4 * torch.rand(count, 2, generator=generator)
    labels = torch.randint(3, (count,), generator=generator)
    return {"boxes": torch.cat([centre - size / 2, centre + size / 2], 1).clamp(0, 1), "labels": labels}


def thing(centre: tuple[float, float], size: tuple[float, float], label: int = 0) -> dict[str, Tensor]:
    low = [c - s / 2 for c, s in zip(centre, size, strict=True)]
    high = [a + s for a, s in zip(low, size, strict=True)]
    return {"boxes": torch.tensor([[*low, *high]]), "labels": torch.tensor([label])}


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes given by centre and size."""
    sides = [
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)
    ]
    shared = max(0, sides[0]) * max(0, sides[1])
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def slow_loss(boxes: Tensor, classes: Tensor, targets: list[dict], cells: int, roots: bool) -> list[float]:
    """Equation 3 line by line, one number after the other: box, confidence, empty, classes, without the weights."""
    sums = [0.0, 0.0, 0.0, 0.0]
    for said, probabilities, target in zip(boxes.tolist(), classes.tolist(), targets, strict=True):
        owner: dict[tuple[int, int], tuple[float, list[float], int]] = {}
        for (x1, y1, x2, y2), label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            x, y, w, h = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            place = min(int(y * cells), cells - 1), min(int(x * cells), cells - 1)
            if place not in owner or w * h > owner[place][0]:
                owner[place] = w * h, [x, y, w, h], label
        for i in range(cells):
            for j in range(cells):
                cell = said[i * cells + j]
                if (i, j) not in owner:
                    sums[2] += sum(box[4] ** 2 for box in cell)
                    continue
                _, (x, y, w, h), label = owner[i, j]
                ious, errors = [], []
                for bx, by, bw, bh, _ in cell:
                    size = [bw**2, bh**2] if roots else [max(bw, 0), max(bh, 0)]
                    box = [(bx + j) / cells, (by + i) / cells, *size]
                    ious.append(overlap(box, [x, y, w, h]))
                    errors.append(math.dist(box, [x, y, w, h]))
                best = ious.index(max(ious)) if max(ious) > 0 else errors.index(min(errors))
                bx, by, bw, bh, confidence = cell[best]
                true_size = [math.sqrt(w), math.sqrt(h)] if roots else [w, h]
                sums[0] += (bx - (x * cells - j)) ** 2 + (by - (y * cells - i)) ** 2
                sums[0] += (bw - true_size[0]) ** 2 + (bh - true_size[1]) ** 2
                sums[1] += (confidence - ious[best]) ** 2
                sums[2] += sum(box[4] ** 2 for number, box in enumerate(cell) if number != best)
                wanted = [float(c == label) for c in range(classes.shape[2])]
                sums[3] += sum((p - q) ** 2 for p, q in zip(probabilities[i * cells + j], wanted, strict=True))
    return [total / len(boxes) for total in sums]


@pytest.mark.parametrize("roots", [True, False])
@pytest.mark.parametrize(("cells", "count"), [(1, 2), (3, 1), (4, 2), (7, 3)])
def test_loss_is_the_papers_equation(cells: int, count: int, roots: bool):
    generator = torch.Generator().manual_seed(cells)
    targets = [truth(seed, n) for seed, n in enumerate([5, 0, 9, 1])]
    boxes = torch.randn(4, cells**2, count, 5, generator=generator).double()
    classes = torch.randn(4, cells**2, 3, generator=generator).double()
    objects = pad_targets(targets)
    losses = yolo_loss(boxes, classes, objects._replace(boxes=objects.boxes.double()), cells, roots)
    expected = slow_loss(boxes, classes, targets, cells, roots)
    torch.testing.assert_close(torch.stack(losses), torch.tensor(expected, dtype=torch.float64))
    assert min(expected) > 0 or (cells, count) == (1, 1)


def test_responsible_box_overlaps_most_or_is_nearest():
    object_ = torch.tensor([[0.5, 0.5, 0.2, 0.2]] * 4)
    boxes = torch.tensor([
        [[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 0.2, 0.3]],  # IoU 1/4 and 2/3
        [[0.9, 0.5, 0.2, 0.2], [0.2, 0.5, 0.2, 0.2]],  # none overlaps: distance 0.4 and 0.3
        [[0.5, 0.5, 0.0, 0.0], [0.55, 0.5, 0.2, 0.2]],  # without extent: the nearest centre, but no overlap
        [[0.5, 0.5, 0.2, 0.1], [0.5, 0.5, 0.1, 0.2]],  # equal
    ])  # fmt: skip
    best, iou = responsible(boxes, object_)
    assert best.tolist() == [1, 1, 1, 0]
    torch.testing.assert_close(iou, torch.tensor([2 / 3, 0, 0.6, 0.5]))


def test_x_and_y_count_from_cell_corner():
    # Row 0, column 3 of 4 x 4: where only one coordinate were divided by S, or both by the wrong index, the second box
    # would no longer be the object itself.
    target = thing((0.85, 0.2), (0.1, 0.2))
    boxes = torch.zeros(1, 16, 2, 5)
    boxes[0, 3, 0] = torch.tensor([0.2, 0.2, 0.4, 0.4, 0.0])
    boxes[0, 3, 1] = torch.tensor([0.4, 0.8, math.sqrt(0.1), math.sqrt(0.2), 1.0])
    losses = yolo_loss(boxes, torch.zeros(1, 16, 3), pad_targets([target]), 4)
    assert [losses.box.item(), losses.confidence.item()] == pytest.approx([0, 0], abs=1e-6)
    decoded = decode_cells(boxes, torch.arange(16), 4)
    torch.testing.assert_close(decoded[0, 3, 1], torch.tensor([0.85, 0.2, 0.1, 0.2]))


def test_gradients_only_where_eq3_has_terms():
    boxes = torch.full((1, 16, 2, 5), 0.3)
    boxes[0, 5, 1, 2:4] = 0.5  # the object's size: this one is responsible
    classes = torch.full((1, 16, 3), 0.2)
    boxes.requires_grad_()
    classes.requires_grad_()
    sum(yolo_loss(boxes, classes, pad_targets([thing((0.4, 0.4), (0.25, 0.25), 2)]), 4)).backward()
    moved = boxes.grad[0].abs() > 0
    # Every confidence; in the object's cell also the box that is responsible for nothing is pushed to 0.
    assert moved[..., 4].all()
    torch.testing.assert_close(boxes.grad[0, 5, 0, 4], torch.tensor(0.6))
    assert moved[..., :4].nonzero()[:, :2].unique(dim=0).tolist() == [[5, 1]]
    assert classes.grad[0].abs().sum(1).nonzero().flatten().tolist() == [5]


def test_no_gradient_through_confidence_target():
    boxes = torch.full((1, 4, 1, 5), 0.5, requires_grad=True)
    yolo_loss(boxes, torch.zeros(1, 4, 3), pad_targets([thing((0.3, 0.3), (0.2, 0.3))]), 2).confidence.backward()
    assert boxes.grad[..., :4].abs().max() == 0
    assert boxes.grad[0, 0, 0, 4] != 0


@pytest.mark.parametrize("roots", [True, False])
def test_negative_outputs_give_finite_losses_gradients_and_boxes(roots: bool):
    boxes = torch.full((1, 4, 2, 5), -0.5, requires_grad=True)
    classes = torch.full((1, 4, 3), -0.5, requires_grad=True)
    losses = yolo_loss(boxes, classes, pad_targets([thing((0.3, 0.3), (0.2, 0.3))]), 2, roots)
    sum(losses).backward()
    assert torch.stack(losses).isfinite().all()
    assert boxes.grad.isfinite().all()
    assert (decode_cells(boxes, torch.arange(4), 2, roots)[..., 2:] >= 0).all()


def test_larger_object_has_the_cell():
    small, large = thing((0.3, 0.3), (0.2, 0.2), 0), thing((0.4, 0.4), (0.3, 0.3), 1)
    other = thing((0.8, 0.3), (0.1, 0.1), 2)
    same = thing((0.3, 0.3), (0.2, 0.2), 2)
    together = [
        {key: torch.cat([t[key] for t in some]) for key in small} for some in ([small, large, other], [small, same])
    ]
    image, number, cell = assign_cells(pad_targets([*together, NOTHING]), 2)
    assert [image.tolist(), number.tolist(), cell.tolist()] == [[0, 0, 1], [1, 2, 0], [0, 1, 0]]


def test_centre_on_edge_is_last_cell():
    assert assign_cells(pad_targets([thing((1.0, 1.0), (0.2, 0.2))]), 4)[2].tolist() == [15]


def test_images_without_objects_teach_the_confidences_only():
    boxes, classes = torch.randn(2, 4, 2, 5, requires_grad=True), torch.randn(2, 4, 3, requires_grad=True)
    losses = yolo_loss(boxes, classes, pad_targets([NOTHING, NOTHING]), 2)
    assert [losses.box.item(), losses.confidence.item(), losses.classes.item()] == [0, 0, 0]
    torch.testing.assert_close(losses.empty, boxes[..., 4].square().sum() / 2)
    sum(losses).backward()
    assert boxes.grad[..., :4].abs().max() == 0
    assert classes.grad.abs().max() == 0


@pytest.mark.parametrize("roots", [True, False])
def test_perfect_outputs_give_the_truth_back(roots: bool):
    model = YOLO(**FACTS, **TINY, stride=16, sqrt=roots).eval()
    targets = [
        {"boxes": torch.tensor([[3.0, 5, 23, 15], [40, 30, 64, 64]]), "labels": torch.tensor([2, 0])},
        {"boxes": torch.tensor([[20.0, 20, 29, 60]]), "labels": torch.tensor([1])},
    ]
    boxes, classes = torch.zeros(2, 16, 2, 5), torch.zeros(2, 16, 3)
    for i, target in enumerate(targets):
        for (x1, y1, x2, y2), label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            x, y, size = (x1 + x2) / 32, (y1 + y2) / 32, torch.tensor([x2 - x1, y2 - y1]) / 64
            cell = int(y) * 4 + int(x)
            boxes[i, cell, 1] = torch.tensor([x % 1, y % 1, *(size.sqrt() if roots else size), 1])
            classes[i, cell, label] = 1
    model.net.forward = lambda images: (boxes, classes)
    for found, target in zip(model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)), targets, strict=True):
        order = found["boxes"][:, 0].argsort()
        torch.testing.assert_close(found["boxes"][order], target["boxes"])
        assert found["labels"][order].tolist() == target["labels"].tolist()
        assert found["scores"].tolist() == [1] * len(order)


def test_scores_are_class_times_confidence():
    model = YOLO(**FACTS, **TINY, stride=32, score_threshold=0.05).eval()
    boxes, classes = torch.full((1, 4, 2, 5), 0.5), torch.zeros(1, 4, 3)
    boxes[0, :, :, 4] = torch.tensor([[0.5, 0.0], [-0.9, -0.9], [1.7, 0.0], [0.0, 0.0]])
    classes[0, :3] = torch.tensor([[0.4, 0.2, 0], [-0.9, -0.9, -0.9], [1.5, 0.3, -1]])
    found = model.postprocess((boxes, classes))[0]
    torch.testing.assert_close(found["scores"], torch.tensor([1.0, 0.3, 0.2, 0.1]))
    assert found["labels"].tolist() == [0, 1, 0, 1]


def test_the_papers_network_has_its_size():
    with torch.device("meta"):
        net = YOLONet(BackboneOptions(backbone="yolo"), 20, 3, 448, boxes=2, stride=64, hidden=4096)
        boxes, classes = net(torch.empty(1, 3, 448, 448, dtype=torch.uint8))
    assert sum(p.numel() for p in net.parameters()) == 271_703_550
    assert sum(p.numel() for p in net.features.parameters()) == 60_155_968
    kinds = [type(layer) for layer in net.modules()]
    assert [kinds.count(kind) for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.Dropout)] == [24, 2, 0, 1]
    assert boxes.numel() + classes.numel() == 1470
    assert [stage.size[0] for stage in net.features.backbone.shapes] == [112, 56, 28, 14, 7, 7]


@pytest.mark.parametrize(
    ("backbone", "stride"), [("small_resnet", 8), ("small_resnet", 16), ("mobilenet_v2", 32), ("resnet18", 16)]
)
def test_any_backbone_takes_the_place_of_its_own(backbone: str, stride: int):
    model = YOLO(**FACTS, backbone=backbone, stride=stride, head=[], boxes=3)
    boxes, classes = model.outputs(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    cells = (64 // stride) ** 2
    assert [boxes.shape, classes.shape] == [(2, cells, 3, 5), (2, cells, 3)]


def test_map_without_padding_has_fewer_cells():
    model = YOLO(**{**FACTS, "image_size": 256}, backbone="squeezenet1_1", stride=8).eval()
    outputs = model.outputs(torch.zeros(1, 3, 256, 256, dtype=torch.uint8))
    assert model.net.cells == 31
    assert outputs[1].shape == (1, 31**2, 3)
    last = torch.zeros(1, 31**2, 2, 5)
    last[0, -1, 0] = torch.tensor([1.0, 1.0, 0.5, 0.5, 1.0])  # its far corner is the image's
    boxes, _ = model.decode((last, outputs[1]))
    assert boxes[0, -2].tolist() == [224, 224, 256, 256]


def test_what_a_cell_says_comes_from_its_place():
    # With a fixed map the head's answers lie row by row, for convolutions as for the fully connected layers.
    model = YOLO(**FACTS, **(TINY | {"head": []}), stride=16).eval()
    nn.init.constant_(model.net.head[0].weight, 1 / 16)
    nn.init.zeros_(model.net.head[0].bias)
    model.net.features.forward = lambda images: [torch.arange(16.0).view(1, 1, 4, 4).expand(1, 16, 4, 4)]
    boxes, _ = model.outputs(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    torch.testing.assert_close(boxes[0, :, 0, 0], torch.arange(16.0))


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"backbone": "yolo", "image_size": 100, "stride": 64}, "set data.image_size=64"),
        ({"backbone": "resnett"}, "did you mean resnet"),
        ({"image_size": 100}, "set data.image_size=96"),
        ({"image_size": 96, "stride": 64}, "set data.image_size=64, or another model.stride"),
        ({"stride": 2}, "small_resnet has maps of strides 4, 8, 16, 32; this detector looks at 2"),
        ({"frozen_stages": 7}, "small_resnet has 2 stages here"),
    ],
)
def test_unusable_arguments_are_refused_with_cure(arguments: dict, cure: str):
    with pytest.raises(ValueError, match=cure):
        YOLO(**{**FACTS, **TINY, "stride": 8, **arguments})


def test_other_image_sizes_are_refused():
    model = YOLO(**FACTS, **TINY)
    with pytest.raises(ValueError, match=r"built for images \(3, 64, 64\), got \(3, 96, 96\): resize"):
        model(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))


def test_loss_weights_are_the_arguments():
    torch.manual_seed(0)
    model = YOLO(**FACTS, **TINY, coord=3, noobj=0.25)
    logged = {}
    model.log_losses = lambda loss, **parts: logged.update(parts, loss=loss)
    target = thing((20, 30), (10, 20))
    model.training_step((torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8), [target]), 0)
    expected = 3 * logged["box"] + logged["confidence"] + 0.25 * logged["empty"] + logged["class"]
    torch.testing.assert_close(logged["loss"], expected)
