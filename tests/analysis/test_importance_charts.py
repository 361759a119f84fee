"""Charts of a sampled study: what is drawn, what is chosen, and that the warning stands below."""

import shutil
import warnings

import numpy as np
import optuna
from matplotlib.figure import Figure
from typer.testing import CliRunner

from analysis.commands import app
from analysis.importance import WARNING, Importance
from analysis.importance_charts import (
    contour_parameters,
    describe_importance,
    plot_importance,
    write_importance_charts,
)
from analysis.report.build import write_html
from analysis.report.importance import importance_section
from experiments.paths import REPOSITORY
from experiments.studies import Search, read_study, write_study

optuna.logging.set_verbosity(optuna.logging.ERROR)
UNIT = optuna.distributions.FloatDistribution(0.0, 1.0)
NAMES = ("roi_gamma", "first_thr", "second_thr")


def ledger(settings: int, *, storage: str | None = None) -> optuna.Study:
    """Rust rises with the first threshold, Chipped with the second."""
    study = optuna.create_study(study_name="focal", directions=["maximize"] * 2, storage=storage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # metric names are experimental
        study.set_metric_names(["Severe_Rust", "Chipped"])
    generator = np.random.default_rng(0)
    for _ in range(settings):
        drawn = {name: float(value) for name, value in zip(NAMES, generator.random(3), strict=True)}
        study.add_trial(
            optuna.create_trial(
                params=drawn,
                distributions=dict.fromkeys(NAMES, UNIT),
                values=[drawn["first_thr"], drawn["second_thr"]],
            )
        )
    return study


def test_bars_are_shares_of_one() -> None:
    ax = Figure().add_subplot()
    plot_importance(Importance("Chipped", "PED-ANOVA", 30, {"first_thr": 0.75, "roi_gamma": 0.25}), ax)
    assert [bar.get_width() for bar in ax.patches] == [0.75, 0.25]
    assert [text.get_text() for text in ax.texts] == ["75 %", "25 %"]
    assert ax.get_xlim() == (0, 1)


def test_thresholds_come_before_other_numbers() -> None:
    assert contour_parameters(ledger(3)) == ("first_thr", "second_thr")
    assert contour_parameters(ledger(0)) is None


def test_files_and_their_words(tmp_path) -> None:
    files = write_importance_charts(ledger(30), "thresholds", tmp_path)
    assert [path.name for path in files if path.suffix == ".svg"] == [
        "importance.svg", "contour_Severe_Rust.svg", "contour_Chipped.svg",
    ]  # fmt: skip
    text = (tmp_path / "importance.svg").read_text()
    assert "Importance is not effect" in text and "PED-ANOVA" in text
    few = write_importance_charts(ledger(5), "thresholds", tmp_path / "few")
    assert {path.stem for path in few} == {"contour_Severe_Rust", "contour_Chipped"}
    assert describe_importance(ledger(5))[0].startswith("Not estimated: importance (Severe_Rust): 5 settings")


def test_the_report_of_a_sampled_study_shows_them(tmp_path) -> None:
    for part in ("arms", "burn-in", "study-thresholds-tiny"):
        shutil.copytree(REPOSITORY / "docs/runs" / part, tmp_path / part)
    html = write_html(tmp_path / "study-thresholds-tiny").read_text()
    assert WARNING in html
    assert html.index('id="search"') < html.index('id="importance"') < html.index('id="learning"')
    (tmp_path / "study-thresholds-tiny/study.db").unlink()
    (said,) = importance_section(tmp_path / "study-thresholds-tiny", study="study-thresholds-tiny").paragraphs
    assert "holds no study.db" in said and "--storage ..." in said


def test_the_command_prints_and_writes(study) -> None:
    command = ["importance", "--study", "focal", "--runs-root", str(study.parent)]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2 and "is not the folder of a sampled study" in refused.stderr
    listed = read_study(study)
    assert listed is not None
    write_study(listed.model_copy(update={"search": Search(space=["x"], objective="pareto", trials=3)}), study)
    ledger(30, storage=f"sqlite:///{study / 'study.db'}")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "Importance is not effect" in result.stdout and "wrote 6 files" in result.stdout
    assert (study / "report" / "importance.png").exists()
