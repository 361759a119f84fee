"""From records to answers, their frames, files, tables and commands, on planted studies of three factors."""

import io
import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from analysis import answer_tables
from analysis.aliases import Alias
from analysis.answer_frames import (
    alias_text,
    effects_frame,
    efficiency_frame,
    shapley_frame,
    synergy_frame,
    targets_frame,
)
from analysis.answer_tables import _alias_legend
from analysis.answers import METHOD, Answers, answers_of
from analysis.commands import app
from analysis.latex import latex
from analysis.results import load_study

FACTORS = ("focal", "anchors", "fusion")


@pytest.fixture
def planted(study, add_run):
    """Fill the study with a factorial of three factors (or some of its arms); rust gains from focal, and with anchors more."""

    def fill(*, seeds: int = 2, most: int = 3, noise: float = 0.004, least: int = 0):
        generator = np.random.default_rng(0)
        for size in range(most + 1):
            for on in combinations(FACTORS, size) if size in (0, *range(least, most + 1)) else ():
                for seed in range(seeds):
                    rust = 0.05 + 0.30 * ("focal" in on) + 0.10 * ({"focal", "anchors"} <= set(on))
                    aps = np.array([0.5, 0.1, 0.3, rust, 0.4]) + noise * generator.normal(size=5)
                    add_run("+".join(on) or "baseline", *map(float, aps), seed=seed, split=seed)
        return study

    return fill


def shown(answers: Answers, show, **options) -> str:
    stream = io.StringIO()
    show(answers, Console(file=stream, width=100, markup=False), **options)
    assert max(map(len, stream.getvalue().splitlines())) <= 100
    return stream.getvalue()


def test_a_factorial_is_answered(planted):
    answers = answers_of(load_study(planted()))
    assert (answers.hard, answers.factors, answers.seeds) == (("Severe_Rust", "Chipped"), FACTORS, ("0", "1"))
    focal = next(e for e in answers.effects.main if (e.class_name, e.effect) == ("Severe_Rust", "focal"))
    assert focal.estimate.value == pytest.approx(0.35, abs=0.01)
    assert (focal.verdict, focal.family) == ("up", "hard")
    text = shown(answers, answer_tables.print_effects)
    assert "focal:anchors" in text and "verdicts go by p" in text
    assert "Broken" not in text and "3 other classes are shown with --every" in text
    assert "Broken" in shown(answers, answer_tables.print_effects, every=True)
    assert "Severe_Rust: together they gain more than the sum" in shown(answers, answer_tables.print_synergy)
    assert "total" in shown(answers, answer_tables.print_shapley)
    targets = shown(answers, answer_tables.print_targets)
    assert "best: focal+anchors" in targets and "chosen as the best of 7 arms" in targets


def test_what_one_seed_and_few_arms_cannot_tell_is_said(planted, add_run):
    add_run("pooling", recorded=False)
    answers = answers_of(load_study(planted(seeds=1, most=1)))
    effects = shown(answers, answer_tables.print_effects)
    assert "Effect of focal, anchors, fusion: with the other factors off." in effects
    assert "No interval: no run is left to estimate the error from: train more seeds." in effects
    assert "waiting, no record yet: pooling, seed 0" in effects
    assert "Not estimated: pooling (Chipped, Severe_Rust, all): no completed run has it on." in effects
    assert "Not estimated: Shapley values" in shown(answers, answer_tables.print_shapley)
    assert "completed run: pooling, all together" in shown(answers, answer_tables.print_synergy).replace("\n", " ")
    assert "underpowered" in shown(answers, answer_tables.print_targets)


def test_intervals_and_probabilities_are_explained(planted):
    full = answers_of(load_study(planted()))
    effects = shown(full, answer_tables.print_effects)
    assert "By letters" not in effects and METHOD[:40] in effects
    assert "P: probability that the target is met." in shown(full, answer_tables.print_targets)


def test_what_is_not_shown_is_not_explained(planted):
    alone = answers_of(load_study(planted(seeds=1, most=1)))
    targets = " ".join(shown(alone, answer_tables.print_targets).split())
    assert "Ranges are" not in targets and "P:" not in targets and "or there is none." in targets
    for show in (answer_tables.print_synergy, answer_tables.print_effects, answer_tables.print_targets):
        assert "Intervals are made" not in shown(alone, show)


def test_the_legend_of_aliases_tells_the_signs_that_occur(planted):
    two = [effect for effect in answers_of(load_study(planted(most=1))).effects.main if effect.effect == "focal"]
    letters = {"focal": "A", "anchors": "B", "fusion": "C"}
    assert _alias_legend(two, letters)[1:] == ["-AB: with the opposite sign."]
    (first, *_) = two
    crowded = replace(first, aliases=(Alias("focal:anchors", -0.1), Alias("anchors:fusion", 1.0)), more=3)
    assert _alias_legend([crowded], letters) == [
        "Aliases cannot be told from the effect that they stand beside. By letters: A focal, B anchors, C fusion.",
        "-0.10 is the share of the alias behind it; +3: that many more (effects.csv names those of up to three factors).",
    ]
    assert _alias_legend([replace(first, aliases=(), more=0)], letters) == []


