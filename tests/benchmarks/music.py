"""How long the chorales take to read: our MusicXML reader beside music21's own, on the same files, one after the other.

python tests/benchmarks/music.py
"""

import time

import music21

from leyden.data.source.music.chorales import Chorales

FILES = 24


def main() -> None:
    """Prints seconds and their ratio."""
    source = Chorales(key="own", songs=FILES)
    files = source.files()
    files = [files[i * len(files) // FILES] for i in range(FILES)]
    music21.converter.parse(files[0])  # what it sets up once
    seconds = []
    for read in (source.read, lambda file: music21.converter.parse(file, forceSource=True)):
        start = time.process_time()
        for file in files:
            read(file)
        seconds.append(time.process_time() - start)
    ours, theirs = (each / FILES * len(source.files()) for each in seconds)
    count = len(source.files())
    print(f"{count} chorales: ours {ours:.1f} s, music21 {theirs:.1f} s, {theirs / ours:.0f} times as long")


if __name__ == "__main__":
    main()
