"""A backbone under a plan, with a new head: which parts run, which learn, which stay in evaluation mode."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from leyden.nets.backbone import Backbone, pool
from leyden.nets.published.googlenet import AuxiliaryClassifier
from leyden.nets.strategies.plan import Plan, by_rate, draw_plan, drop_gradients, frozen_at, frozen_stages
from leyden.transfer.classifier import Classifier
from leyden.transfer.finetune.heads import Adapter


class TransferNet(Classifier):
    """uint8 images to logits, through inherited and new layers.

    Args:
        backbone: loses the stages that the plan cuts off.
        plan: what each stage inherits and when it learns.
        head: features (B, F) to logits.
        classes: of auxiliary classifiers, which learning stages with a tap get.
        only_norms: of the stages only scale and shift of batch norms learn.
        adapter_reduction: a number puts an adapter of this ``reduction`` behind each stage that gives a map.
        fixed_statistics: batch norms of inherited stages keep their statistics although the stages learn.

    Raises:
        ValueError: only norms should learn and there are none.
    """

    def __init__(
        self,
        backbone: Backbone,
        plan: Plan,
        head: nn.Module,
        classes: int,
        only_norms: bool = False,
        adapter_reduction: int | None = None,
        fixed_statistics: bool = False,
    ) -> None:
        super().__init__(backbone, head)
        self.plan = plan
        self.only_norms = only_norms
        self.fixed_statistics = fixed_statistics
        self.epoch = 0
        """The epoch of training, from 0; it decides which stages have joined."""
        shapes = {shape.name: shape for shape in backbone.shapes}
        learning = [name for name, stage in plan.items() if stage.trained_from is not None]
        self.auxiliary = nn.ModuleDict(
            {tap: AuxiliaryClassifier(shapes[tap].channels, classes) for tap in backbone.taps if tap in learning}
        )
        self.adapters = nn.ModuleDict(
            {
                stage.name: Adapter(stage.channels, adapter_reduction)
                for stage in backbone.shapes
                if adapter_reduction and stage.size is not None
            }
        )
        self.auxiliary_logits: list[Tensor] = []
        """Of the auxiliary classifiers in the last pass in training mode: (B, classes) each."""
        for name in plan:
            backbone.stages[name].requires_grad_(name in learning and not only_norms)
        if only_norms:
            norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
            if not norms:
                raise ValueError(f"{backbone.name} has no batch norms, so bn_only trains nothing of it: take head")
            for norm in norms:
                norm.requires_grad_(True)

    @property
    def frozen_stages(self) -> int:
        """How many leading stages are frozen for ever, so that what they give can be computed once."""
        if self.adapters:
            return 0
        return frozen_stages(self.plan)

    def inherited(self) -> list[nn.Parameter]:
        """The parameters of inherited stages, from the image upwards."""
        stages = [name for name, stage in self.plan.items() if stage.inherited]
        return [parameter for name in stages for parameter in self.backbone.stages[name].parameters()]

    def rates(self) -> dict[float, list[nn.Parameter]]:
        """What learns, by its factor on the learning rate; what is new has 1."""
        return by_rate(self.plan, dict(self.backbone.stages.items()), self.parameters())

    def drop_frozen_gradients(self) -> None:
        """For stages that have not joined yet: without a gradient an optimizer neither moves nor decays a weight."""
        drop_gradients(self.plan, dict(self.backbone.stages.items()), self.epoch)

    def train(self, mode: bool = True) -> "TransferNet":
        """Sets the mode of what learns; what is frozen stays in evaluation mode, as its batch norms must not adapt."""
        super().train(mode)
        for name in frozen_at(self.plan, self.epoch):
            self.backbone.stages[name].eval()
        for name, stage in self.plan.items():
            for module in self.backbone.stages[name].modules() if self.fixed_statistics and stage.inherited else ():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def frozen_part(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to what the ``frozen_stages`` leading stages give; pooled where that is all."""
        x = self.backbone.run(self.backbone.normalise(images), 0, self.frozen_stages)
        return pool(x) if self.frozen_stages == len(self.plan) else x

    def features(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S), or what ``frozen_part`` made of them (float), to features (B, F)."""
        if images.dtype == torch.uint8:
            return self.run(self.backbone.normalise(images))
        return self.run(images, self.frozen_stages)

    def run(self, x: Tensor, start: int = 0) -> Tensor:
        """Normalised images, or what the stage before ``start`` gave, to features (B, F)."""
        self.auxiliary_logits = []
        for name, stage in list(self.backbone.stages.items())[start:]:
            x = stage(x)
            if name in self.adapters:
                x = self.adapters[name](x)
            if name in self.auxiliary and self.training:
                self.auxiliary_logits.append(self.auxiliary[name](x))
        return pool(x)

    def drawing(self) -> str:
        """The layers as the lecture draws them, frozen and modifiable."""
        return draw_plan(self.plan, dict(self.backbone.stages.items()), self.head, self.only_norms)
