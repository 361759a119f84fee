"""The charts of ``docs``, drawn from the records in ``docs/runs``."""

from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.answers import answers_of
from analysis.charts import write_class_map
from analysis.forest import write_forest
from analysis.results import load_study
from analysis.summary import summarise
from analysis.target_chart import write_target_chart
from analysis.waterfall import write_waterfall
from tools.lock import ROOT

FOLDER = ROOT / "docs"


def draw(folder: Path) -> list[str]:
    """Draw all charts into a folder; returns their names."""
    names = ("fractional-16-all", "fractional-16-all-from-start", "alone-faults")
    sixteen, from_start, faults = (load_study(FOLDER / "runs" / name) for name in names)
    answers = answers_of(sixteen)
    with TemporaryDirectory() as place:
        drawn = {
            "fractional-16-effects.png": write_forest(answers, Path(place)),
            "fractional-16-from-start-effects.png": write_forest(answers_of(from_start), Path(place) / "from-start"),
            "fractional-16-synergy.png": write_waterfall(answers, Path(place)),
            "fractional-16-targets.png": write_target_chart(answers, Path(place)),
            "faults.png": write_class_map(summarise(faults, model="teacher"), Path(place)),
        }
        for name, (png, _) in drawn.items():
            (folder / name).write_bytes(png.read_bytes())
    return list(drawn)
