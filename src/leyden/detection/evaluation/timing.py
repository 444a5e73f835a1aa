"""How long a detector takes for an image."""

import time

import torch


class Stopwatch:
    """The time of a test's batches from images to answers, and the network's part of it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._whole, self._network, self._images = 0.0, 0.0, 0

    @staticmethod
    def now(device: torch.device) -> float:
        """The time in seconds, after the device has done all that it was given."""
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return time.perf_counter()

    def add(self, began: float, between: float, ended: float, images: int) -> None:
        """A batch: three moments, before and after the network and after what follows it."""
        self._whole += ended - began
        self._network += between - began
        self._images += images

    def milliseconds(self) -> dict[str, float]:
        """ "ms_per_image" and, of that, "ms_per_image_network"; 0 where nothing was timed."""
        count = max(1, self._images)
        return {
            "ms_per_image": 1000 * self._whole / count,
            "ms_per_image_network": 1000 * self._network / count,
        }
