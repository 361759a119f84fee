"""The report's section on single runs: curves, a table and embedded pictures."""

from pathlib import Path

import pytest
from PIL import Image

from analysis.curves import exhibited, precision_curves
from analysis.report.build import write_html
from analysis.report.exhibits import exhibits_section
from analysis.results import load_study
from experiments.exhibits_file import Exhibits, write_exhibits

CURVE = [1.0] * 51 + [0.25] * 50


@pytest.fixture
def shown(made: Path) -> Path:
    """The made study, where the first runs of baseline and focal have curves and pictures."""
    for arm in ("baseline", "focal"):
        folder = next(run.folder for run in load_study(made).completed if (run.arm, run.seed) == (arm, 0))
        write_exhibits(
            Exhibits(precision={"Severe_Rust": CURVE, "Broken": [0.0] * 101}, pictures=["views-1.jpg"]), folder
        )
        Image.new("RGB", (40, 20)).save(folder / "views-1.jpg")
    return made


def test_the_hard_classes_have_a_panel_with_a_line_per_exhibited_arm(shown: Path) -> None:
    curves = precision_curves(load_study(shown))
    assert curves is not None
    (panel,) = curves.panels  # Chipped has no curve, and Broken is not hard
    assert panel.title == "Severe_Rust"
    assert [line.arm for line in panel.lines] == ["baseline", "focal"]
    assert panel.lines[0].points[50] == (0.5, 1.0)
    assert panel.lines[0].points[80] == (0.8, 0.25)


def test_the_section_has_figures_in_words_and_pictures_in_the_page(shown: Path) -> None:
    study = load_study(shown)
    section = exhibits_section(exhibited(study), curves=precision_curves(study), picture=None)
    assert section.tables[0].rows[0] == ("baseline", "Severe_Rust", "1.00", "1.00", "0.25")
    assert len(section.pictures) == 2
    assert section.pictures[0].markup.startswith('<img class="photograph" alt="baseline, seed 0: annotated boxes')
    page = write_html(shown).read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert (shown / "report" / "precision_recall.svg").is_file()


def test_without_any_it_says_so(made: Path) -> None:
    assert precision_curves(load_study(made)) is None
    assert exhibits_section([], curves=None, picture=None).paragraphs[0].startswith("No run's curves and pictures")
