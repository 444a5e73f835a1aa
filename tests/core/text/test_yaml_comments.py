from leyden.core.text.yaml_comments import comments, heading

TEXT = """\
# @package _global_
# leyden run experiment=mine
# What it is,
# in two lines.
lab:            # the lab
  title: "a # b"  # one line
  minutes: 3
  # above it
  expect: {min: 1}  # beside it
  widths:       # of each
    - 1
model:
  lr: "1e-3 # no comment"
  jobs: auto    # at a time,
                # or not
  # of no key
url: http://a#b
"""


def test_comments_belong_to_keys() -> None:
    assert comments(TEXT) == {
        "lab": "the lab",
        "lab.title": "one line",
        "lab.expect": "above it beside it",
        "lab.widths": "of each",
        "model.jobs": "at a time, or not",
    }


def test_heading_without_commands() -> None:
    assert heading(TEXT) == ["What it is,", "in two lines."]
    assert heading("a: 1  # b\n") == []
    assert comments("# only this\n") == {}
