"""What is told of factors over a config with other values than the factor table's."""

from pathlib import Path

import pytest

from ablations.factors import FACTOR_NAMES, FURTHER_NAMES, select
from ablations.own_config import departures
from experiments import config
from experiments.paths import CONFIGS


@pytest.mark.parametrize("scale", ["tiny", "cpu", "gpu", "paper"])
def test_the_shipped_configs_have_the_tables_off_values(scale: str) -> None:
    chosen = [f for f in select((*FACTOR_NAMES, *FURTHER_NAMES)) if f.scales is None or scale in f.scales]
    assert len(chosen) > 10
    assert departures(scale, chosen) == []


def test_each_setting_of_the_named_factors_that_differs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.py").write_text(
        f"_base_ = [{str(CONFIGS / 'cpu.py')!r}]\n"
        "model = dict(detector=dict(backbone=dict(mvvit=dict(num_tokens=2048, num_heads=8)), "
        "rpn_head=dict(anchor_generator=dict(ratios=[1.0, 3.0]))))\n"
    )
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    assert departures("cpu", select(["anchors", "pooling", "focal"])) == [
        "anchors: ratios is 1.0, 3.0 in this config, and not 0.2, 0.35, 0.5, 1.0, 2.0 as in the factor table: on goes from there "
        "to 0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0, the table's value.",
        "pooling: num_tokens is 2048 in this config, and not 1024 as in the factor table: on changes nothing.",
    ]
