"""What ``leyden check-data`` tells of music: songs and bars, the ranges of the voices, and a sheet of piano rolls."""

from torch import Tensor

from leyden.data.inspection.music import MusicInspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.report.text import markdown_table
from leyden.visualization.generated.music.roll import draw_rolls
from leyden.visualization.labelled import draw_sheet

SHOWN = 8
"""Songs on the sheet."""
LONGEST = 128
"""Steps that are shown of a song."""


def music_tables(source: Source, seen: MusicInspection) -> list[str]:
    """Tables: songs and bars of each split, and the range of each voice."""
    counts = [
        [stage, f"{len(bars):,}", f"{int(bars.sum()):,}", f"{seen.known[stage]:,}"] for stage, bars in seen.bars.items()
    ]
    voices = [
        [f"{number + 1}", *("{} to {}".format(*seen.pitches[stage][number].tolist()) for stage in seen.splits)]
        for number in range(4)
    ]
    header = ["split", "songs", "whole bars", "of them in an earlier split, too"]
    return [markdown_table(header, counts), markdown_table(["MIDI pitches of voice", *seen.splits], voices)]


def music_sheet(source: Source, seen: MusicInspection) -> Tensor:
    """The begins of some songs of all splits as piano rolls: uint8 (3, H, W)."""
    places = [(stage, i) for stage, split in seen.splits.items() for i in range(len(split))]
    count, rolls = min(SHOWN, len(places)), []
    for k in range(count):
        stage, number = places[k * len(places) // count]
        song = seen.splits[stage][number]
        begin = int(song.bars[0])
        notes, onsets = (values[:, begin : begin + LONGEST] for values in (song.notes, song.onsets))
        rolls.append((f"{stage}: {printable(song.titles)}", notes, onsets))
    return draw_rolls(rolls) if rolls else draw_sheet([], [], "there is no song to show")
