"""``tour.html``: what the labs of the tour show, on one page that stands alone and can be mailed."""

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from leyden.report.labs.ending import HEADER
from leyden.report.labs.sections import Section

NEXT = (
    ("what there is", "leyden list"),
    ("what a lab is made of, key by key", "leyden show experiment=gan_dcgan"),
    ("photographs of your own, a folder per class", "leyden run experiment=own_images data.source.root=FOLDER"),
    ("curves and images of all runs", "tensorboard --logdir outputs/tensorboard"),
)
"""Behind the labs."""


def draw_tour(sections: Sequence[Section], seconds: float) -> str:
    """The page as text; images are part of it, nothing is loaded, nothing runs, all text is escaped.

    Args:
        sections: of the labs, in their order.
        seconds: that the tour took.
    """
    environment = Environment(loader=PackageLoader("leyden", "report"), autoescape=True, undefined=StrictUndefined)
    labs = [
        {
            "section": section,
            "images": [(what, _embedded(file)) for what, file in section.images],
            "curves": _embedded(section.curves) if section.curves else "",
        }
        for section in sections
    ]
    return environment.get_template("tour.html.j2").render(
        labs=labs, header=HEADER, minutes=seconds / 60, commands=NEXT
    )


def _embedded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
