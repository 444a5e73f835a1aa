"""Pages of HTML that stand alone: pictures are part of them, nothing is loaded, nothing runs, all text is escaped."""

import base64
import html
from collections.abc import Iterable, Sequence
from typing import NewType

Markup = NewType("Markup", str)
"""HTML that is safe to show; a plain string becomes it by ``words`` alone."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2127; --paper: #ffffff; --soft: #5b6470; --line: #d5dae0; --band: #f4f6f8;
  --warn: #fff3d6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --paper: #16191d; --soft: #9aa4b0; --line: #363d46; --band: #1f242a; --warn: #4a3a12; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 84rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .5rem; }
.note { margin: .5rem 0; padding: .5rem .8rem; background: var(--warn); border-radius: .4rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); }
summary { cursor: pointer; margin: .8rem 0; }
.grid { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.row { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-end; }
figure { margin: 0; max-width: 100%; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: .3rem; }
figcaption { margin-top: .3rem; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A browser that would find a script or an outside address all the same does not follow it."""


def words(text: str) -> Markup:
    """Text as it is, whatever it looks like."""
    return Markup(html.escape(text))


def element(tag: str, *inner: Markup, **attributes: str) -> Markup:
    """``<tag attribute="...">inner</tag>``; an attribute ``class_`` is ``class``."""
    own = "".join(f' {name.rstrip("_")}="{html.escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{own}>{''.join(inner)}</{tag}>")


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> Markup:
    """A table that scrolls sideways where it is wider than the page."""
    head = element("tr", *(element("th", words(text), scope="col") for text in header))
    rows = (element("tr", *(element("td", words(text)) for text in line)) for line in lines)
    return element("div", element("table", element("thead", head), element("tbody", *rows)), class_="wide")


def figure(png: bytes, alt: str, caption: str = "") -> Markup:
    """A picture that is part of the page, with words for those who cannot see it."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    image = Markup(f'<img src="{source}" alt="{html.escape(alt)}">')
    return element("figure", image, *([element("figcaption", words(caption))] if caption else []))


def section(title: str, *inner: Markup) -> Markup:
    """A heading and what stands below it; nothing where there is nothing."""
    return element("section", element("h2", words(title)), *inner) if any(inner) else Markup("")


def page(title: str, *inner: Markup) -> str:
    """The whole document.

    Args:
        title: of the window.
        inner: what stands in it, from the top.
    """
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        element("title", words(title)),
        f"<style>{STYLE}</style>",
    )
    start = '<!DOCTYPE html>\n<html lang="en">\n'
    return f"{start}<head>\n" + "\n".join(head) + "\n</head>\n<body>\n" + "\n".join(inner) + "\n</body>\n</html>\n"
