"""AdaBN: a network meets another domain with batch norms' statistics of that domain, and nothing else is learnt.

Li et al. 2016, "Revisiting Batch Normalization For Practical Domain Adaptation" (alg. 1). The network is trained on the
source alone. Then each neuron is normalised by the mean and variance that it has over the target's images:

    y = gamma (x - mean_t) / sqrt(var_t + eps) + beta,    gamma and beta as learnt on the source.

Model-based transfer: no label and no gradient of the target, one pass over its training images. Here that pass comes
before each validation, so that the criteria without labels see the adapted network. Source and target have a network
each that share all weights; only the statistics are their own, so a checkpoint carries both.

The statistics of a layer depend on those of the layers below: they are gathered in one pass in training mode, where
each batch is normalised by itself, and averaged over the batches with equal weights.
"""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from leyden.core.attached import attached_data
from leyden.data.batches.domains import DomainImages
from leyden.data.splits import Split
from leyden.transfer.classifier import Classifier
from leyden.transfer.domain.deep.base import DomainTask
from leyden.transfer.domain.deep.monitor import BATCH, evenly

MOST = 5000
"""Target images that the statistics are taken of, evenly spread over its training images."""


class AdaBN(DomainTask):
    """Adaptive batch normalisation.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        options: the fields of ``leyden.transfer.domain.deep.options.DomainOptions``; ``domain_weight`` above 0 adapts.

    Raises:
        ValueError: a backbone without batch norms, an unknown one, or images that it cannot take.
    """

    def __init__(self, class_names: list[str], channels: int, image_size: int, **options: Any) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        if not norms(self.net):
            raise ValueError(
                f"AdaBN changes batch norms, and {self.options.backbone} has none: choose another model.backbone, such "
                "as resnet18 or vgg11_bn"
            )
        self.of_source = self.net
        self.net = twin(self.of_source)

    @property
    def source_net(self) -> Classifier:
        """The network as it was trained, with the statistics of the source."""
        return self.of_source

    def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:
        """Cross-entropy of the source's batch; the target's is not looked at."""
        loss = nn.functional.cross_entropy(self.of_source(batch.source.images), batch.source.labels)
        self.log_loss(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Adapts the network for what the validation looks at."""
        self.adapt_to_target()

    def on_train_end(self) -> None:
        """Adapts the network, also where nothing was validated."""
        self.adapt_to_target()
        super().on_train_end()

    @torch.no_grad()
    def adapt_to_target(self) -> None:
        """Takes the target's statistics; with ``domain_weight`` 0 those of the source."""
        self.net.load_state_dict(self.of_source.state_dict())
        data = attached_data(self.trainer, DomainImages)
        if data is not None and self.options.domain_weight:
            adapt(self.net, data.target_split())


def norms(net: nn.Module) -> list[BatchNorm]:
    """The batch norms of a network."""
    return [module for module in net.modules() if isinstance(module, BatchNorm)]


def twin(net: Classifier) -> Classifier:
    """A network with the very same parameters and buffers of its own."""
    parameters = {id(parameter): parameter for parameter in net.parameters()}
    return copy.deepcopy(net, parameters)


@torch.no_grad()
def adapt(net: Classifier, split: Split) -> None:
    """Sets the statistics of all batch norms to those over a split's images, without their labels.

    Args:
        net: comes back in evaluation mode.
        split: of examples with ``images``.
    """
    images = evenly(split, MOST).images
    layers = norms(net)
    momenta = [layer.momentum for layer in layers]
    net.eval()  # dropout stays off
    for layer in layers:
        layer.train()
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    batches = images.tensor_split(max(1, len(images) // BATCH))  # of nearly equal sizes
    for batch in batches:
        net.features(batch.to(net.backbone.mean.device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
