"""Damages files of small data sets and looks at what ``leyden check-data`` and a training make of them.

Each set has images, XML, JSON, text and YAML files; some of them are damaged, as disks, downloads, editors and other
programs do it. Then check-data must end with a whole report in which each damaged file is named or can be used, and
what is whole stays; what a training reads is refused with the name of a file, or can be read. This file with a number
of files (500) and a seed (0) prints what does not keep to it.
"""

import contextlib
import io
import random
import re
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from painted import NAMES, Scene, paint, write_coco, write_voc, write_yolo

from leyden.bench.commands.check_data import check_data
from leyden.data.source import Source
from leyden.data.source.annotations.annotated import AnnotatedImages
from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.annotations.yolo_txt import YOLO
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.splits import STAGES

COUNTS = {"train": 12, "val": 4, "test": 4}
AT_ONCE = 10
"""Files of a set that are damaged together."""
SOURCES: dict[str, Callable[[str], Source]] = {"yolo": YOLO, "coco": COCO, "voc": VOC, "image_folder": ImageFolder}
Random = random.Random


def write_set(kind: str, root: Path) -> Path:
    """A whole data set of one kind."""
    scenes = {
        stage: [
            Scene(f"{stage}{i}", (24 + i, 20), [(i % 8, (2, 2, 12, 10)), ((i + 3) % 8, (5, 11, 20, 19))])
            for i in range(count)
        ]
        for stage, count in COUNTS.items()
    }
    if kind == "image_folder":
        for stage, part in scenes.items():
            for i, scene in enumerate(part):
                paint(root / stage / ("ant", "bee")[i % 2] / f"{scene.name}.{'jpg' if i % 3 else 'png'}", scene)
        return root
    write = {"yolo": write_yolo, "coco": write_coco, "voc": write_voc}[kind]
    write(root, scenes)
    if kind == "yolo":
        lines = "".join(f"{stage}: images/{stage}\n" for stage in scenes)
        (root / "data.yaml").write_text(f"{lines}nc: {len(NAMES)}\nnames: {NAMES}\n")
        files = sorted((root / "images/test").iterdir())
        (root / "test.txt").write_text("".join(f"images/test/{file.name}\n" for file in files))
        (root / "data.yaml").write_text((root / "data.yaml").read_text().replace("test: images/test", "test: test.txt"))
    return root


def _cut(raw: bytes, chance: Random) -> bytes:
    return raw[: chance.randrange(len(raw))] if raw else raw


def _flip(raw: bytes, chance: Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(chance.choice([1, 3, 30])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _zeros(raw: bytes, chance: Random) -> bytes:
    start, length = chance.randrange(len(raw) + 1), chance.choice([1, 8, len(raw)])
    return raw[:start] + bytes(length) + raw[start + length :]


def _encode(raw: bytes, chance: Random) -> bytes:
    """Text as other programs would save it, with a name that is not ASCII."""
    word = chance.choice(["猫", "кот", "café", "ねこ", "고양이"])
    text = raw.decode("latin-1")
    text = re.sub(r"\b(red|blue|white|green)\b", word, text) if chance.random() < 0.7 else text + word
    known = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "shift_jis", "euc-kr", "cp1251"]
    encoding = chance.choice([*known, "cp1252"])
    return text.encode(encoding, "replace")


def _huge_numbers(raw: bytes, chance: Random) -> bytes:
    words = [b"1e400", b"9" * 5000, b"-1e308", b"nan", b"Infinity", b"1e-400", b"0x10", b"1_0", b"18446744073709551616"]
    found = [*re.finditer(rb"\d+(\.\d+)?", raw)]
    for match in reversed(chance.sample(found, min(len(found), chance.choice([1, 2, 5])))):
        raw = raw[: match.start()] + chance.choice(words) + raw[match.end() :]
    return raw


def _nest(raw: bytes, chance: Random) -> bytes:
    deep = chance.choice([900, 3000, 100_000])
    pairs = [(b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"- ", b"")]
    begin, end = chance.choice(pairs)
    middle = begin * deep + b"1" + end * deep
    where = chance.choice([0, len(raw), max(raw.find(b"["), raw.find(b"<object>"), 0)])
    return raw[:where] + middle + raw[where:] if chance.random() < 0.7 else middle


def _huge_header(raw: bytes, chance: Random) -> bytes:
    """An image file that speaks of more pixels than there are."""
    sides = struct.pack(">II", *chance.choice([(2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 5), (2**31 - 1, 1)]))
    if raw.startswith(b"\x89PNG"):
        head = raw[12:16] + sides + raw[24:29]
        return raw[:12] + head + struct.pack(">I", zlib.crc32(head)) + raw[33:]
    at = raw.find(b"\xff\xc0")
    return raw if at < 0 else raw[: at + 5] + b"\xff\xff\xff\xff" + raw[at + 9 :]


def _text_chunk(raw: bytes, chance: Random) -> bytes:
    """A PNG with a text that unpacks to more than anyone wrote."""
    if not raw.startswith(b"\x89PNG"):
        return _flip(raw, chance)
    content = b"zTXt" + b"note\0\0" + zlib.compress(bytes(3 * 2**20))
    return raw[:33] + struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content)) + raw[33:]


