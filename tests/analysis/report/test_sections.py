import shlex
from itertools import combinations

import numpy as np
import pytest

from analysis.answers import ONE_SEED, answers_of, method_of
from analysis.report.build import begun_runs, levels_of, write_html
from analysis.report.limits import effects_placeholder, limits_of
from analysis.report.monitoring import alarms_section, gates_section
from analysis.report.page import Cell, Section
from analysis.report.runs import command_of, environment_section, unfinished_section
from analysis.report.verdict import verdict_of
from analysis.results import load_study
from analysis.summary import summarise
from experiments.config import parse_setting
from experiments.search_file import Candidate, read_search
from experiments.studies import StudyRun, read_study


def verdict(folder, limits=()):
    return verdict_of(summarise(load_study(folder), model="teacher"), limits=limits)


def test_the_verdict_says_what_was_met_and_what_cannot_be_told(made):
    met, untold = verdict(made, ["x"])
    assert met == (
        "Severe_Rust exceeded 5x of the baseline's AP in 1 of 2 arms and 8x in none (best: focal, 0.022 to 0.112, 5.09x); "
        "Chipped exceeded 2.5x of the baseline's AP in none of 2 arms (best: focal, 0.052 to 0.072, 1.38x); "
        "overall mAP did not fall by more than 5 % in 2 of 2 arms."
    )
    assert untold == (
        "This study cannot tell whether these differences are more than run-to-run noise, since some arms ran with a single "
        "seed; how good the best arm really is, since it was picked by the very scores that are shown; x; what 2 unfinished "
        'runs would have scored; nor how any of it carries over to data sets other than "bits".'
    )


def test_a_baseline_near_zero_leaves_the_verdict_undefined(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.0, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.0)
    met, _ = verdict(study)
    assert met == (
        "Chipped did not exceed 2.5x of the baseline's AP (focal, 0.100 to 0.100, 1.00x); overall mAP fell by more than 5 %; "
        "whether Severe_Rust reached its target is undefined, since the baseline's AP of Severe_Rust is near zero (0.000, below "
        "0.001)."
    )


def test_all_undefined_is_one_clause(study, add_run):
    for arm in ("baseline", "focal"):
        add_run(arm, 0.5, 0.0, 0.3, 0.0, 0.4)
    met, _ = verdict(study)
    assert met == (
        "Overall mAP did not fall by more than 5 %; whether Severe_Rust and Chipped reached their targets is undefined, since the "
        "baseline's AP of Severe_Rust is near zero (0.000, below 0.001) and the baseline's AP of Chipped is near zero (0.000, "
        "below 0.001)."
    )


def test_what_one_well_repeated_arm_cannot_tell(study, add_run):
    for arm in ("baseline", "focal"):
        for seed in (0, 1):
            add_run(arm, 0.5, 0.1, 0.3, 0.2, 0.4, seed=seed)
    assert verdict(study)[1] == 'This study cannot tell how any of it carries over to data sets other than "bits".'


def test_no_baseline_and_nothing_but_a_baseline(study, add_run):
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4)
    assert verdict(study)[0] == "No target can be judged: the study has no completed run of the baseline."
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    listed = read_study(study)
    (study / "study.json").write_text(listed.model_copy(update={"runs": listed.runs[1:]}).model_dump_json())
    assert verdict(study)[0] == "No target was judged: only the baseline has results."


FACTORS = ("baseline", "focal", "anchors", "focal+anchors")


def answered(folder):
    results = load_study(folder)
    return verdict_of(summarise(results, model="teacher"), limits=[], answers=answers_of(results))


def test_the_second_sentence_tells_effects_and_synergy(study, add_run):
    """Focal adds 0.1 to Severe_Rust, 0.1 more together with anchors, and takes as much from Broken, Scratched and Tip_Wear."""
    for arm in FACTORS:
        for seed in (0, 1, 2):
            wobble = 0.001 * ((len(arm) + seed) % 3 - 1)
            gain = 0.1 * ("focal" in arm) + 0.1 * (arm == "focal+anchors")
            add_run(arm, 0.5 - gain, 0.1 + wobble, 0.4 - gain, 0.02 + gain + wobble, 0.6 - gain, seed=seed)
    targets, factors, untold = answered(study)
    assert targets.startswith(
        "Severe_Rust exceeded 5x of the baseline's AP in 2 of 3 arms and 8x in 1 (best: focal+anchors, 0.020 to 0.220, "
        "11.00x), and by 95 % intervals the target is met in 2 and missed in 1; Chipped exceeded"
    )
    assert factors == (
        "Of 4 main effects on the hard classes 2 are beyond chance: focal (+0.150 on Severe_Rust) and anchors (+0.050 on "
        "Severe_Rust); "
        "on overall mAP, focal (-0.060) and anchors (-0.020); Severe_Rust shows synergy (+0.100); no synergy is shown for Chipped."
    )
    assert untold.startswith("This study cannot tell how good the best arm really is")


