"""The doctor: every check over one run that is not begun yet."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.doctor import anchor_checks, data_checks, model_checks, setting_checks
from experiments.doctor.anchors import Coverage
from experiments.doctor.case import Case, Check, prepare
from experiments.doctor.findings import Finding, by_level
from experiments.doctor.teacher import examine_teacher
from experiments.paths import runs_root
from experiments.runs import default_split


def _teacher_findings(case: Case) -> list[Finding]:
    return examine_teacher(
        case.settings, config=case.config, delta=case.delta, description=case.description, data=case.data, seed=case.seed,
        split=case.split, runs_root=runs_root(),
    )  # fmt: skip


# In the order they are told in. A check is added by adding it here, or to its module's CHECKS.
CHECKS = (
    *data_checks.CHECKS,
    *setting_checks.CHECKS,
    *model_checks.CHECKS,
    *anchor_checks.CHECKS,
    Check("teacher scores", ("data", "model"), _teacher_findings),
)


@dataclass(frozen=True)
class Report:
    """What the doctor found.

    Attributes:
        findings: the most serious first.
        passed: names of the checks that found nothing.
        skipped: names of those that could not run: data or model are missing.
        coverage: of the labelled boxes by sets of anchor ratios, the configured first, then the scales that a remedy proposes;
            empty where it is not known.
    """

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    coverage: tuple[Coverage, ...]


def examine(config: str, delta: Mapping[str, Any], *, data: Path, seed: int = 0, split: int | None = None) -> Report:
    """Run every check on a run as :func:`experiments.train.train_run` would train it.

    Args:
        config: name of a scale or path of a config file.
        delta: dotted config paths -> values.
        data: the data set folder.
        seed, split: of the run; see :func:`experiments.runs.default_split`.

    Raises:
        UserError: the config or its changes are no config, or the folder is no data set.
    """
    case, findings = prepare(
        config, delta, data=data, seed=seed, split=default_split(seed, data) if split is None else split
    )
    passed, skipped = [], []
    coverage: list[Coverage] = []
    for check in CHECKS:
        if not all(case.has(need) for need in check.needs):
            skipped.append(check.name)
            continue
        try:
            found = check.find(case)
        except Exception as error:  # a config of one's own may lack what a check reads, or hold what it cannot use
            found = [Finding(
                check.name, "warning", f"It could not be checked: {error}", f"The check raised {type(error).__name__}.",
                "Compare the settings with a shipped config's, `python -m experiments config cpu`.",
            )]  # fmt: skip
        findings += found
        if not found:
            passed.append(check.name)
    if case.has("data"):
        with suppress(Exception):  # told by the check
            coverage = anchor_checks.shown(case)
    return Report(tuple(by_level(findings)), tuple(passed), tuple(skipped), tuple(coverage))