def test_names_are_whole_where_output_is_no_terminal(planted):
    folder = planted(seeds=1, most=2)
    printed = CliRunner().invoke(
        app, ["effects", "--study", "focal", "--runs-root", str(folder.parent)], env={"COLUMNS": "60"}
    )
    assert "anchors:fusion" in printed.stdout and max(map(len, printed.stdout.splitlines())) > 80


def test_frames_hold_every_figure_and_every_refusal(planted):
    answers = answers_of(load_study(planted(most=1)))
    effects = effects_frame(answers)
    assert len(effects[effects["verdict"] == "refused"]) == 3 * 6  # three interactions of six classes
    assert set(effects["class"]) == {"Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "all"}
    assert effects.loc[0, "by seed"].startswith("0: ")
    assert set(shapley_frame(answers)["verdict"]) == set(synergy_frame(answers)["verdict"]) == {"refused"}
    targets = targets_frame(answers)
    assert targets[["class", "best"]].value_counts().to_dict() == {
        ("Severe_Rust", False): 6, ("Severe_Rust", True): 2, ("Chipped", False): 6, ("Chipped", True): 2,
        ("all", False): 3, ("all", True): 1,
    }  # fmt: skip


def test_efficiency_is_ap_over_the_share_of_boxes(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.006, 0.4)  # nine boxes of each of five classes
    table = efficiency_frame(answers_of(load_study(study))).set_index("class")
    assert table.loc["Severe_Rust", ["boxes", "share", "AP"]].tolist() == [9, 0.2, 0.006]
    assert table.loc["Severe_Rust", "AP / share"] == pytest.approx(0.03)


def test_aliases_are_written_with_their_share_and_number(planted):
    answers = answers_of(load_study(planted(most=1)))
    focal = next(effect for effect in answers.effects.main if effect.effect == "focal")
    assert alias_text(focal, most=1) == "-focal:anchors and 2 more"
    letters = {"focal": "A", "anchors": "B", "fusion": "C"}
    assert alias_text(focal, most=3, letters=letters) == "-AB, -AC, ABC"
    assert alias_text(focal, most=2, letters=letters) == "-AB, -AC +1"


def test_latex_is_escaped_and_rounded():
    frame = pd.DataFrame(
        {"class": ["Severe_Rust", "50 % & more"], "AP": [0.12345, float("nan")], "best": [True, False]}
    )
    text = latex(frame, caption="A study_1", label="tab:x")
    assert r"\begin{longtable}{lrl}" in text
    assert r"\caption{A study\_1}\label{tab:x} \\" in text
    assert r"Severe\_Rust & $0.123$ & yes \\" in text
    assert r"50 \% \& more & -- & no \\" in text
    assert text.endswith("\\end{longtable}\n")


@pytest.mark.parametrize("command", ["effects", "shapley", "synergy", "targets"])
def test_commands_print_json_and_write_files(planted, command):
    folder = planted(seeds=2)
    result = CliRunner().invoke(app, [command, "--study", "focal", "--runs-root", str(folder.parent), "--json"])
    assert result.exit_code == 0, result.output
    plain = json.loads(result.stdout)
    assert plain["study"] == "focal" and plain[command]
    names = ("effects", "shapley", "synergy", "targets", "efficiency", "results")
    charts = [command]  # its own alone; the report draws all
    if command == "effects":
        charts += [f"interactions_{name}" for name in ("Severe_Rust", "Chipped", "all")]
    assert sorted(p.name for p in (folder / "report").iterdir()) == sorted(
        [f"{n}.{e}" for n in names for e in ("csv", "tex")] + [f"{n}.{e}" for n in charts for e in ("png", "svg")]
    )
    files = len(plain["files"])
    assert files == 12 + 2 * len(charts)
    printed = CliRunner().invoke(app, [command, "--study", "focal", "--runs-root", str(folder.parent)])
    assert printed.exit_code == 0 and f"wrote {files} files to" in printed.stdout


def test_unfinished_runs_have_a_file_of_their_own(planted, add_run):
    add_run("pooling", status="failed", reason="out of memory")
    folder = planted(most=1)
    CliRunner().invoke(app, ["effects", "--study", "focal", "--runs-root", str(folder.parent)])
    assert (folder / "report" / "unfinished.csv").read_text().splitlines() == [
        "arm,seed,split,status,reason", "pooling,0,0,failed,out of memory",
    ]  # fmt: skip


def test_mistakes_are_one_sentence_and_exit_code_2(study, add_run):
    add_run("baseline", status="failed", reason="out of memory")
    for name, said in (("fokal", "There is no study 'fokal'"), ("focal", "failed: out of memory")):
        result = CliRunner().invoke(app, ["effects", "--study", name, "--runs-root", str(study.parent)])
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
