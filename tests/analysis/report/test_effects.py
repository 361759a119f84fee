import pytest

from analysis.answers import answers_of
from analysis.report.build import write_html
from analysis.report.effects import effects_sections
from analysis.report.page import Cell
from analysis.results import load_study

TWO = {"classes": ["Chipped", "Dent"]}


@pytest.fixture
def factorial(study, add_run):
    """Both factors add to Chipped, focal 0.1 and anchors 0.02, in each of two seeds; Dent stays."""
    for arm in ("baseline", "focal", "anchors", "focal+anchors"):
        for seed in (0, 1):
            gain = 0.1 * ("focal" in arm) + 0.02 * ("anchors" in arm)
            wobble = 0.001 * (1 if (len(arm) + seed) % 2 else -1)
            add_run(arm, 0.1 + gain + wobble, 0.3, seed=seed, **TWO)
    return study


def test_sections_of_a_factorial(factorial):
    sections = {section.key: section for section in effects_sections(answers_of(load_study(factorial)))}
    assert list(sections) == ["certainty", "effects", "shapley", "synergy"]
    main, pairs = sections["effects"].tables
    assert main.columns == ("effect", "class", "change of AP (95 %)", "p", "verdict")
    rows = {(row[0], row[1]): row for row in main.rows}
    focal = rows["focal", "Chipped"]
    assert focal[2].startswith("+0.100 (+0.09") and focal[4] == Cell("up", "good")
    assert [row[0] for row in pairs.rows] == ["focal:anchors"] * 2
    (certainty, overall) = sections["certainty"].tables
    assert certainty.columns == ("arm", "change of AP (95 %)", "ratio", "2.5x", "3.7x")
    assert certainty.rows[0][3][0].text in ("missed", "underpowered")
    assert certainty.rows[-1][0].startswith("best: ") and overall.columns[-1] == "≥ 0.95x"
    (shapley,) = sections["shapley"].tables
    assert [row[0] for row in shapley.rows] == ["focal", "anchors", "total"]
    (synergy,) = sections["synergy"].tables
    assert [row[0] for row in synergy.rows] == ["Chipped", "Dent", "overall"]


def test_the_report_works_them_out_and_writes_their_files(factorial):
    html = write_html(factorial).read_text()
    order = [html.index(f'id="{key}"') for key in ("targets", "certainty", "effects", "shapley", "synergy", "learning")]
    assert order == sorted(order)
    assert "No effects were worked out" not in html
    assert (factorial / "report" / "effects.csv").exists()


def test_without_effects_there_is_no_section(study, add_run):
    add_run("baseline", 0.1, 0.3, **TWO)
    assert effects_sections(answers_of(load_study(study))) == ()