def _other(raw: bytes, chance: Random) -> bytes:
    """Something else under the file's name."""
    page = b"<!DOCTYPE html><html><body>404: not found</body></html>"
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12345\n"
    return chance.choice([b"", b"\n", page, pointer, raw * 2, raw[::-1], b"null", b"[]", b"{}", b"PK\x03\x04" + raw])


def _lines(raw: bytes, chance: Random) -> bytes:
    lines = raw.split(b"\n")
    chance.shuffle(lines)
    return chance.choice([b"\r", b"\r\n", b"\n\n", b"\x0b", b"\xe2\x80\xa8"]).join(lines)


ANY = (_cut, _flip, _zeros, _other)
OF_TEXT = (_encode, _huge_numbers, _nest, _lines)
OF_IMAGES = (_huge_header, _text_chunk)
TEXTS = (".txt", ".xml", ".json", ".yaml")


def damage(root: Path, chance: Random) -> dict[Path, str]:
    """Damages some files of a set; which, and how."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    # Each kind of file has its chance, however few there are of it.
    kinds = sorted({path.suffix for path in files})
    chosen = {
        chance.choice([path for path in files if path.suffix == chance.choice(kinds)] or files) for _ in "x" * AT_ONCE
    }
    done = {}
    for path in sorted(chosen):
        how = chance.choice([*ANY, *(OF_TEXT if path.suffix in TEXTS else OF_IMAGES)])
        path.write_bytes(how(path.read_bytes(), chance))
        done[path] = how.__name__
    return done


def violations(kind: str, root: Path, damaged: dict[Path, str], output: Path) -> Iterator[str]:
    """What check-data and a training do that they should not."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # takes what a terminal takes
    with contextlib.redirect_stdout(screen):
        sound = check_data([f"data/source={kind}", f"data.source.root={root}"], output)
    report = (output / "report.md").read_text(encoding="utf-8")
    listed = (output / "issues.csv").read_text(encoding="utf-8")
    if "# " not in report or not (output / "images.png").is_file():
        yield "the report is not whole"
    source = SOURCES[kind](str(root))
    splits, issues = source.inspect()
    used = set()
    for stage in STAGES:
        for index in range(len(splits[stage])):
            path, written = _files(splits[stage], index)
            used |= {path, written}
            try:
                _ = splits[stage][index]
            except ValueError as error:
                if path.name not in str(error):
                    yield f"{path} is refused without its name: {error}"
    named = {path for path in damaged if str(path) in listed or str(path) in report}
    for path, how in damaged.items():
        with_another = any(path.stem == other.stem for other in named)  # an image whose boxes cannot be read, or they
        if not (path in named or path in used or with_another or _says_splits(path)):
            yield f"{how} {path}: neither named nor used"
    if not any(_says_splits(path) or path.suffix == ".json" for path in damaged):
        stems = {path.stem for path in damaged}
        for image in (path for path in root.rglob("*") if path.suffix in (".png", ".jpg") and path.stem not in stems):
            if image not in used:
                yield f"{image} is whole, but in no split"
    refused = [issue for issue in issues if issue.effect == "stops"]
    if refused and sound:
        yield f"check-data says that all is well: {refused[0]}"
    try:
        SOURCES[kind](str(root)).prepare()
        if refused:
            yield f"a training does not stop at {refused[0]}"
    except (ValueError, FileNotFoundError) as error:
        if not refused:
            yield f"a training stops, check-data does not: {error}"


def _says_splits(path: Path) -> bool:
    return path.suffix == ".yaml" or path.name in ("train.txt", "val.txt", "test.txt")


def _files(split: object, index: int) -> tuple[Path, Path]:
    """The image of an example, and what its boxes stand in."""
    if isinstance(split, AnnotatedImages):
        entry = split.examples[index].entry
        return entry.path, entry.written
    path = Path(split.split.files[int(split.indices[index])])  # of the image folder
    return path, path


def run(files: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Damages about so many files, set by set; how many, and what went wrong."""
    wrong, count, number = [], 0, 0
    while count < files:
        kind = list(SOURCES)[number % len(SOURCES)]
        chance = Random(f"{seed}/{number}")
        root = write_set(kind, folder / f"{kind}{number}")
        damaged = damage(root, chance)
        try:
            wrong += [f"{kind} {number}: {what}" for what in violations(kind, root, damaged, folder / "output")]
        except Exception as error:  # whatever it is, it should not have come out
            wrong.append(f"{kind} {number}: {type(error).__name__}: {error} ({damaged})")
        shutil.rmtree(root)
        count, number = count + len(damaged), number + 1
    return count, wrong


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as place:
        done, wrong = run(*(wanted + [500, 0][len(wanted) :]), Path(place))
    print("\n".join([*wrong, f"{done} files damaged, {len(wrong)} faults"]))
    sys.exit(bool(wrong))
