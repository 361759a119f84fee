"""Pictures made part of a page: charts, whose ids are their own and whose inks follow the page's light or dark; photographs."""

import base64
import html
import re
from pathlib import Path

# What experiments.style draws with, and the page's own colours for it.
_INKS = {
    "#222222": "currentColor",
    "#000000": "currentColor",
    "#dddddd": "var(--rule)",
    "#c4c4c4": "var(--faint)",
    "#ffffff": "var(--page)",
}
_NUMBERS = re.compile(r"-?\d+\.\d{3,}")


def inline(svg: str, *, name: str, alt: str) -> str:
    """The ``svg`` element alone, described by ``alt`` for those who do not see it.

    Args:
        svg: a file as matplotlib writes it, text kept as text.
        name: prefix of its ids, other than that of any other chart on the page.
        alt: what it shows, in a sentence or two.
    """
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r' (?:d|x|y|points|transform)="[^"]*"', lambda found: _NUMBERS.sub(_rounded, found[0]), text)
    for ink, colour in _INKS.items():
        text = text.replace(ink, colour)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", text)
    opening, rest = text.split(">", 1)
    opening = re.sub(r' (?:width|height|version|xmlns(?::xlink)?)="[^"]*"', "", opening)
    label = html.escape(alt, quote=True)
    return f'{opening} xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{label}">{rest.strip()}'


def embedded(path: Path, *, alt: str) -> str:
    """A JPEG file as an ``img`` element that holds it, described by ``alt``."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<img class="photograph" alt="{html.escape(alt, quote=True)}" src="data:image/jpeg;base64,{content}">'


def _rounded(number: re.Match[str]) -> str:
    """Hundredths of a point are finer than any screen; the page stays small."""
    return f"{float(number[0]):.2f}"
