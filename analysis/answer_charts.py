"""The charts of a study's answers in its report folder."""

from collections.abc import Callable
from pathlib import Path

from analysis.answers import Answers
from analysis.forest import write_forest
from analysis.heat_map import write_heat_maps
from analysis.shapley_bars import write_shapley_bars
from analysis.target_chart import write_target_chart
from analysis.waterfall import write_waterfall

_CHARTS: dict[str, tuple[Callable[[Answers, Path], list[Path]], ...]] = {
    "effects": (write_forest, write_heat_maps),
    "shapley": (write_shapley_bars,),
    "synergy": (write_waterfall,),
    "targets": (write_target_chart,),
}


def write_answer_charts(answers: Answers, folder: Path, *, part: str | None = None) -> list[Path]:
    """Write ``effects``, ``interactions_<class>``, ``shapley``, ``synergy`` and ``targets``, each as PNG and SVG.

    What the study cannot tell at all has no chart: the tables and the CSV files say why. Returns the paths.

    Args:
        part: ``effects`` (with interactions), ``shapley``, ``synergy`` or ``targets`` alone; default all.
    """
    return [
        path
        for name, charts in _CHARTS.items()
        if part in (None, name)
        for write in charts
        for path in write(answers, folder)
    ]
