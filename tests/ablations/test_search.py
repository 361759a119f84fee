"""The judgement at the end of a sampled study, from hand-made ledger entries."""

from pathlib import Path

import pytest

from ablations.search import write_judgement
from ablations.trials import Entry
from experiments.records import Record, Score, Validation
from experiments.search_file import SEARCH_NAME, SearchResult, read_search
from experiments.studies import Search, Study
from tests.ablations.conftest import Aps, make_entry, make_record

STUDY = Study(
    study="s", scale="cpu", data=None, data_fingerprint="f", hard_classes=["Severe_Rust", "Chipped"],
    search=Search(space=["roi_gamma"], objective="pareto", trials=3),
)  # fmt: skip


def setting(arm: str, *aps: Aps, state: str = "completed") -> Entry:
    """A job with one record per AP, of the seeds 0, 1, ..."""
    records = [make_record(f"{arm}-{seed}", ap, arm=arm, seed=seed) for seed, ap in enumerate(aps)]
    return make_entry(arm, state, *records, seeds=tuple(range(len(aps))))


def judged(runs_root: Path, *entries: Entry) -> SearchResult:
    result = write_judgement(STUDY, entries, runs_root=runs_root, score=None)
    assert result is not None
    assert read_search(runs_root / "s") == result
    return result


def test_without_a_completed_baseline_nothing_is_judged(tmp_path: Path) -> None:
    entries = [setting("baseline", 0.25, state="failed"), setting("plan", 0.25)]
    assert write_judgement(STUDY, entries, runs_root=tmp_path, score=None) is None
    assert not (tmp_path / "s" / SEARCH_NAME).exists()


def test_replicates_are_averaged_and_the_largest_ratio_of_the_front_is_chosen(tmp_path: Path) -> None:
    rust, chipped = {"Severe_Rust": 0.4}, {"Chipped": 0.6}
    result = judged(tmp_path, setting("baseline", 0.2, 0.3), setting("plan", rust, rust), setting("x", chipped, 0.25))
    assert [candidate.name for candidate in result.candidates] == ["baseline", "plan", "x"]
    assert [candidate.seeds for candidate in result.candidates] == [[0, 1]] * 3
    assert [pytest.approx(candidate.values) for candidate in result.candidates] == [
        [0.25, 0.25], [0.4, 0.25], [0.25, 0.425],
    ]  # fmt: skip
    assert [candidate.front for candidate in result.candidates] == [False, True, True]
    assert [candidate.chosen for candidate in result.candidates] == [False, False, True]
    # sqrt(0.426 / 0.251)
    assert result.candidates[2].ratio == pytest.approx(1.302771, abs=1e-6)


def test_baselines_queued_one_by_one_are_replicates_of_one_candidate(tmp_path: Path) -> None:
    baselines = [
        make_entry("baseline", "completed", make_record(f"b{seed}", ap, seed=seed), seeds=(seed,))
        for seed, ap in ((1, 0.2), (0, 0.3))
    ]
    result = judged(tmp_path, *baselines, setting("plan", 0.25, 0.25))
    assert result.candidates[0].seeds == [0, 1]
    assert result.candidates[0].overall == pytest.approx(0.25)


def test_what_is_not_completed_with_every_seed_of_the_baseline_is_left_out(tmp_path: Path) -> None:
    result = judged(
        tmp_path, setting("baseline", 0.25, 0.25), setting("short", 0.9), setting("pruned", 0.9, 0.9, state="pruned")
    )
    assert [candidate.name for candidate in result.candidates] == ["baseline"]


def test_where_nothing_beats_the_baseline_it_is_chosen_and_scored_once_per_seed(tmp_path: Path) -> None:
    scored: list[Path] = []

    def score(folder: Path) -> Record:
        scored.append(folder)
        known = 0.1 if folder.name == "baseline-0" else None
        scores = {
            name: Score(ap=ap, ap50=ap, boxes=9)
            for name in ("Broken", "Tip_Wear", "Scratched", "Severe_Rust", "Chipped", "all")
            for ap in [{"Chipped": known, "Broken": None}.get(name, 0.2 if known else 0.4)]
        }
        validation = Validation(iteration=1, model="teacher", split="test", scores=scores)
        return make_record(folder.name, validations=[validation])

    entries = [setting("baseline", 0.25, 0.25), setting("plan", 0.1, 0.1)]
    result = write_judgement(STUDY, entries, runs_root=tmp_path, score=score)
    assert result is not None
    baseline, plan = result.candidates
    assert (baseline.chosen, plan.chosen, plan.feasible) == (True, False, False)
    assert scored == [tmp_path / "arms" / "baseline-0", tmp_path / "arms" / "baseline-1"]
    assert baseline.test == pytest.approx(
        {"Broken": None, "Tip_Wear": 0.3, "Scratched": 0.3, "Severe_Rust": 0.3, "Chipped": 0.1, "all": 0.3}
    )
    assert plan.test is None
