from leyden.data.source.attributes.segment_digits import SegmentDigits


def test_segments_of_a_display() -> None:
    names, attributes, values = SegmentDigits().attributes
    rows = zip(names, values, strict=True)
    lit = {name: {part for part, on in zip(attributes, row, strict=True) if on} for name, row in rows}
    assert lit["1"] == {"upper right", "lower right"}
    assert lit["7"] == lit["1"] | {"top"}
    assert lit["8"] == set(attributes)
    assert lit["4"] == {"upper left", "upper right", "middle", "lower right"}
    assert len({tuple(row.tolist()) for row in values}) == 10
