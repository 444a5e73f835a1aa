"""Distillation: a small student learns what a large teacher says, not only what the labels say.

Three ways to say it, each with a weight of its own, so that they can be combined:

- **soft labels**, Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": the teacher's class
  probabilities at a temperature T, at which also unlikely classes have some ("dark knowledge"),

      loss = hard_weight CE(labels, student) + soft_weight T^2 KL(softmax(t / T) || softmax(s / T));

- **hints**, Romero et al. 2015, "FitNets: Hints for Thin Deep Nets": in a first stage of ``hint_epochs`` the student's
  layers up to the guided one learn to give the teacher's map there, through a 1x1 convolution (the regressor); then
  the loss above;
- **attention**, Zagoruyko and Komodakis 2017, "Paying More Attention to Attention": the student's maps shall be active
  where the teacher's are: + attention_weight / 2 times ``attention_loss``; the paper's beta is 1000.

None needs a label, so images without labels teach as well. Teacher and student see the same augmented images.

The control is a second student of the same initial weights that learns, in the same steps, from the labels of the same
images alone: ``test/accuracy_hard``.

Departures: AdamW with a cosine, not SGD with steps; the hints' loss is a mean over a map's elements; one run.
"""

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.attached import attached_data
from leyden.core.optim import cosine, scheduled
from leyden.data.columns import LabelledImages
from leyden.metrics.soft_labels import soft_label_loss
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import Classifier, ClassifierTask
from leyden.transfer.distillation.data import DistillationImages, Lesson
from leyden.transfer.distillation.evaluation import OtherAccuracies
from leyden.transfer.distillation.losses import attention_loss, hint_loss
from leyden.transfer.distillation.stages import channels_of, stage_pairs, tapped
from leyden.transfer.distillation.teacher import Teacher, find_teacher, trained_teacher
from leyden.transfer.finetune.heads import LinearHead
from leyden.transfer.finetune.pretraining import Recipe
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)


