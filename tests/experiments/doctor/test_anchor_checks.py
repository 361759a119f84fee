"""The advice on anchors, on boxes of a few shapes: where it ends, what it costs, and which goes first."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.config import load_config
from experiments.doctor.anchor_checks import LEAST_COVERED, convention_findings, coverage_findings, coverages, shown
from experiments.doctor.boxes import Boxes
from experiments.doctor.case import Case
from experiments.doctor.findings import Finding

_ANCHORS = "model.detector.rpn_head.anchor_generator"
# (number, width, height) by class: most are wide, a few thin and tall.
MIXED = {"dent": (26, 17, 15), "stain": (10, 38, 13), "hairline crack": (2, 7, 36)}


@dataclass(frozen=True)
class Drawn(Case):
    """A case of boxes of these shapes, strewn over views of 80 x 128 px."""

    shapes: Mapping[str, tuple[int, float, float]]

    def boxes(self, part: str) -> Boxes:
        generator = np.random.default_rng(0)
        xyxy, labels = [], []
        for label, (number, width, height) in enumerate(self.shapes.values()):
            sides = np.array([width, height]) * np.exp(generator.uniform(-0.2, 0.2, (number, 2)))
            corners = generator.uniform(0, 1, (number, 2)) * (np.array([128, 80]) - sides)
            xyxy.append(np.hstack([corners, corners + sides]))
            labels += [label] * number
        return Boxes(np.vstack(xyxy), np.array(labels))


def drawn(delta: Mapping[str, Any], shapes: Mapping[str, tuple[int, float, float]] = MIXED) -> Case:
    settings = load_config("tiny", {"model.detector.backbone.mvvit.image_size": [80, 128], **delta})
    description = {"classes": list(shapes), "image_size": [80, 128]}
    return Drawn("tiny", delta, settings, settings, description, Path(), 0, 0, None, None, None, shapes)


def changes_of(finding: Finding) -> dict[str, Any]:
    return {path: json.loads(values) for path, values in re.findall(r"(model\S+) to (\[[^]]+\])", finding.remedy)}


@pytest.mark.parametrize("convention_first", [False, True])
@pytest.mark.parametrize(
    "ratios",
    [[0.35, 1, 2, 4], [0.2, 0.35, 0.45, 0.55, 0.65, 1, 2], [1], [0.2, 0.5, 1, 2, 5], [0.5, 1, 1.54, 1.82, 2.22, 2.86, 5]],
)  # fmt: skip
@pytest.mark.parametrize("scales", [[4, 6], [2.8]])
def test_advice_comes_to_an_end(ratios: Sequence[float], scales: Sequence[float], convention_first: bool) -> None:
    delta: dict[str, Any] = {f"{_ANCHORS}.ratios": ratios, f"{_ANCHORS}.scales": scales}
    seen: list[str] = []
    while True:
        case = drawn(delta)
        found = coverage_findings(case) + convention_findings(case)
        advised = [change for change in map(changes_of, reversed(found) if convention_first else found) if change]
        if not advised:
            break
        seen.append(json.dumps(delta, sort_keys=True))
        delta |= advised[0]
        assert json.dumps(delta, sort_keys=True) not in seen
    assert all(shares[0] >= LEAST_COVERED for shares in coverages(case)[0].of_class.values())


def test_no_other_reading_is_advised_that_takes_a_class_its_anchors() -> None:
    delta = {f"{_ANCHORS}.ratios": [0.5, 1, 1.54, 1.82, 2.22, 2.86, 5]}
    cracked, plain = drawn(delta), drawn(delta, {name: MIXED[name] for name in ("dent", "stain")})
    now, inverted = coverages(cracked)[:2]
    assert now.of_class["hairline crack"][0] == 1 and inverted.of_class["hairline crack"][0] == 0
    assert inverted.overall[1] > now.overall[1] + 0.05
    assert convention_findings(cracked) == []
    assert [finding.check for finding in convention_findings(plain)] == ["anchor convention"]


def test_of_remedies_that_cover_as_much_it_is_one_that_lowers_no_share_at_the_finer_iou() -> None:
    delta = {f"{_ANCHORS}.ratios": [0.35, 1, 2, 4]}
    (found,) = coverage_findings(drawn(delta))
    assert "though" not in found.remedy
    before, after = (coverages(drawn(one))[0] for one in (delta, delta | changes_of(found)))
    assert after.of_class["hairline crack"][0] == 1
    assert after.overall[1] >= before.overall[1]


def test_where_a_remedy_lowers_the_share_at_the_finer_iou_it_says_so() -> None:
    delta = {f"{_ANCHORS}.ratios": [0.2, 0.35, 0.45, 0.55, 0.65, 1, 2]}
    (found,) = coverage_findings(drawn(delta))
    before, after = (coverages(drawn(one))[0].overall[1] for one in (delta, delta | changes_of(found)))
    assert after < before
    assert f", though {after:.1%} of all boxes, not {before:.1%}, then have an anchor above IoU 0.7" in found.remedy


def test_where_both_checks_advise_ratios_one_says_which_go_first() -> None:
    # Wide boxes with tall anchors, and a class that is thinner still.
    shapes = {"dent": (30, 40, 15), "scratch": (10, 60, 6)}
    delta = {f"{_ANCHORS}.ratios": [1, 2, 2.86]}
    case = drawn(delta, shapes)
    (coverage,), (convention,) = coverage_findings(case), convention_findings(case)
    assert changes_of(coverage) != changes_of(convention)
    assert coverage.remedy.startswith(
        'Set the ratios of "anchor convention" first and ask again; or, at once, set model.'
    )


def test_the_scales_that_a_remedy_proposes_are_shown_with_what_they_cover() -> None:
    delta = {f"{_ANCHORS}.ratios": [0.35, 1, 2, 4]}
    proposed = shown(drawn(delta))[-1]
    assert proposed.title == "plan as width/height, scales [3.5, 4.4, 5.5]"
    then = coverages(drawn(delta | changes_of(coverage_findings(drawn(delta))[0])))[0]
    assert (proposed.overall, proposed.of_class) == (then.overall, then.of_class)
    assert len(shown(drawn({f"{_ANCHORS}.ratios": [0.2, 0.5, 1, 2, 5]}))) == 5  # nothing is proposed
