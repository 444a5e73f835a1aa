"""What the bench may ask of a technique: protocols, and what their methods take and return.

A technique is a ``LightningModule``; that alone can be trained, tested, resumed and swept. Each protocol below adds one
verb of the command line. The bench asks ``isinstance(model, Predicts)`` and nothing else, so a technique outside this
repository takes part by having these members; it need not import or inherit anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Technique(Protocol):
    """What every technique has: the metric whose best value marks ``best.ckpt``."""

    monitor: str
    """Such as ``val/accuracy``."""
    mode: Literal["min", "max"]


Direction = Literal["A2B", "B2A"]
"""Of a translation between two domains."""


class Predictions(NamedTuple):
    """What a technique predicts, for programs and for people."""

    rows: list[dict[str, Any]]
    """A dict for each input or sample, fit for JSON."""
    images: list[Tensor]
    """A uint8 image (3, H, W) for each row, the prediction drawn into it; none where there is nothing to draw."""
    files: Sequence[Mapping[str, bytes]] = ()
    """For each row, files that hold the prediction itself, by their extensions, such as "obj"; or none at all."""


class PredictOptions(NamedTuple):
    """What a person may ask of predictions; None leaves it to the technique."""

    threshold: float | None = None
    """Least score of a detection, 0 to 1."""
    direction: Direction | None = None
    """Of a translation between two domains."""
    masks: Sequence[Tensor] | None = None
    """For each input what is to be filled in: bool (H, W) of the input's size."""
    prompts: Sequence[str] | None = None
    """Descriptions among which each input's is to be found."""

    def only(self, technique: object, *known: str) -> None:
        """Refuses all options but those that a technique has a use for.

        Args:
            technique: for the message.
            known: names of fields.

        Raises:
            ValueError: another one is given.
        """
        flags = {"threshold": "--threshold", "direction": "--direction", "masks": "--mask", "prompts": "--prompt"}
        given = [flags[name] for name, value in self._asdict().items() if value is not None and name not in known]
        if given:
            raise ValueError(f"{type(technique).__name__} has no use for it: leave {' and '.join(given)} out")


NO_OPTIONS = PredictOptions()


@runtime_checkable
class Predicts(Protocol):
    """Predicts something for each input: a class, boxes, an enlarged image. Behind ``leyden predict --input``."""

    input_type: str
    """What an input is, a word of ``Source.produces``: "images", "rows", "text"."""

    def predict(self, inputs: Sequence[Any], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """A row for each input.

        Args:
            inputs: uint8 images (C, H, W) of any size; for other kinds what ``input_type`` says.
            options: a technique refuses those that it has no use for.

        Raises:
            ValueError: an option has no meaning for this technique, or is out of range.
        """
        ...


@runtime_checkable
class TakesSupport(Protocol):
    """Predicts classes of which it is shown a few examples, without training. Behind ``leyden predict --support``."""

    def set_support(self, images: Sequence[Tensor], labels: Tensor, class_names: list[str]) -> None:
        """Makes these the classes that ``predict`` knows from now on.

        Args:
            images: S of uint8 (C, H, W), of any sizes.
            labels: (S,) int64, places in ``class_names``; each class has an example at least.
            class_names: of N classes.
        """
        ...


@runtime_checkable
class Samples(Protocol):
    """Makes new examples from noise. Behind ``leyden predict --count``."""

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples.

        Args:
            count: how many, from 1.
            label: a class by its name or number, for conditional techniques; None takes all in turn.
            seed: of the noise; None draws other samples each time.

        Raises:
            ValueError: there is no such class, or the technique does not know classes.
        """
        ...


@runtime_checkable
class Continues(Protocol):
    """Writes on behind a text. Behind ``leyden predict --prompt``."""

    def continue_text(self, prompt: str, seed: int | None = None) -> Iterator[str]:
        """A continuation in pieces, each as soon as it is drawn.

        Args:
            prompt: the text's begin, perhaps "".
            seed: of the draws; None draws other ones each time.
        """
        ...


@runtime_checkable
class SamplesPrompts(Protocol):
    """Makes new examples of what a text says. Behind ``leyden predict --prompt``."""

    def sample_prompt(self, prompt: str, count: int, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples.

        Args:
            prompt: the description.
            count: how many, from 1.
            seed: of the noise; None draws other samples each time.

        Raises:
            ValueError: nothing of the description is known.
        """
        ...


class Exportable(NamedTuple):
    """A network that can leave PyTorch."""

    network: nn.Module
    """Takes uint8 images (N, channels, image_size, image_size), any N; returns a tensor or a tuple of tensors."""
    channels: int
    image_size: int
    outputs: tuple[str, ...]
    """A name for each tensor."""
    metadata: dict[str, str]
    """What a user of the file must know besides, such as the names of the classes."""


class ExportableText(NamedTuple):
    """A network of texts that can leave PyTorch."""

    network: nn.Module
    """Takes int64 tokens (N, T) and lengths (N,), any N, T up to ``context``; returns a tensor or a tuple of these."""
    vocabulary_size: int
    """Tokens are numbers below it."""
    context: int
    outputs: tuple[str, ...]
    """A name for each tensor."""
    metadata: dict[str, str]
    """What a user of the file must know besides, such as the tokenizer."""


@runtime_checkable
class Exports(Protocol):
    """Has a network for ``leyden export``."""

    def export_network(self) -> Exportable | ExportableText:
        """The network as it predicts, in evaluation mode."""
        ...


@runtime_checkable
class WritesFiles(Protocol):
    """Predictions that also have a format of their field, such as COCO's."""

    def prediction_files(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, str | bytes]:
        """File names with their content.

        Args:
            rows: of ``predict``, or of samples or continuations, each also with the "path" of its input or its name.
        """
        ...


@runtime_checkable
class Shows(Protocol):
    """Says which of the images that it logs shows best what was learnt; at the end of a run, ``lab.image`` first."""

    main_image: str
    """A tag, such as ``samples``."""


@runtime_checkable
class Advises(Protocol):
    """Says before training what suits some data. Behind ``leyden advise``."""

    def advise(self, data: Any, overrides: list[str]) -> str:
        """Text for the terminal, which ends with a command.

        Args:
            data: the prepared DataModule.
            overrides: those of the command, for the one that is advised.
        """
        ...


def verbs_of(model: object) -> str:
    """The verbs that a technique has besides those that all have, for error messages: ``predict, export``."""
    verbs = {"predict": Predicts | Samples | SamplesPrompts, "export": Exports, "advise": Advises}
    return ", ".join(["evaluate", *(verb for verb, protocol in verbs.items() if isinstance(model, protocol))])
