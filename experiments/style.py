"""How charts look: a colour-blind safe palette and sizes for a README and for print."""

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008); grey stands in for black, so that the baseline stays quiet.
PALETTE = ("#999999", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "++", "--")
INK = "#222222"

RC: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.labelsize": 11,
    "legend.fontsize": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a dollar sign in a class name is one
    "svg.fonttype": "none",  # text stays text: it can be searched, and scales with the reader's font
    "svg.hashsalt": "analysis",  # same numbers, same file
}


def bar_style(index: int) -> dict[str, Any]:
    """Colour and hatch of the arm in place ``index``; past the palette, colours repeat hatched."""
    turn, place = divmod(index, len(PALETTE))
    return {
        "facecolor": PALETTE[place],
        "hatch": _HATCHES[turn % len(_HATCHES)],
        "edgecolor": INK,
        "linewidth": 0.6,
    }


def add_title(figure: "Figure", *lines: str) -> None:
    """Give a figure a title on its left, each line folded where it is wider than the figure, long words too."""
    for columns in range(max(map(len, lines)), 0, -1):
        folded = "\n".join(textwrap.fill(line, columns) for line in lines)
        title = figure.suptitle(folded, x=0.01, ha="left", fontsize=RC["axes.titlesize"])
        if title.get_window_extent().x1 <= 0.99 * figure.bbox.width:
            return


def save_figure(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write ``name.png`` and ``name.svg`` into a folder, each atomically; returns both paths."""
    paths = []
    for kind in ("png", "svg"):
        path = folder / f"{name}.{kind}"
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        figure.savefig(temporary, format=kind, metadata={"Date": None} if kind == "svg" else None)
        os.replace(temporary, path)
        paths.append(path)
    return paths
