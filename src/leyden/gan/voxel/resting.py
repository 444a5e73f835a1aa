"""A discriminator that rests while it is too good for the generator to learn from."""

import torch
from torch import Tensor, nn

from leyden.gan.base import AdversarialTask
from leyden.gan.stepping import average_over_ranks
from leyden.visualization.logging import logs_now


class Rest(nn.Module):
    """Knows how well a discriminator told the last batch; its state is a buffer, so a resumed run goes on alike.

    As 3D-GAN has it (Wu et al. 2016, section 3.1), and PrGAN's authors' code.

    Args:
        accuracy: share of the last batch that it told rightly from which on it rests; above 1 it never does.

    Raises:
        ValueError: it would rest always.
    """

    accuracy: Tensor
    """() of the last batch, the mean of those of real and of generated examples; 0.5 at first."""

    def __init__(self, accuracy: float) -> None:
        super().__init__()
        if accuracy <= 0.5:
            raise ValueError(
                f"model.discriminator_accuracy={accuracy}: at one half and below the discriminator would never learn"
            )
        self.limit = accuracy
        self.register_buffer("accuracy", torch.tensor(0.5))

    def turns(self, names: list[str]) -> list[str]:
        """The players of a batch without the discriminator if it rests."""
        return [name for name in names if name != "discriminator"] if self.accuracy >= self.limit else names

    @torch.no_grad()
    def see(self, task: AdversarialTask, on_real: Tensor, on_fake: Tensor) -> None:
        """Keeps the accuracy of a batch by its logits (N,) of real and generated examples, alike on all ranks.

        A loss whose logits have no middle of their own, such as Wasserstein's, takes that between both means.
        """
        middle = task.criterion.loss.threshold
        between = (on_real.mean() + on_fake.mean()) / 2 if middle is None else middle
        right = [(on_real > between).float().mean(), (on_fake < between).float().mean()]
        self.accuracy.copy_(torch.stack(right).mean())
        average_over_ranks(task, [self.accuracy])
        if logs_now(task):
            task.log("train/d_accuracy", self.accuracy)