def test_effects_within_chance_and_effects_without_an_interval(study, add_run):
    for arm in FACTORS:
        add_run(arm, 0.5, 0.1, 0.3, 0.02, 0.4)
    assert answered(study)[1].startswith(
        "No effect on the hard classes can be told from chance, since no run is left to estimate the error from: train "
        "more seeds; whether there"
    )
    for seed in (1, 2):
        for place, arm in enumerate(FACTORS):
            wobble = 0.01 * ((place + seed) % 3 - 1)
            add_run(arm, 0.5, 0.1 + wobble, 0.3, 0.2 - wobble, 0.4, seed=seed)
    assert answered(study)[1].startswith("Of 4 main effects on the hard classes none is beyond chance; ")


def test_without_any_spread_the_verdict_gives_that_reason_and_means_alone_are_judged(study, add_run):
    """The control is no candidate: with it beside one arm, nothing was picked; and it meets no targets."""
    for seed in (0, 1, 2):
        for arm in ("baseline", "focal", "control"):
            add_run(arm, 0.5, 0.0, 0.3, 0.0, 0.4 - 0.1 * seed, seed=seed)
    targets, factors, untold = answered(study)
    assert targets.startswith(
        "Overall mAP did not fall by more than 5 % (by the means alone: there is no interval); whether Severe_Rust"
    )
    assert factors == (
        "No effect on the hard classes can be told from chance, since the runs do not differ beyond what arms and seeds "
        "account for."
    )
    assert untold == 'This study cannot tell how any of it carries over to data sets other than "bits".'


def test_the_mean_over_classes_is_spoken_of_where_no_hard_class_can_be_judged(study, add_run):
    """Hard classes at 0 throughout, Broken 0.1 up with focal, and 0.001 from seed to seed: 0.02 of the mean over five classes."""
    for seed, wobble in enumerate((0.0, 0.001, -0.001)):
        add_run("baseline", 0.5 + wobble, 0.0, 0.3, 0.0, 0.4, seed=seed)
        add_run("focal", 0.6 - wobble, 0.0, 0.3, 0.0, 0.4, seed=seed)
    factors = answered(study)[1]
    assert factors.startswith(
        "No effect on the hard classes can be told from chance, since the runs do not differ beyond"
    )
    assert "; on overall mAP, focal (+0.020)" in factors


def test_controls_alone_are_judged_by_no_target(study, add_run):
    for arm in ("baseline", "control"):
        add_run(arm, 0.5, 0.1, 0.3, 0.2, 0.4)
    assert verdict(study)[0] == (
        "No target was judged: beside the baseline only controls have results, which switch no factor."
    )


def test_one_seed_of_a_factorial_has_intervals_and_the_verdict_says_what_they_rest_on(study, add_run):
    generator = np.random.default_rng(0)
    for on in (on for size in range(4) for on in combinations(("focal", "anchors", "fusion"), size)):
        rust = float(0.3 + 0.01 * generator.normal())
        add_run("+".join(on) or "baseline", 0.5, 0.1, 0.3, rust, 0.4)
    _, factors, untold = answered(study)
    assert factors.startswith(
        "Of 3 main effects on the hard classes none is beyond chance; 3 more have no interval, since the runs do not differ beyond"
    )
    assert untold.startswith(
        "This study cannot tell whether factors act alike in other seeds, since every arm ran with a single seed (its intervals "
        "rest on what main effects and two-way interactions leave over); "
    )
    answers = answers_of(load_study(study))
    assert [note[:60] for note in method_of(answers, answers.effects)] == [ONE_SEED[:60]]


def test_a_sampled_study_is_judged_by_its_search(study, add_run, make_search):
    for name in ("baseline", "plan", "sample-001"):
        add_run(name, 0.5, 0.1, 0.3, 0.2, 0.4, sampled=name != "baseline")
    make_search()
    said = "No target was judged: the 2 sampled settings that have results are judged by the study's search, which "
    assert verdict(study)[0] == f"{said}has not been done yet."
    given = {"seeds": [0], "values": [0.2, 0.1], "overall": 0.3, "ratio": 1.0, "constraint": 0.0, "feasible": True}
    make_search(*(Candidate(name=name, chosen=name == "baseline", **given) for name in ("baseline", "plan")))
    judged = summarise(load_study(study), model="teacher", result=read_search(study))
    assert verdict_of(judged, limits=[])[0] == f"{said}chose the baseline (see Sampled settings)."


def test_a_target_that_no_ap_can_reach_is_called_so(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.3, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.4, 0.4)
    assert verdict(study)[0].startswith(
        "Severe_Rust did not exceed 5x of the baseline's AP (which is 1.50, above what an AP can be) (focal, 0.300 "
        "to 0.400, 1.33x); "
    )


def levels(*on):
    return {name: "on" if name in on else "off" for name in ("focal", "anchors", "fusion")}


def test_limits_of_designs():
    assert limits_of([levels()]) == []
    assert limits_of([levels(), levels("focal")]) == []
    assert limits_of([levels(), levels("focal"), levels("anchors")]) == [
        "whether improvements help each other, since no arm switches two of them on"
    ]
    assert limits_of([levels(), levels("focal", "anchors")]) == [
        "what focal and anchors did alone, since no two arms differ in nothing else",
        "every interaction apart from the others, since not all combinations have results",
    ]
    assert limits_of([levels(), levels("focal"), levels("anchors"), levels("focal", "anchors")]) == []


