"""Pictures of any sizes in folders, without classes."""

from pathlib import Path
from typing import Literal

from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.data.source import Source
from leyden.data.source.image_folder import read_image

Stage = Literal["train", "val", "test"]
TENTH = 10


class PictureFolders(Source):
    """Picture files below folders, at any depth, in the order of their paths; every target is 0.

    A folder that is not given is taken out of the training pictures: every tenth of them validates, and every tenth
    of those that are left tests.

    Args:
        root: the folder that the others are in.
        train: folder of the training pictures, "." for ``root`` itself.
        val: folder of the validation pictures, or None.
        test: folder of the test pictures, or None.
        channels: 3 for colour, 1 for grey; pictures are converted.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a folder holds no picture or lies inside another one, or there are too few pictures to share.
    """

    image_size = 96

    def __init__(
        self, root: str, train: str = "train", val: str | None = "val", test: str | None = "test", channels: int = 3
    ) -> None:
        self.root = Path(root).expanduser()
        self.folders: dict[Stage, str | None] = {"train": train, "val": val, "test": test}
        self.name = f"pictures in {self.root}"
        self.class_names: list[str] = []
        self.channels = channels
        self._files: dict[Stage, list[Path]] = {}

    def prepare(self) -> None:
        """Finds the files; no picture is opened yet."""
        if self._files:
            return
        folders = {stage: self.root / folder for stage, folder in self.folders.items() if folder is not None}
        for stage, folder in folders.items():
            inside = [other for other, path in folders.items() if other != stage and folder.is_relative_to(path)]
            if inside:
                raise ValueError(
                    f"data.source.{stage}={self.folders[stage]} lies inside data.source.{inside[0]}="
                    f"{self.folders[inside[0]]}, so they would share pictures: give folders beside each other, "
                    "or null to share out the training pictures"
                )
        found = {stage: _pictures(folder, stage) for stage, folder in folders.items()}
        for stage in ("val", "test"):
            if stage not in found:
                held = found["train"][TENTH - 1 :: TENTH] or found["train"][-1:]
                found[stage] = held
                found["train"] = [file for file in found["train"] if file not in held]
        if not found["train"]:
            raise ValueError(f"{folders['train']} has too few pictures to share them out: give 3 or more")
        self._files = found

    def split(self, stage: Stage) -> "Files":
        """Pictures of their own sizes uint8 (channels, H, W), decoded one by one."""
        self.prepare()
        return Files(self._files[stage], self.channels)


class Files:
    """Picture files as a split, decoded when asked for; every target is 0."""

    def __init__(self, paths: list[Path], channels: int) -> None:
        self.paths = paths
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return read_image(self.paths[index], self.channels), 0


def _pictures(folder: Path, stage: Stage) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"data.source.{stage}: no folder {folder} (looked from {Path.cwd()})")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMG_EXTENSIONS)
    if not found:
        raise ValueError(f"{folder} holds no picture with an ending among {', '.join(IMG_EXTENSIONS)}")
    return found
