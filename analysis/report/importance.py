"""The report's section on a sampled study's parameters: with which of them the scores vary, and a surface over two."""

from pathlib import Path

from analysis.report.page import Picture, Section
from analysis.report.svg import inline
from experiments.errors import UserError

_KEY, _TITLE = "importance", "What the scores vary with"


def importance_section(folder: Path, *, study: str) -> Section:
    """Importances and contours from the study's ledger, whose charts are written to ``report/``; or why there are none.

    Args:
        folder: of a sampled study.
        study: its name.
    """
    from analysis.importance import open_ledger  # Optuna, which other studies do not wait for
    from analysis.importance_charts import describe_importance, write_importance_charts

    try:
        ledger = open_ledger(folder)
    except UserError as error:
        said = f"{error} With an address, `python -m analysis importance --study {study} --storage ...` draws them."
        return Section(_KEY, _TITLE, paragraphs=(said,))
    drawn = [path for path in write_importance_charts(ledger, study, folder / "report") if path.suffix == ".svg"]
    return Section(
        _KEY,
        _TITLE,
        paragraphs=tuple(describe_importance(ledger)),
        pictures=tuple(_picture(path) for path in drawn),
    )


def _picture(path: Path) -> Picture:
    caption = (
        "Shares of importance of the sampled settings."
        if path.stem == "importance"
        else "The score over two sampled settings, a dot for each, linear in between."
    )
    return Picture(
        inline(path.read_text(), name=path.stem, alt=f"{caption} The words above tell the figures."), caption
    )
