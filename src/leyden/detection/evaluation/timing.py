"""Time that a detector takes for an image."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from leyden.detection.boxes.batch import Detections


class Stopwatch:
    """Milliseconds per image from images on the device to detections, and the network's part of them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts from zero."""
        self._seconds, self._network_seconds, self._images = 0.0, 0.0, 0

    def time(
        self,
        network: Callable[..., Any],
        postprocess: Callable[[Any], list[Detections]],
        inputs: Sequence[Any],
        device: torch.device,
    ) -> list[Detections]:
        """Runs a batch through both, and adds its time.

        The first batch goes through once before, so that what happens only once is not counted.

        Args:
            network: takes ``inputs``.
            postprocess: turns the network's outputs into the detections of each image.
            inputs: of the network, on the device.
            device: has finished all work when a time is taken.
        """
        if self._images == 0:
            postprocess(network(*inputs))
        start = now(device)
        outputs = network(*inputs)
        between = now(device)
        detections = postprocess(outputs)
        end = now(device)
        self._seconds += end - start
        self._network_seconds += between - start
        self._images += len(detections)
        return detections

    def milliseconds(self) -> dict[str, float]:
        """ "ms_per_image" and, of that, "ms_per_image_network"; 0 where nothing was timed."""
        count = max(1, self._images)
        return {
            "ms_per_image": 1000 * self._seconds / count,
            "ms_per_image_network": 1000 * self._network_seconds / count,
        }


def now(device: torch.device) -> float:
    """The time in seconds, after the device has finished all its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()
