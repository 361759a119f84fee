"""What K keeps and costs, from records made by hand."""

from pathlib import Path
from typing import Any

import pytest

from analysis.report.tokens import tokens_section
from analysis.results import load_study
from analysis.tokens import token_cost_frame, token_frame

CELLS = [1440, 360, 90]
FEW = {"num_tokens": 1024, "tokens_per_level": [128, 128, 90], "peak_memory_mb": 1000.0, "seconds": {"training": 60.0}}
MANY = {
    "num_tokens": 2048,
    "tokens_per_level": [256, 256, 90],
    "peak_memory_mb": 1200.0,
    "seconds": {"training": 100.0},
}
APS = (0.5, 0.1, 0.3, 0.2, 0.4)


@pytest.fixture
def two_ks(study: Path, add_run: Any) -> Path:
    data = {
        "name": "bits",
        "fingerprint": "f00d",
        "classes": ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"],
    }
    shares = {"Broken": 0.1, "Chipped": 0.025}
    add_run("baseline", *APS, **FEW)  # a record of before cells were told: another run of the study tells them
    add_run("baseline", *APS, seed=1, cells_per_level=CELLS, **{**FEW, "peak_memory_mb": 1100.0, "seconds": {}})
    add_run("pooling", *APS, cells_per_level=CELLS, data={**data, "box_shares": shares}, **MANY)
    return study


def test_a_level_keeps_its_share_and_a_defect_gets_its_part(two_ks: Path) -> None:
    frame = token_frame(load_study(two_ks))
    assert list(frame.columns) == ["K", "level", "cells", "tokens", "share", "Broken", "Chipped"]
    assert frame[["K", "level", "cells", "tokens"]].values.tolist() == [
        ["1024", "P2", 1440, 128], ["1024", "P3", 360, 128], ["1024", "P4", 90, 90],
        ["2048", "P2", 1440, 256], ["2048", "P3", 360, 256], ["2048", "P4", 90, 90],
    ]  # fmt: skip
    assert frame["share"].tolist() == pytest.approx([128 / 1440, 128 / 360, 1, 256 / 1440, 256 / 360, 1])
    assert frame["Chipped"].tolist() == pytest.approx([3.2, 3.2, 2.25, 6.4, 6.4, 2.25])


def test_memory_and_time_are_means_over_the_runs_of_a_k(two_ks: Path) -> None:
    frame = token_cost_frame(load_study(two_ks)).set_index("K")
    assert frame["runs"].to_dict() == {"1024": 2, "2048": 1}
    assert frame["peak memory MiB"].to_dict() == {"1024": 1050, "2048": 1200}
    assert frame["ms per iteration"].to_dict() == {
        "1024": 150,
        "2048": 250,
    }  # over 400 iterations; one run told no time


def test_a_map_of_which_all_is_kept_is_called_so(study: Path, add_run: Any) -> None:
    add_run("banded", *APS, cells_per_level=CELLS, **{**FEW, "tokens_per_level": CELLS})
    frame = token_frame(load_study(study))
    assert frame["K"].unique().tolist() == ["all"] and (frame["share"] == 1).all()


def test_the_report_has_the_section_where_ks_differ(two_ks: Path) -> None:
    (section,) = tokens_section(load_study(two_ks))
    levels, cost = section.tables
    assert levels.rows[0] == ("1024", "P2", "1,440", "128", "8.9%", "12.8", "3.2")
    assert cost.rows == (("1024", "2", "1,050", "150"), ("2048", "1", "1,200", "250"))


def test_one_k_or_records_that_do_not_tell_give_no_section(study: Path, add_run: Any) -> None:
    add_run("baseline", *APS, **FEW)
    add_run("pooling", *APS, **MANY)
    results = load_study(study)
    assert len(token_frame(results)) == 0 and len(token_cost_frame(results)) == 0
    assert tokens_section(results) == []
