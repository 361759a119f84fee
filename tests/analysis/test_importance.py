import numpy as np
import optuna
import pytest

from analysis.importance import Contour, Importance, contour_of, importance_of, open_ledger
from analysis.refusals import Refusal
from experiments.errors import UserError
from experiments.studies import Search, Study, write_study

optuna.logging.set_verbosity(optuna.logging.ERROR)
UNIT = optuna.distributions.FloatDistribution(0.0, 1.0)


def ledger(settings: int, *, storage: str | None = None, flat: bool = False) -> optuna.Study:
    """Rust rises with the threshold alone; Chipped with gamma."""
    study = optuna.create_study(study_name="thresholds", directions=["maximize"] * 2, storage=storage)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # metric names are experimental
        study.set_metric_names(["Severe_Rust", "Chipped"])
    generator = np.random.default_rng(0)
    for _ in range(settings):
        threshold, gamma = (float(value) for value in generator.random(2))
        study.add_trial(
            optuna.create_trial(
                params={"threshold": threshold, "gamma": gamma},
                distributions={"threshold": UNIT, "gamma": UNIT},
                values=[0.1, 0.1] if flat else [threshold, gamma],
            )
        )
    study.add_trial(optuna.create_trial(values=[0.9, 0.9]))  # an arm of the design: no parameters
    return study


def test_importance_names_its_evaluator_and_warns() -> None:
    found = importance_of(ledger(60), "Severe_Rust")
    assert isinstance(found, Importance)
    assert found.evaluator.startswith("PED-ANOVA") and optuna.__version__ in found.evaluator
    assert found.settings == 60
    assert next(iter(found.shares)) == "threshold" and found.shares["threshold"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.warning.startswith("Importance is not effect")
    other = importance_of(ledger(60), "Chipped")
    assert isinstance(other, Importance) and next(iter(other.shares)) == "gamma"


def test_too_few_or_flat_is_refused() -> None:
    assert importance_of(ledger(5), "Chipped") == Refusal(
        "Chipped", "importance", "5 settings are too few: it takes 20"
    )
    assert importance_of(ledger(30, flat=True), "Chipped") == Refusal(
        "Chipped", "importance", "all settings have the same score"
    )


def test_a_plane_is_interpolated_exactly() -> None:
    found = contour_of(ledger(40), "Severe_Rust", ("gamma", "threshold"), resolution=9)
    assert isinstance(found, Contour)
    assert found.points.shape == (40, 3) and found.surface.shape == (9, 9)
    known = ~np.isnan(found.surface)
    assert known.sum() > 30
    assert found.surface[known] == pytest.approx(
        np.repeat(found.ys, 9).reshape(9, 9)[known]
    )  # the score is the threshold
    few = contour_of(ledger(3), "Severe_Rust", ("gamma", "threshold"))
    assert isinstance(few, Refusal) and few.reason == "3 settings have both as numbers: it takes 4"


def test_the_ledger_is_found_beside_the_study(tmp_path) -> None:
    folder = tmp_path / "thresholds"
    listed = Study(study="thresholds", scale="cpu", data=None, data_fingerprint="f00d", hard_classes=["Severe_Rust"])
    write_study(listed, folder)
    with pytest.raises(UserError, match="is not the folder of a sampled study"):
        open_ledger(folder)
    search = Search(space=["roi_gamma"], objective="pareto", trials=3)
    write_study(listed.model_copy(update={"search": search}), folder)
    with pytest.raises(UserError, match=r"holds no study\.db"):
        open_ledger(folder)
    ledger(4, storage=f"sqlite:///{folder / 'study.db'}")
    assert len(open_ledger(folder).trials) == 5
    with pytest.raises(UserError, match=r"cannot be read \(KeyError\)"):
        open_ledger(folder, storage="sqlite:///:memory:")
