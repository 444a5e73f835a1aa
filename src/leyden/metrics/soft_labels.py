"""How far a student's probabilities are from its teacher's: the loss of distillation, for images and for language."""

from torch import Tensor
from torch.nn import functional as F


def soft_label_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over rows (Hinton et al. 2015, sec. 2).

    At a high temperature the gradient by a student's logit tends to (student - teacher) / C, both with zero mean:
    the factor T^2 keeps it from falling with T, so that T can be changed alone.

    Args:
        student: (B, C) logits of images or tokens.
        teacher: (B, C) logits of images or tokens; no gradient reaches them.
        temperature: T > 0.

    Returns:
        () loss >= 0; exactly 0 for B = 0.
    """
    if not len(student):
        return student.sum()
    p = (teacher.detach() / temperature).log_softmax(1)
    q = (student / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(q, p, reduction="batchmean", log_target=True)