def test_without_effects_the_section_says_what_cannot_be_told():
    _, said = effects_placeholder([levels(), levels("focal"), levels("anchors")]).paragraphs
    assert said == "The design cannot tell whether improvements help each other, since no arm switches two of them on."
    assert "no effect to tell" in effects_placeholder([levels()]).paragraphs[0]


def test_sections_on_effects_take_the_placeholders_place(made):
    given = [Section("effects", "Effects"), Section("synergy", "Synergy", paragraphs=("It is 0.1.",))]
    html = write_html(made, effects=given).read_text()
    assert (
        html.index('id="targets"') < html.index('id="effects"') < html.index("It is 0.1.") < html.index('id="learning"')
    )
    assert "No effects were worked out" not in html


def test_traffic_lights(made):
    section = gates_section(begun_runs(read_study(made), made.parent))
    lights, failed = section.tables
    assert lights.columns == (
        "arm", "finite loss, from 0", "stable loss, from 100", "AP of Chipped, from 200", "AP of Severe_Rust, from 200",
        "overall AP, from 200", "loss falls, from 1,000",
    )  # fmt: skip
    good, bad, quiet = Cell("passed", "good"), Cell("failed", "bad"), Cell("not reached", "quiet")
    assert lights.rows == (
        ("baseline", good, good, bad, bad, good, quiet),
        ("focal", good, Cell("failed (1 of 2)", "bad"), bad, good, good, quiet),
        ("anchors", good, good, bad, bad, good, quiet),
    )
    assert failed.rows[5] == ("focal", "1", "stable loss", "100", bad, "The loss's CV was 3.4 %.")
    assert [fold.summary for fold in section.folds] == [
        f"Every verdict of {arm}" for arm in ("baseline", "focal", "anchors")
    ]
    assert len(section.folds[0].tables[0].rows) == 12


def test_many_failures_are_folded(study, add_run):
    told = [{"name": "memory", "milestone": n, "verdict": "failed", "says": "Too much."} for n in range(41)]
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, gates=told)
    section = gates_section(begun_runs(read_study(study), study.parent))
    assert len(section.tables) == 1
    assert [fold.summary for fold in section.folds] == ["What failed: 41 verdicts", "Every verdict of baseline"]


def test_a_line_that_some_seeds_lack_is_told(study, add_run):
    told = [{"name": "memory", "milestone": 5, "verdict": "passed", "says": "Well."}]
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, gates=told)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4)
    section = gates_section(begun_runs(read_study(study), study.parent))
    assert section.paragraphs == ("Without verdicts in their records: focal.",)
    assert gates_section([]).paragraphs == ("No run's record holds a verdict of the monitoring checklist.",)


def test_alarms_or_none(made):
    runs = begun_runs(read_study(made), made.parent)
    rows = alarms_section(runs).tables[0].rows
    assert [row[:4] for row in rows] == [
        ("focal", "0", "120 to 240", Cell("loss ratio", "warn")),
        ("focal", "1", "120 to 240", Cell("loss ratio", "warn")),
    ]
    assert alarms_section(runs[:2]).paragraphs == ("None of 2 runs raised an alarm.",)


def test_what_gave_no_result_is_listed_with_its_reason(made):
    rows = unfinished_section(load_study(made).unfinished).tables[0].rows
    assert rows == (
        ("anchors", "1", Cell("failed", "bad"), "the loss was NaN at iteration 212", "loss: nan"),
        ("fusion", "0", Cell("waiting, no record yet", "quiet"), "", ""),
    )
    assert unfinished_section([]).paragraphs == ("Every run of the study is completed.",)


def test_environment_says_who_differs(made):
    facts, cost = environment_section(begun_runs(read_study(made), made.parent)).tables
    assert dict(facts.rows)["data fingerprint"] == "f00d"
    assert dict(facts.rows)["torch"] == "2.13.0 (5 runs)\nnot recorded (anchors, seed 1)"
    assert cost.rows[0] == ("baseline", "0", "1024", "3.3 min", "1,234 MiB of main memory")


@pytest.mark.parametrize("name", ["focal", "an arm's name"])
def test_a_runs_command_asks_for_that_very_run(made, name):
    delta = {"a.gamma": 3.5, "b.ratios": [0.2, 1.0], "c.type": "Focal Loss", "d.flag": True}
    run = StudyRun(arm=name, seed=3, split=2, identity="beef", delta=delta)
    words = shlex.split(command_of(read_study(made).model_copy(update={"data": "/data/my bits"}), run))
    assert words[:5] == ["python", "-m", "experiments", "train", "cpu"]
    settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert dict(map(parse_setting, settings)) == delta
    folder = ["--study", f"{read_study(made).study}-alone", "--name", name]
    assert words[-10:] == ["--seed", "3", "--split", "2", *folder, "--data", "/data/my bits"]


def test_sampled_settings_have_no_levels(made):
    assert [sum(level == "on" for level in arm.values()) for arm in levels_of(load_study(made))] == [0, 1, 1]