class Distillation(ClassifierTask):
    """A student that learns from a teacher, on a few labelled images and any number of others.

    Args:
        class_names: given by the data; a record's teacher must know just these.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        crop: how ``predict`` brings images to that size (``fit_image``); taken from the data when training starts.
        teacher: "train" trains it first, in the same run, on labels that the student does not see
            (``data.teacher_labels_per_class``); or the folder of a run of any technique that classifies images; or a
            file of weights of ``teacher_backbone`` with one linear layer.
        teacher_backbone: its network, see ``leyden.nets.zoo.backbone``; a record says itself what it is.
        teacher_widths: of the backbone "resnet": channels of each stage.
        teacher_strides: of "resnet": of each stage.
        teacher_blocks: of "resnet": residual blocks per stage.
        teacher_epochs: passes over its labelled images, where it is trained here.
        teacher_lr: AdamW's rate at the start, falling to zero along a cosine.
        teacher_batch_size: examples per step.
        backbone: the student's network, see ``leyden.nets.zoo.backbone``.
        widths: of "resnet": channels of each stage.
        strides: of "resnet": of each stage.
        blocks: of "resnet": residual blocks per stage.
        hard_weight: of the labels' cross-entropy.
        soft_weight: of the soft labels' loss.
        temperature: T of the soft labels, above 0.
        hint_epochs: epochs of the first stage, in which the student learns the teacher's map alone; 0: none.
        attention_weight: beta of attention transfer; 0: none.
        stages: pairs of a student's stage and a teacher's for attention, the middle one for hints; null: the last
            stages whose maps have the same size, or, where no sizes agree, the last maps of both.
        control: a second student learns from the labels alone.
        cache: a folder where a teacher that is trained here is kept, under a key of everything that decides it, for
            other runs; null trains it in each run.
        lr: AdamW's rate at the start, falling to zero along a cosine.
        weight_decay: AdamW's, also the teacher's.

    Raises:
        ValueError: a weight below 0, a temperature of 0, nothing to learn from, an unknown backbone or stage, or images
            that a backbone cannot take.
    """

    net: Classifier
    main_image = "dark_knowledge"

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        crop: float | None = None,
        teacher: str = "train",
        teacher_backbone: str = "resnet",
        teacher_widths: Sequence[int] = (32, 64, 128),
        teacher_strides: Sequence[int] = (1, 2, 2),
        teacher_blocks: int = 1,
        teacher_epochs: int = 15,
        teacher_lr: float = 3e-3,
        teacher_batch_size: int = 64,
        backbone: str = "resnet",
        widths: Sequence[int] = (8, 16, 30),
        strides: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        hard_weight: float = 0.1,
        soft_weight: float = 0.9,
        temperature: float = 4.0,
        hint_epochs: int = 0,
        attention_weight: float = 0.0,
        stages: list[list[str]] | None = None,
        control: bool = True,
        cache: str | None = None,
        lr: float = 3e-3,
        weight_decay: float = 0.1,
    ) -> None:
        if temperature <= 0 or min(hard_weight, soft_weight, attention_weight) < 0:
            raise ValueError(
                f"model.temperature={temperature} should be above 0, model.hard_weight={hard_weight}, "
                f"model.soft_weight={soft_weight} and model.attention_weight={attention_weight} 0 or more"
            )
        if not hard_weight + soft_weight:
            raise ValueError("neither labels nor soft labels: set model.hard_weight or model.soft_weight above 0")
        student = new_backbone(backbone, channels, image_size, widths, strides, blocks)
        net = Classifier(student, LinearHead(student.num_features, len(class_names)))
        super().__init__(class_names, channels, image_size, net, crop)
        self.save_hyperparameters(logger=False)
        self.control = copy.deepcopy(net) if control else None
        self.teacher: Teacher | None = None
        self.pairs: list[tuple[str, str]] = []
        """Stages of student and teacher whose maps are compared; known when the teacher is, as the regressor."""
        self.regressor: nn.Module | None = None
        self.others = OtherAccuracies(class_names, temperature)

    @property
    def _arguments(self) -> Any:
        """The constructor's arguments, by name."""
        return self.hparams

    @property
    def hinting(self) -> bool:
        """Whether this epoch is of the first stage, in which the lower layers learn the teacher's map."""
        return self.current_epoch < self._arguments.hint_epochs

    def setup(self, stage: str) -> None:
        """Finds the teacher, or builds the one that is to be trained, and what its maps ask for."""
        h = self._arguments
        if stage != "fit" or self.teacher is not None:
            return
        if h.teacher == "train":
            trunk = self._new_teacher().backbone
        else:
            self.teacher = self._look_up()
            trunk = self.teacher.backbone if h.hint_epochs or h.attention_weight else self.net.backbone
        if h.hint_epochs or h.attention_weight:
            self.pairs = stage_pairs(self.net.backbone, trunk, h.stages)
        if h.hint_epochs and self.regressor is None:
            own, theirs = self.pairs[len(self.pairs) // 2]
            self.regressor = nn.Conv2d(channels_of(self.net.backbone, own), channels_of(trunk, theirs), 1)

    def on_fit_start(self) -> None:
        """Trains the teacher, unless there is one, and lets it say once what it can say once."""
        data = attached_data(self.trainer, DistillationImages)
        if data is None:
            raise ValueError("transfer/distillation learns from data=transfer/distillation")
        self.crop = self._arguments["crop"] = data.crop  # and so into checkpoints
        if self.teacher is None:  # what is resumed has it
            self.teacher = self._train_teacher(data)
        device = self.trainer.strategy.root_device
        teacher = self.teacher.to(device)
        own, theirs = (sum(p.numel() for p in net.parameters()) for net in (self.net, teacher.net))
        log.info("student: %d parameters, teacher: %d, %.1f times as many", own, theirs, theirs / own)
        if data.repeats and not self.pairs:
            data.tell(lambda images: teacher(images.to(device))[0])

    def on_fit_end(self) -> None:
        """Whoever uses the data next, perhaps with another teacher, sees images."""
        if (data := attached_data(self.trainer, DistillationImages)) is not None:
            data.forget()

    def training_step(self, batch: Lesson, batch_index: int) -> Tensor:
        """A batch's loss: of the hints in the first stage, then of labels, soft labels and attention."""
        h, known = self._arguments, len(batch.labels)
        if batch.signals.shape[1]:  # computed once
            taught: tuple[Tensor, list[Tensor]] = batch.signals, []
        else:
            assert self.teacher is not None
            taught = self.teacher(batch.images, [theirs for _, theirs in self.pairs])
        with tapped(self.net, [own for own, _ in self.pairs]) as found:
            logits = self.net(batch.images)
        maps = [found[own] for own, _ in self.pairs]
        if self.hinting:
            middle = len(self.pairs) // 2
            loss = hint_loss(self.regressor(maps[middle]), taught[1][middle]) + 0 * logits.sum()  # type: ignore[misc]
        else:
            hard = F.cross_entropy(logits[:known], batch.labels)
            loss = h.hard_weight * hard + h.soft_weight * soft_label_loss(logits, taught[0], h.temperature)
            if h.attention_weight:
                loss = loss + h.attention_weight / 2 * attention_loss(maps, taught[1])
            loss = loss + 0 * sum(p.sum() for p in self._idle())
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        if self.control is not None:  # another network, so the sum of both losses gives each its own gradient
            loss = loss + F.cross_entropy(self.control(batch.images[:known]), batch.labels)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """What a stage does not train has no gradient, so that neither momentum nor decay moves it."""
        for parameter in self._idle():
            parameter.grad = None

    def _idle(self) -> list[nn.Parameter]:
        """What does not learn now: behind the guided stage in the first stage, the regressor after it."""
        if not self.hinting:
            return list(self.regressor.parameters()) if self.regressor is not None else []
        names = self.net.backbone.stage_names
        later = names[names.index(self.pairs[len(self.pairs) // 2][0]) + 1 :]
        behind = [*(self.net.backbone.stages[name] for name in later), self.net.head]
        return [parameter for module in behind for parameter in module.parameters()]

    def test_step(self, batch: LabelledImages, batch_index: int) -> None:
        """As every classifier's, and the accuracies of teacher and control."""
        super().test_step(batch, batch_index)
        images, labels = batch
        if self.control is not None:
            self.others.update(self, "hard", self.control(images), labels)
        if self.teacher is not None:
            logits = self.teacher(images)[0]
            self.others.update(self, "teacher", logits, labels)
            self.others.dark.update(images, logits, labels)

    def on_test_epoch_start(self) -> None:
        """Begins anew; a teacher that was trained in the run came with its checkpoint, another is looked up."""
        super().on_test_epoch_start()
        self.others.reset()
        where = self._arguments.teacher
        if self.teacher is None and where != "train" and Path(where).expanduser().exists():
            self.teacher = self._look_up()
        if self.teacher is not None:
            self.teacher.to(self.device)
        elif where != "train":
            log.warning("the teacher is no longer at %s: the test has no row of it", where)

    def on_test_epoch_end(self) -> None:
        """Draws the accuracies beside each other and what the teacher says of some images."""
        super().on_test_epoch_end()
        self.others.log_images(self, self.test_accuracy)

    def configure_optimizers(self) -> Any:
        """AdamW on student, regressor and control, and a cosine from its rate to zero."""
        lr, decay = self._arguments.lr, self._arguments.weight_decay
        optimizer = torch.optim.AdamW(self.parameters(), lr, weight_decay=decay, fused=True)
        schedule = scheduled(optimizer, cosine, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps a teacher that was trained in this run, apart from the student's weights."""
        if self._arguments.teacher == "train" and self.teacher is not None:
            checkpoint["teacher"] = self.teacher.net.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it back, and makes the regressor, which Lightning then fills."""
        if (state := checkpoint.get("teacher")) is not None:
            net = self._new_teacher()
            net.load_state_dict(state)
            self.teacher = Teacher(net, self.channels, self.image_size)
        if (weight := checkpoint["state_dict"].get("regressor.weight")) is not None:
            self.regressor = nn.Conv2d(weight.shape[1], weight.shape[0], 1)

    def _new_teacher(self) -> Classifier:
        """The teacher's network with random weights, as the arguments describe it."""
        h = self._arguments
        size = (self.channels, self.image_size)
        trunk = new_backbone(h.teacher_backbone, *size, h.teacher_widths, h.teacher_strides, h.teacher_blocks)
        return Classifier(trunk, LinearHead(trunk.num_features, len(self.class_names)))

    def _look_up(self) -> Teacher:
        """The teacher of a record or a file."""
        size = self.channels, self.image_size
        return find_teacher(self._arguments.teacher, self._new_teacher(), *size, self.class_names)

    def _train_teacher(self, data: DistillationImages) -> Teacher:
        """Trains the teacher on the first rank and hands it to all."""
        h, net = self._arguments, self._new_teacher()
        # One rank works: on GPUs two trainings may differ in rounding, and all ranks learn from the same teacher.
        if self.trainer.is_global_zero:
            net.to(self.trainer.strategy.root_device)
            batches = data.teacher_task(h.teacher_batch_size)
            recipe = Recipe(h.teacher_epochs, h.teacher_lr, h.weight_decay)
            trained_teacher(net, batches, recipe, None if h.cache is None else Path(h.cache))
        state = {key: value.cpu() for key, value in net.state_dict().items()}
        net.load_state_dict(self.trainer.strategy.broadcast(state))
        return Teacher(net, self.channels, self.image_size)
