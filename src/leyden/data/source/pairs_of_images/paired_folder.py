"""Pairs of images of the user's own: files with A beside B, or two folders with files of equal names."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from leyden.core.splits import by_name, check_holdout
from leyden.data.columns import ImagePairs
from leyden.data.issues import DataIssue, Effect, Tally, log_issues
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.layout import IMAGE_ENDINGS, stage_of, why_no_folder
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.source.files.splits_by_name import unwrapped
from leyden.data.source.pairs_of_images.pair_source import ImagePairSource
from leyden.data.splits import STAGES, Stage

log = logging.getLogger(__name__)

FRACTIONS = (0.6, 0.1, 0.3)
NAMED = 6
"""Files that an error names."""
BESIDE = "image beside the pairs' folders, not read"


class Pair(NamedTuple):
    """Where a pair's images are; one file holds both where ``b`` is None."""

    a: str
    b: str | None


class PairedFolder(ImagePairSource):
    """``root/{train,val,test}/*.jpg``, each with A on its left half and B on its right, or two folders A and B.

    Two folders may lie in the splits, ``train/A/x.jpg`` and ``train/B/x.png``, or the splits in them, ``A/train/x.jpg``
    and ``B/train/x.png``, or both be one word, ``trainA/x.jpg`` and ``trainB/x.png``. What comes before a file's ending
    tells its partner; endings and sizes may differ.

    Without folders of splits 60 % of the pairs are for training, 10 % for validation and 30 % for testing; where there
    is no val or no test, ``holdout`` of train validates, and the one that is there tests. A file without partner is
    left out, and told by the log and by ``leyden check-data``.

    Args:
        root: the folder.
        a: name of the folders with domain A; with "A" also those that end in it, as ``trainA``. Where no folder has
            that name, files hold both images side by side.
        b: name of the folders with domain B.
        channels_a: of domain A: 3 for colour, 1 for grey; images are converted.
        channels_b: of domain B.
        holdout: share of train that validates where there is no val or no test, above 0 and below 1.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no pairs, or a layout that is not clear.
    """

    image_size = 256
    """Pixels, where ``data.image_size`` is null: images differ in size; pix2pix's networks are for 256."""

    def __init__(
        self,
        root: str,
        a: str = "A",
        b: str = "B",
        channels_a: int = 3,
        channels_b: int = 3,
        holdout: float = 0.1,
        index_cache: str | None = None,
    ) -> None:
        check_holdout(holdout)
        if a.casefold() == b.casefold():
            raise ValueError(f"data.source.a and data.source.b are both {a!r}: name two folders")
        self.root = Path(root).expanduser()
        self.sides = {a.casefold(): "a", b.casefold(): "b"}
        self.name = f"pairs of {self.root}"
        self.channels_a, self.channels_b = channels_a, channels_b
        self.holdout = holdout
        self.index_cache = Path(index_cache) if index_cache else None
        self._splits: dict[Stage, PairList] = {}
        self._issues: list[DataIssue] = []

    def prepare(self) -> None:
        """Finds the pairs; no image is opened yet."""
        if self._splits:
            return
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: {why_no_folder(self.root)} (looked from {Path.cwd()}); it should hold "
                "files with A beside B, or the folders A and B, in train, val and test or without them"
            )
        self._issues = []
        listing = list_images(self.root, cache=self.index_cache, tally=self.tally)
        if not len(listing):
            raise ValueError(f"{self.root} holds no image with an ending among {', '.join(IMAGE_ENDINGS)}")
        top = os.path.relpath(unwrapped(self.root), self.root)
        pairs = self._matched(listing, "" if top == "." else top)
        splits = self._shared_out(pairs)
        log_issues(log, self.name, self._issues)
        self._splits = {stage: self._listed(chosen) for stage, chosen in splits.items()}

    def split(self, stage: Stage) -> "PairList":
        """Pairs at their files' own sizes, decoded one by one."""
        self.prepare()
        return self._splits[stage]

    def files(self, stage: Stage) -> Sequence[str]:
        """For each pair the file of A, or of both."""
        return [pair.a for pair in self.split(stage).pairs]

    def found_issues(self) -> list[DataIssue]:
        """Files without partner, and several of one name."""
        return list(self._issues)

    def _matched(self, listing: Listing, top: str) -> dict[str, Pair]:
        """The pairs by their keys: split and name, without ending and without the domains' folders."""
        sides: dict[str, dict[str, str]] = {"a": {}, "b": {}}
        whole: dict[str, str] = {}
        for number in range(len(listing)):
            path = listing[number]
            inside = PurePath(os.path.relpath(path, os.path.join(listing.folder, top)))
            side, key = self._side(inside)
            known = whole if side is None else sides[side]
            if key in known:
                self._find("two images of one name", "left out", path, f"{known[key]} has the same name: rename one")
            else:
                known[key] = path
        if not sides["a"] and not sides["b"]:
            return {key: Pair(path, None) for key, path in whole.items()}
        for path in whole.values():
            self.tally.add(BESIDE, path)
        return self._partners(sides["a"], sides["b"])

    def _side(self, inside: PurePath) -> tuple[str | None, str]:
        """The domain of a file by its folders, None where they say none, and what its partner's path has in common."""
        side, kept = None, []
        for part in inside.parts[:-1]:
            own = self.sides.get(part.casefold())
            # Such as trainA: a split's name with the domain's behind it.
            ending = next((end for end in self.sides if part.casefold().endswith(end)), None)
            if own is None and ending is not None and stage_of(part[: -len(ending)]) is not None:
                own, part = self.sides[ending], part[: -len(ending)]
                kept.append(part)
            elif own is None:
                kept.append(part)
            side = own or side
        return side, "/".join([*kept, inside.stem])

    def _partners(self, a: dict[str, str], b: dict[str, str]) -> dict[str, Pair]:
        lonely = {key: path for one, other in ((a, b), (b, a)) for key, path in one.items() if key not in other}
        for key, path in lonely.items():
            self._find("no partner", "left out", path, f"the other folder has no image {key}")
        pairs = {key: Pair(path, b[key]) for key, path in a.items() if key in b}
        if not pairs:
            shown = ", ".join(os.path.relpath(path, self.root) for path in list(lonely.values())[:NAMED])
            raise ValueError(
                f"{self.root}: no image of one domain has its partner's name, such as A/1.jpg and B/1.png; there are "
                f"{len(a)} of A, {len(b)} of B: {shown}. Rename them, or name the folders by data.source.a and "
                "data.source.b"
            )
        return pairs

    def _shared_out(self, pairs: dict[str, Pair]) -> dict[Stage, list[Pair]]:
        """The three splits by the table of the class."""
        stages = {key: stage_of(key.split("/")[0]) if "/" in key else None for key in pairs}
        found: dict[Stage, list[str]] = {stage: [k for k in pairs if stages[k] == stage] for stage in STAGES}
        loose = [key for key in pairs if stages[key] is None]
        if len(loose) == len(pairs):
            return self._parts(list(pairs), pairs, dict(zip(STAGES, FRACTIONS, strict=True)))
        if loose or not found["train"]:
            what = f"{loose[0]} is in no split" if loose else "there is no training split"
            raise ValueError(
                f"{self.root}: {what}, but others are: put all pairs into train, val and test, or none of them"
            )
        given = {stage: [pairs[key] for key in keys] for stage, keys in found.items() if keys}
        if len(given) == 3:
            return given
        parts: dict[Stage, float] = {"train": 1 - self.holdout, "val": self.holdout}
        if len(given) == 1:
            return self._parts(found["train"], pairs, dict(zip(STAGES, FRACTIONS, strict=True)))
        tested: Stage = "test" if "test" in given else "val"
        return self._parts(found["train"], pairs, parts) | {"test": given[tested]}

    def _parts(self, keys: list[str], pairs: dict[str, Pair], fractions: dict[Stage, float]) -> dict[Stage, list[Pair]]:
        if len(keys) < len(fractions):
            raise ValueError(
                f"{self.root}: {len(keys)} pairs cannot be shared out among {', '.join(fractions)}: add some"
            )
        parts = by_name(keys, list(fractions.values()))
        return {stage: [pairs[keys[i]] for i in part] for stage, part in zip(fractions, parts, strict=True)}

    def _listed(self, pairs: Sequence[Pair]) -> "PairList":
        return PairList(pairs, self.channels_a, self.channels_b, self.tally)

    def _find(self, kind: str, effect: Effect, path: str, what: str) -> None:
        self._issues.append(DataIssue(kind, effect, Path(path), None, what, Path(path)))


class PairList:
    """Pairs of image files as a split, decoded when asked for.

    Args:
        pairs: where they are.
        channels_a: 3 for colour, 1 for grey.
        channels_b: likewise.
        tally: counts what decoding changes.
    """

    def __init__(self, pairs: Sequence[Pair], channels_a: int, channels_b: int, tally: Tally | None = None) -> None:
        self.pairs = pairs
        self.channels = channels_a, channels_b
        self.tally = tally

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> ImagePairs:
        pair = self.pairs[index]
        if pair.b is not None:
            files = zip((pair.a, pair.b), self.channels, strict=True)
            return ImagePairs(*(read_image(file, channels, self.tally) for file, channels in files))
        both = {channels: read_image(pair.a, channels, self.tally) for channels in set(self.channels)}
        width = next(iter(both.values())).shape[2]
        if width % 2 or width < 2:
            raise ValueError(
                f"{pair.a}: its width of {width} pixels has no two halves, A and B: cut it, or give two folders A and B"
            )
        a, b = self.channels
        return ImagePairs(both[a][..., : width // 2], both[b][..., width // 2 :])
