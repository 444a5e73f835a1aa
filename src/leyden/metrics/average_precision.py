"""The average precisions of a whole split, gathered batch by batch and on all ranks, computed once."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from leyden.metrics.coco_ap import Boxes, coco_ap
from leyden.metrics.voc_ap import voc_ap


class DetectionAP(Metric):
    """AP by the rules of COCO and of VOC.

    Args:
        classes: how many; labels are 0 .. classes - 1.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    answers: list[Tensor]
    truths: list[Tensor]
    images: list[Tensor]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        # Tables, not lists per image, are what ranks can exchange: box, label, score (or "crowd or difficult").
        for name in ("answers", "truths", "images"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, answers: list[Boxes], truths: list[Boxes]) -> None:
        """Adds a batch: for each image its answers {"boxes", "labels", "scores"} and truth {"boxes", "labels"}.

        A truth may have "ignored" (n,) bool: a crowd to COCO, difficult to VOC.
        """
        for answer, truth in zip(answers, truths, strict=True):
            ignored = truth.get("ignored", torch.zeros_like(truth["labels"]))
            self.answers.append(_table(answer["boxes"], answer["labels"], answer["scores"]))
            self.truths.append(_table(truth["boxes"], truth["labels"], ignored))
            counts = [len(answer["labels"]), len(truth["labels"])]
            self.images.append(torch.tensor([counts], device=truth["labels"].device))

    def compute(self) -> dict[str, Tensor]:
        """COCO's ap, ap50, ap75, VOC's ap50_voc (all points) and ap50_voc07 (11 points): (); ap50_class: (classes,)."""
        counts = dim_zero_cat(self.images).cpu()
        answers = dim_zero_cat(self.answers).cpu().split(counts[:, 0].tolist())
        truths = dim_zero_cat(self.truths).cpu().split(counts[:, 1].tolist())
        found = [{"boxes": t[:, :4], "labels": t[:, 4].long(), "scores": t[:, 5]} for t in answers]
        there = [
            {"boxes": t[:, :4], "labels": t[:, 4].long(), "crowd": t[:, 5].bool(), "difficult": t[:, 5].bool()}
            for t in truths
        ]
        coco = coco_ap(found, there, self.classes)
        result = {name: coco[name] for name in ("ap", "ap50", "ap75", "ap50_class")}
        result["ap50_voc"] = voc_ap(found, there, self.classes).nanmean()
        result["ap50_voc07"] = voc_ap(found, there, self.classes, points=11).nanmean()
        return result


def _table(boxes: Tensor, labels: Tensor, extra: Tensor) -> Tensor:
    return torch.cat([boxes.float(), labels[:, None].float(), extra[:, None].float()], 1)
