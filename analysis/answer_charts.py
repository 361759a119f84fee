"""The charts of a study's answers in its report folder."""

from pathlib import Path

from analysis.answers import Answers
from analysis.forest import write_forest
from analysis.heat_map import write_heat_maps
from analysis.shapley_bars import write_shapley_bars
from analysis.target_chart import write_target_chart
from analysis.waterfall import write_waterfall


def write_answer_charts(answers: Answers, folder: Path) -> list[Path]:
    """Write ``effects``, ``interactions_<class>``, ``shapley``, ``synergy`` and ``targets``, each as PNG and SVG.

    What the study cannot tell at all has no chart: the tables and the CSV files say why. Returns the paths.
    """
    charts = (write_forest, write_heat_maps, write_shapley_bars, write_waterfall, write_target_chart)
    return [path for write in charts for path in write(answers, folder)]
