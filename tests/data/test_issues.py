from leyden.data.issues import Tally


def test_tally_counts_each_place_once() -> None:
    tally = Tally()
    assert str(tally) == ""
    for place in ("a.png", "b.png", "a.png"):
        tally.add("of 16 bits, scaled to 8", place)
    tally.add("hidden, not read", ".x", 1200)
    assert str(tally) == "1,200 x hidden, not read (.x ...); 2 x of 16 bits, scaled to 8 (a.png ...)"
