"""The report's section on what single runs do: precision over recall, and the teacher's boxes on the views of a group."""

from collections.abc import Sequence

from analysis.curves import Curves
from analysis.report.page import Picture, Section, Table
from analysis.report.svg import embedded
from analysis.results import Run
from experiments.exhibits_file import Exhibits

_PICTURES = 1  # of each run


def exhibits_section(
    exhibited: Sequence[tuple[Run, Exhibits]], *, curves: Curves | None, picture: Picture | None
) -> Section:
    """Curves as a chart and as a table, and each run's pictures; says so where nothing is exhibited."""
    key, title = "exhibits", "Single runs"
    if not exhibited:
        return Section(
            key, title, paragraphs=("No run's curves and pictures are here: the study's command makes them.",)
        )
    photographs = tuple(
        Picture(embedded(run.folder / name, alt=_caption(run)), _caption(run))
        for run, exhibits in exhibited
        for name in exhibits.pictures[:_PICTURES]
        if (run.folder / name).is_file()
    )
    tables: tuple[Table, ...] = ()
    if curves is not None:
        rows = tuple(
            (line.arm, panel.title, *(f"{line.points[place][1]:.2f}" for place in (20, 50, 80)))
            for panel in curves.panels
            for line in panel.lines
        )
        columns = ("arm", "class", "precision at recall 0.2", "at 0.5", "at 0.8")
        tables = (Table("Precision of the teacher on val, IoU 0.50", columns, rows),)
    paragraphs = (
        "One seed of the baseline and of the arm with the most factors on, of equals the first: what is seen here illustrates, "
        "and proves nothing.",
    )
    return Section(key, title, paragraphs, tables, (*([picture] if picture else []), *photographs))


def _caption(run: Run) -> str:
    return f"{run.arm}, seed {run.seed}: annotated boxes of a validation group above, the teacher's below."
