"""The end of a sampled study: judge its settings on val, choose one, score it and the baseline on test, write it down."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from ablations.arms import BASELINE
from ablations.objective import chosen, front, judge
from ablations.trials import Entry
from experiments.goals import OVERALL
from experiments.records import Record
from experiments.search_file import Candidate, SearchResult, write_search
from experiments.studies import Study, arm_folder

Score = Callable[[Path], Record]
"""Scores a completed run (its folder) on the test split and returns its record."""


def write_judgement(
    study: Study, entries: Sequence[Entry], *, runs_root: Path, score: Score | None
) -> SearchResult | None:
    """Judge every completed setting beside the baseline and write ``search.json``; ``None`` without a baseline.

    Args:
        score: scores a run on the test split; ``None`` where the data set has none. Only the chosen setting and the
            baseline are scored there: what is chosen on val is not also reported on it.
    """
    assert study.search is not None
    replicates: dict[str, list[Record]] = {}
    for entry in entries:
        if entry.state == "completed":
            records = [Record.model_validate(record) for record in entry.records.values()]
            replicates.setdefault(entry.arm, []).extend(records)
    baseline = replicates.get(BASELINE)
    if not baseline:
        return None
    judged = [
        judge(name, records, baseline=baseline, classes=study.hard_classes, floor=study.goals.overall_floor)
        for name, records in replicates.items()
        if {record.seed for record in records} == {record.seed for record in baseline}
    ]
    best, best_ones = chosen(judged), front(judged)
    reported = {BASELINE} | ({best.name} if best else set())
    result = SearchResult(
        objective=study.search.objective,
        classes=study.hard_classes,
        candidates=[
            Candidate(
                name=one.name,
                seeds=sorted(record.seed for record in replicates[one.name]),
                delta=replicates[one.name][0].delta,
                values=list(one.values),
                overall=one.overall,
                ratio=one.ratio,
                constraint=one.constraint,
                feasible=one.feasible,
                front=one in best_ones,
                chosen=one is best,
                test=_test_scores(replicates[one.name], runs_root, score) if score and one.name in reported else None,
            )
            for one in judged
        ],
    )
    write_search(result, runs_root / study.study)
    return result


def _test_scores(records: Sequence[Record], runs_root: Path, score: Score) -> dict[str, float | None] | None:
    """AP by class on the test split, mean over the replicates; ``None`` where one could not be scored there.

    A class is ``None`` where the split holds no box of it.
    """
    finals = [score(arm_folder(runs_root, record.identity)).final("teacher", "test") for record in records]
    scores = [final.scores for final in finals if final is not None]
    if len(scores) < len(records):
        return None
    means: dict[str, float | None] = {}
    for name in [*records[0].data.classes, OVERALL]:
        known = [value for one in scores if (value := one[name].ap) is not None]
        means[name] = fmean(known) if known else None
    return means
