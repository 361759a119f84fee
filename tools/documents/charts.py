"""The charts of ``docs``, drawn from the records in ``docs/runs``."""

from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.answer_charts import write_answer_charts
from analysis.answers import answers_of
from analysis.charts import write_class_map
from analysis.results import load_study
from analysis.summary import summarise
from tools.lock import ROOT

FOLDER = ROOT / "docs"
CHARTS = {
    "fractional-16-effects.png": ("fractional-16-all", "effects"),
    "fractional-16-synergy.png": ("fractional-16-all", "synergy"),
    "fractional-16-targets.png": ("fractional-16-all", "targets"),
    "faults.png": ("alone-faults", "per_class_map"),
}
"""Name in ``docs`` -> study, and the chart's name in its report."""


def draw(folder: Path) -> None:
    """Draw all of :data:`CHARTS` into a folder."""
    for study in {study for study, _ in CHARTS.values()}:
        loaded = load_study(FOLDER / "runs" / study)
        wanted = {chart: name for name, (of, chart) in CHARTS.items() if of == study}
        with TemporaryDirectory() as drawn:
            for chart in wanted:
                if chart == "per_class_map":
                    write_class_map(summarise(loaded, model="teacher"), Path(drawn))
                else:
                    write_answer_charts(answers_of(loaded), Path(drawn), part=chart)
            for chart, name in wanted.items():
                (folder / name).write_bytes((Path(drawn) / f"{chart}.png").read_bytes())
