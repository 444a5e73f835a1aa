"""How often different images are called alike, and how many changed copies are found, in folders of the user's.

``python tests/benchmarks/duplicates.py FOLDER ...``: of each folder at most 400 images, drawn by seed 0, each in a
group of its own, so that every pair may be called alike; of 100 of them copies as JPEG, at half the size, and cropped.
"""

import io
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.data.inspection.duplicates import find_alike, fingerprints
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.layout import find_files

MOST, COPIES = 400, 100


def changed(image: Tensor, crop: float, draw: random.Random) -> Tensor:
    """Cropped by a share of both sides, at any place, at half the size, as JPEG of quality 30."""
    whole = Image.fromarray(image.permute(1, 2, 0).numpy())
    width, height = round(whole.width * (1 - crop)), round(whole.height * (1 - crop))
    left, top = draw.randint(0, whole.width - width), draw.randint(0, whole.height - height)
    small = whole.crop((left, top, left + width, top + height)).resize((max(1, width // 2), max(1, height // 2)))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=30)
    return pil_to_tensor(Image.open(content).convert("RGB"))


def main(folders: list[str]) -> None:
    """Prints a line per folder."""
    for folder in folders:
        draw = random.Random(0)
        files = find_files(Path(folder))
        files = sorted(draw.sample(files, min(MOST, len(files))))
        images = [read_image(file) for file in files]
        known = [(image, hashes) for image in images if (hashes := fingerprints(image)) is not None]
        images, hashes = [image for image, _ in known], np.stack([found for _, found in known])
        pairs, left = find_alike(hashes, np.arange(len(images)), images.__getitem__)
        print(f"{folder}: {len(images)} images, {len(pairs)} called alike, {left} pairs not looked at", flush=True)
        for pair in pairs:
            print(f"    {files[pair.first]}  {files[pair.second]}")
        for crop in (0, 0.03, 0.05, 0.08):
            chosen = draw.sample(range(len(images)), min(COPIES, len(images)))
            found = 0
            for i in chosen:
                copy = changed(images[i], crop, draw)
                own = fingerprints(copy)
                both = np.stack([hashes[i], own]) if own is not None else None
                found += both is not None and bool(find_alike(both, np.arange(2), [images[i], copy].__getitem__)[0])
            print(f"    copies cropped by {crop:.0%}: {found} of {len(chosen)} found", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
