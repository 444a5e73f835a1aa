"""What several tasks weigh over a training, what each reached, and what was predicted of some images."""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import FuncFormatter
from torch import Tensor

from leyden.visualization.figure import (
    COLOURS,
    LABEL,
    MARKERS,
    TICK,
    add_legend,
    legend_columns,
    new_axes,
    new_figure,
    render,
)
from leyden.visualization.labelled import draw_sheet


def draw_tasks(history: Sequence[Sequence[float]], names: Sequence[str], scores: Mapping[str, float]) -> Tensor:
    """The factor of each task's loss over the training, and the score of each task.

    Args:
        history: rows of an optimizer step and T factors above 0; without any, only scores are drawn.
        names: of the T tasks.
        scores: ``NAME_accuracy`` or ``NAME_r2`` of each, and ``score``, their mean.

    Returns:
        uint8 (3, H, W).
    """
    figure = new_figure(1180 if history else 640, 520)
    panels = figure.subfigures(1, 2 if history else 1, squeeze=False, width_ratios=[6, 5] if history else None)[0]
    if history:
        steps, *factors = zip(*history, strict=True)
        axes = new_axes(panels[0], "optimizer step", "factor on the task's loss")
        axes.set_title("What each task weighs", fontsize=LABEL)
        marks = []
        for i, values in enumerate(factors):
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            marks += axes.plot(
                steps, values, color=colour, marker=marker, markevery=max(1, len(steps) // 8), linewidth=2.2
            )
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.5), max(high, 2.0))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # powers of ten need no formula
        axes.grid(color="0.88")
        add_legend(panels[0], marks, names, legend_columns(names, 560))
    axes = new_axes(panels[-1], "accuracy, or R² of a number", "")
    axes.set_title(f"Test: mean {scores['score']:.3f}", fontsize=LABEL)
    reached = [next(v for k, v in scores.items() if k in (f"{name}_accuracy", f"{name}_r2")) for name in names]
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
    bars = axes.barh(range(len(names)), [max(0.0, value) for value in reached], height=0.7, color=colours)
    axes.bar_label(bars, [f"{value:.3f}" for value in reached], padding=4, fontsize=TICK)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.18)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.grid(axis="x", color="0.88")
    return render(figure)


def draw_answers(
    examples: Sequence[tuple[Tensor, list[Tensor], list[Tensor]]], tasks: Mapping[str, Sequence[str]]
) -> Tensor:
    """Images with every target as predicted and, where that is wrong or a number, as it is.

    Args:
        examples: a uint8 image (C, H, W), the outputs (logits (classes,) or a number ()) and the targets of it.
        tasks: the classes of each target by its name.

    Returns:
        uint8 (3, H, W).
    """
    images, captions = [], []
    for image, outputs, targets in examples:
        lines = []
        for (name, classes), output, target in zip(tasks.items(), outputs, targets, strict=True):
            if classes:
                found, wanted = classes[int(output.argmax())], classes[int(target)] if target >= 0 else "?"
                lines.append(f"{name} {found}" + ("" if found == wanted else f", is {wanted}"))
            else:
                lines.append(f"{name} {float(output):.3g}, is {float(target):.3g}")
        images.append(image)
        captions.append("\n".join(lines))
    return draw_sheet(images, captions, "No test image.", columns=8)
