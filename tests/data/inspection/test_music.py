"""What check-data sees of songs."""

from pathlib import Path

from tunes import tune_folder

from leyden.data.inspection.inspect import inspect
from leyden.data.inspection.music import MusicInspection
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.report.inspection.report import inspection_report, inspection_sheet


def test_songs_are_counted_and_drawn(tmp_path: Path) -> None:
    folder = tune_folder(tmp_path, 12)
    (folder / "broken.mid").write_bytes(b"")
    source = MidiFolder(str(folder), key="own")
    seen = inspect(source)
    assert isinstance(seen, MusicInspection)
    assert sum(int(bars.sum()) for bars in seen.bars.values()) == 48
    assert seen.pitches["train"][3].tolist() == [48, 57]
    report = inspection_report(source, seen)
    assert "| train | 9     | 36" in report
    assert "1 x unusable file (left out" in report
    sheet = inspection_sheet(source, seen)
    assert sheet.shape[0] == 3
    assert sheet.float().std() > 10
