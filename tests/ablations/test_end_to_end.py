"""The first and the last arm of every design, trained at scale tiny."""

from pathlib import Path

import pytest

from ablations.designs import DESIGNS, arms_of
from ablations.factors import select
from experiments.runs import data_fingerprint, run_identity
from experiments.studies import arm_folder
from experiments.train import train_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: what two designs share is trained once."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("design", DESIGNS)
def test_the_first_and_the_last_arm_of_a_design_train(design: str, tiny_data: Path, runs: Path) -> None:
    fingerprint = data_fingerprint("tiny", tiny_data)
    assert fingerprint is not None
    arms = arms_of(design, select(["all"]), control=design == "alone")
    for arm in (arms[0], arms[-1]):
        identity = run_identity(config="tiny", delta=arm.delta, seed=0, split=0, data_fingerprint=fingerprint)
        record = train_run(
            config="tiny", study=design, arm=arm.name, levels=arm.levels, delta=arm.delta, data=tiny_data, runs_root=runs,
            folder=arm_folder(runs, identity), progress=False,
        )  # fmt: skip
        assert (record.status, record.reason) == ("completed", None)
        assert record.identity == identity
        assert record.num_tokens == (2048 if arm.levels["pooling"] == "on" else 1024)
