"""Charts of a study's answers: their numbers by hand, and what is drawn."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import sheet
from analysis.answer_charts import write_answer_charts
from analysis.answers import Answers
from analysis.attainment import attainment_of
from analysis.benchmarks.simulation import FACTORS
from analysis.effects import effects_of
from analysis.fits import Estimate
from analysis.forest import forest_of
from analysis.heat_map import file_names, heat_map_of
from analysis.numerals import plain, signed
from analysis.observations import from_scores
from analysis.shapley import shapley_of
from analysis.shapley_bars import shapley_bars_of, write_shapley_bars
from analysis.sheet import figures_text, fold_name, limits_of, p_text, span_of
from analysis.synergy import synergy_of
from analysis.target_chart import plot_targets, target_chart_of
from analysis.targets import goals_of
from analysis.waterfall import steps_of, waterfall_of
from experiments.goals import OVERALL, PLAN, Goals

HARD = ("Severe_Rust", "Chipped")
LONG = ("Severe_Rust_on_the_second_cutting_edge", "Chipped_flank", "Broken", "Built_up_edge_of_aluminium", "Wear")


def arms_of(design: str, factors: tuple[str, ...]) -> list[frozenset[str]]:
    every = [frozenset(on) for size in range(len(factors) + 1) for on in combinations(factors, size)]
    if design == "alone":
        return [arm for arm in every if len(arm) < 2]
    if design == "quarter":
        signs = [[1 if name in arm else -1 for name in factors] for arm in every]
        return [
            arm
            for arm, (a, b, c, d, e, f) in zip(every, signs, strict=True)
            if e == a * b * c and f == b * c * d
        ]  # fmt: skip
    return every


def answers(
    design: str = "factorial",
    *,
    factors: tuple[str, ...] = FACTORS[:3],
    seeds: int = 2,
    classes: tuple[str, ...] = ("Chipped", "Severe_Rust", "Broken"),
    hard: tuple[str, ...] = HARD,
    goals: Goals = PLAN,
    noise: float = 0.002,
) -> Answers:
    """Focal gains 0.10 in every class, anchors lose 0.02, and both together gain 0.04 more; baselines are 0.1, 0.2, ..."""
    generator = np.random.default_rng(0)
    scores: dict[str, dict[tuple[frozenset[str], str], float | None]] = {name: {} for name in (*classes, OVERALL)}
    for arm in arms_of(design, factors):
        gain = 0.10 * ("focal" in arm) - 0.02 * ("anchors" in arm) + 0.04 * ({"focal", "anchors"} <= arm)
        for seed in range(seeds):
            aps = [0.1 * (place + 1) + gain + noise * float(generator.normal()) for place in range(len(classes))]
            for name, ap in zip((*classes, OVERALL), (*aps, float(np.mean(aps))), strict=True):
                scores[name][(arm, str(seed))] = ap
    observed = [from_scores(name, factors, found) for name, found in scores.items()]
    by_name = dict(zip(scores, observed, strict=True))
    return Answers(
        study="planted",
        model="teacher",
        hard=hard,
        factors=factors,
        seeds=tuple(map(str, range(seeds))),
        effects=effects_of(observed, hard=hard),
        shapley=tuple(shapley_of(one, generator=generator, draws=50) for one in observed),
        synergy=tuple(synergy_of(one) for one in observed),
        targets=tuple(attainment_of(by_name[goal.class_name], goal) for goal in goals_of(goals)),
        efficiency=(),
        notes=(),
        unfinished=(),
    )


def long_goals() -> Goals:
    aim = PLAN.hard["Severe_Rust"]
    return PLAN.model_copy(update={"hard": {LONG[0]: aim, LONG[1]: aim}})


def test_words_of_figures() -> None:
    assert figures_text(Estimate(0.03, low=-0.0004, high=0.0604)) == "+0.030 (0.000 to +0.060)"
    assert figures_text(Estimate(-0.03)) == "-0.030 (no interval)"
    assert [signed(value) for value in (0.0004, -0.0004, -0.0006, 0.1)] == ["0.000", "0.000", "-0.001", "+0.100"]
    assert [plain(value) for value in (0.0, -0.0004, -0.02, 0.1)] == ["0.000", "0.000", "-0.020", "0.100"]
    assert [p_text(p) for p in (0.0004, 0.012, 1.0)] == ["p <.001", "p .012", "p 1.000"]
    assert fold_name("Severe_Rust_on_the_second_cutting_edge") == "Severe_Rust_on_the_\nsecond_cutting_edge"
    assert file_names(["A b/c", "A b:c", "Rust"]) == {"A b/c": "A_b_c", "A b:c": "A_b_c_", "Rust": "Rust"}


def test_panels_share_a_scale_unless_marks_would_lie_on_one_spot() -> None:
    limits, alike = limits_of([(0.1, 0.4), (-0.1, 0.1)])
    assert alike and limits == [pytest.approx((-0.125, 0.425))] * 2
    limits, alike = limits_of([(0.0, 0.6), (0.0, 0.1)])
    assert not alike and limits == [pytest.approx((-0.03, 0.63)), pytest.approx((-0.005, 0.105))]
    assert limits_of([(0.0, 0.0)] * 2) == ([pytest.approx((-0.0011, 0.0011))] * 2, True)  # nothing but zeros
    assert (
        limits_of([(-6e-19, 0.0), (0.0, 0.0003)])[0] == [pytest.approx((-0.0011, 0.0011))] * 2
    )  # no axis of rounding errors
    assert span_of([(0.5, Estimate(0.1, low=-0.1, high=0.3)), (0.0, Estimate(0.2))]) == pytest.approx((0.2, 0.8))


def test_forest_holds_every_factor_with_its_verdict_in_words() -> None:
    forest = forest_of(answers())
    assert forest is not None
    assert [panel.class_name for panel in forest.panels] == ["Severe_Rust", "Chipped", "all"]
    focal, anchors, pseudo = forest.panels[0].rows
    assert focal.estimate.value == pytest.approx(0.12, abs=0.005)  # 0.10 alone, 0.14 beside anchors
    assert (focal.verdict, focal.words) == ("up", "up, p <.001")
    assert anchors.estimate.value == pytest.approx(0.0, abs=0.005)
    assert pseudo.verdict == "none shown" and pseudo.words.startswith("none shown, p ")
    assert forest.title == "Study planted: what each factor does to AP\nteacher on val, seeds 0, 1"
    assert len(forest.notes) == 1  # neither aliases nor refusals


def test_forest_tells_aliases_refusals_and_missing_intervals() -> None:
    alone = forest_of(replace(answers("alone", seeds=1), unfinished=("pooling, seed 0", "fusion, seed 0")))
    assert alone is not None
    assert {row.verdict for panel in alone.panels for row in panel.rows} == {"no interval"}
    text = "\n".join(alone.notes)
    assert "Effect of focal, anchors, pseudo_labels: with the other factors off." in text
    assert "focal with -focal:anchors, -focal:pseudo_labels and 1 more" in text
    assert "No interval: no run is left to estimate the error from: train more seeds." in text
    assert "No interaction is estimated" in text
    assert "Not in these figures: 2 runs that did not complete." in text
    twins = answers(factors=FACTORS[:2])
    scores = {
        (frozenset(on), str(seed)): 0.1 + 0.1 * bool(on) + 0.01 * seed for on in ((), FACTORS[:2]) for seed in (0, 1)
    }
    told = effects_of([from_scores("Chipped", FACTORS[:2], scores)], hard=["Chipped"])
    assert forest_of(replace(twins, effects=told)) is None  # nothing can be told: no chart


def test_refused_factors_are_listed_below() -> None:
    found = answers()
    refused = effects_of(
        [
            from_scores(
                "Chipped",
                FACTORS[:2],
                {(frozenset(on), s): 0.1 + len(on) / 10 for on in ((), ("focal",)) for s in "01"},
            )
        ],
        hard=["Chipped"],
    )
    forest = forest_of(replace(found, effects=refused, factors=FACTORS[:2]))
    assert forest is not None
    assert "Not estimated: anchors (Chipped): no completed run has it on." in forest.notes


def test_heat_map_of_a_factorial_marks_what_stays() -> None:
    chart = heat_map_of(answers(), "Chipped")
    assert chart is not None
    cells = {(cell.row, cell.column): cell for cell in chart.cells}
    assert set(cells) == {(1, 0), (2, 0), (2, 1)}
    assert cells[1, 0].value == pytest.approx(0.04, abs=0.006)
    assert cells[1, 0].marked and cells[1, 0].words.splitlines()[0].endswith(" up")
    assert not cells[2, 0].marked
    assert chart.most == pytest.approx(cells[1, 0].value)


def test_heat_map_of_a_fraction_names_what_a_cell_stands_for() -> None:
    chart = heat_map_of(answers("quarter", factors=FACTORS), "Chipped")
    assert chart is not None
    words = {(cell.row, cell.column): (cell.kind, cell.words) for cell in chart.cells}
    assert len(words) == 15 and sum(kind == "estimated" for kind, _ in words.values()) == 7
    assert words[1, 0][1].endswith("\n= CE")  # the fifth factor is the product of the first three
    assert words[4, 2] == ("alias", "= AB")
    assert any("Hatched" in note for note in chart.notes)
    assert heat_map_of(answers("alone"), "Chipped") is None


def test_shapley_bars_add_up_and_name_the_method() -> None:
    chart = shapley_bars_of(answers())
    assert chart is not None
    assert chart.title.startswith("Study planted: Shapley values, exact\n")
    assert [panel.class_name for panel in chart.panels] == ["Severe_Rust", "Chipped", "all", "Broken"]
    values = dict(chart.panels[0].values)
    assert values["focal"].value == pytest.approx(0.12, abs=0.005)  # 0.10 and half of 0.04
    assert values["anchors"].value == pytest.approx(0.0, abs=0.005)
    assert shapley_bars_of(answers("alone")) is None


def test_waterfall_steps_reach_the_sum_and_the_total() -> None:
    found = next(part for part in answers().synergy if part.class_name == "Chipped")
    steps = steps_of(found)
    assert [(step.label, step.kind) for step in steps] == [
        ("focal", "gain"),
        ("anchors", "loss"),
        ("pseudo_labels", steps[2].kind),
        ("sum of gains alone", "sum"),
        ("gap (synergy)", "gap"),
        ("all together", "total"),
    ]
    assert steps[0].start == 0 and steps[1].start == steps[0].estimate.value
    ends = [step.start + step.estimate.value for step in steps]
    assert ends[2] == pytest.approx(steps[3].estimate.value) and ends[3] == steps[4].start
    assert ends[4] == pytest.approx(ends[5]) == pytest.approx(0.12, abs=0.01)
    chart = waterfall_of(answers())
    assert chart is not None
    assert {panel.verdict for panel in chart.panels} <= {"synergy", "none shown"}
    assert waterfall_of(answers("alone")) is None


def test_targets_are_lines_and_verdicts_words() -> None:
    chart = target_chart_of(answers(noise=0.0005))
    assert chart is not None
    rust, chipped, overall = chart.panels
    assert [(line.label, line.visible) for line in rust.lines] == [("5x", False), ("8x", False)]  # of 0.2
    assert [(line.label, line.visible) for line in chipped.lines] == [("2.5x", True), ("3.7x", True)]
    assert chipped.lines[0].height == pytest.approx(0.25, abs=0.002)
    assert chipped.limits == (0.0, pytest.approx(1.06 * 3.7 * 0.1, abs=0.01))
    assert len(chipped.rows) == 8 and chipped.rows[-1].label == "· B ·"  # lower than the baseline
    assert chipped.rows[0].verdicts == (("missed", "missed, P <.01"),) * 2
    assert next(row for row in chipped.rows if row.label == "baseline").verdicts == ()
    assert overall.rows[0].verdicts == (("met", "met, P >.99"),)


def test_target_notes_explain_what_is_there_alone() -> None:
    chart = target_chart_of(answers("alone", factors=FACTORS[:1], seeds=1))
    assert chart is not None
    assert [note for note in chart.notes if note.startswith(("Lines", "No best arm", "Best arm", "No interval"))] == [
        "No best arm was chosen: focal is the only one that switches a factor.",
        "No interval of a mean AP: a single seed cannot tell how far seeds differ.",
        "No interval of a change from the baseline: no run is left to estimate the error from: train more seeds.",
    ]
    assert not any("(P)" in note for note in chart.notes)
    ax = Figure().add_subplot()
    plot_targets(chart.panels[0], ax)
    assert not any(line.get_clip_on() for line in ax.lines if line.get_marker() in "Do")


def test_a_large_study_shows_its_highest_arms_by_letters_and_counts_the_others() -> None:
    chart = target_chart_of(answers(factors=FACTORS))
    assert chart is not None
    assert [len(panel.rows) for panel in chart.panels] == [13, 13, 13]
    assert all(row.label == "baseline" or row.label.startswith("A B") for row in chart.panels[0].rows)
    text = "\n".join(chart.notes)
    assert "A focal, B anchors, C pseudo_labels, D augmentation, E fusion, F pooling" in text
    assert "The 12 highest arms of each class are shown" in text
    assert "Severe_Rust, all 63 arms: 5x missed by 63; 8x missed by 63." in text


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (lambda: answers(), 14),
        (lambda: answers("factorial", factors=FACTORS), 14),
        (lambda: answers("quarter", factors=FACTORS), 14),
        (lambda: answers("alone", seeds=1), 4),
        (lambda: answers(factors=FACTORS[:1]), 6),
        (lambda: answers(classes=LONG, hard=LONG[:2], goals=long_goals()), 14),
    ],
    ids=["factorial", "64 arms", "fraction", "one seed", "one factor", "long names"],
)
def test_text_stays_inside_every_figure(given, names, tmp_path, monkeypatch) -> None:
    figures = []
    monkeypatch.setattr(
        sheet, "save_figure", lambda figure, folder, name: figures.append(figure) or [folder / name] * 2
    )
    assert len(write_answer_charts(given(), tmp_path)) == names
    for figure in figures:
        figure.draw_without_rendering()
        drawn = figure.get_tightbbox()  # inches
        width, height = figure.get_size_inches()
        assert width == pytest.approx(sheet.WIDTH)
        assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height
        assert all(text.get_fontsize() >= sheet.SMALL for ax in figure.axes for text in ax.texts)


def test_words_beside_an_axis_do_not_overlap(monkeypatch, tmp_path) -> None:
    figures = []
    monkeypatch.setattr(sheet, "save_figure", lambda figure, folder, name: figures.append(figure) or [])
    write_answer_charts(answers(factors=FACTORS, noise=0.02), tmp_path)
    for figure in figures:
        figure.draw_without_rendering()
        for ax in figure.axes:
            boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
            for one, other in combinations(boxes, 2):
                across = min(one.x1, other.x1) - max(one.x0, other.x0)
                along = min(one.y1, other.y1) - max(one.y0, other.y0)
                assert across <= 0 or along <= 0.25 * min(one.height, other.height)


@pytest.mark.parametrize("gain", [0.3, 0.02, 0.0006, 0.00002, 0.0])
def test_ticks_of_shapley_bars_do_not_run_into_each_other(gain, monkeypatch, tmp_path) -> None:
    figures = []

    def draw(figure, folder, name):
        figure.draw_without_rendering()  # while the sheet's sizes of letters hold
        figures.append(figure)
        return []

    monkeypatch.setattr(sheet, "save_figure", draw)
    found = answers()
    values = [-2 * gain, gain, 0.3 * gain]
    parts = [
        replace(part, values=tuple(
            replace(one, estimate=Estimate(value)) for one, value in zip(part.values, values, strict=True)
        ))
        for part in found.shapley
    ]  # fmt: skip
    write_shapley_bars(replace(found, shapley=tuple(parts)), tmp_path)
    (figure,) = figures
    for ax in (ax for ax in figure.axes if ax.axison):
        low, high = ax.get_xlim()
        labels = [tick.label1 for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
        assert len(boxes) >= 2
        assert all(other.x0 - one.x1 > 5 for one, other in pairwise(boxes))  # px, of 200 to the inch


def test_files_have_stable_names_and_are_the_same_twice(tmp_path) -> None:
    files = write_answer_charts(answers(), tmp_path)
    assert [path.name for path in files if path.suffix == ".svg"] == [
        "effects.svg", "interactions_Severe_Rust.svg", "interactions_Chipped.svg", "interactions_all.svg", "shapley.svg",
        "synergy.svg", "targets.svg",
    ]  # fmt: skip
    first = {path: path.read_bytes() for path in files}
    assert b"Severe_Rust</text>" in first[tmp_path / "effects.svg"]
    write_answer_charts(answers(), tmp_path)
    assert {path: path.read_bytes() for path in files} == first
