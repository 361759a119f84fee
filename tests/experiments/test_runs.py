"""A run's identity, folder and data."""

import json
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.records import Data, Record, read_record, write_record
from experiments.runs import (
    acts_from_start,
    burn_in_delta,
    completed_record,
    config_digest,
    data_fingerprint,
    default_split,
    run_folder,
    run_identity,
)


def record(**changes: object) -> Record:
    values = {
        "identity": "abc", "study": "s", "arm": "baseline", "kind": "arm", "config": "tiny", "seed": 0, "iterations": 4,
        "delta": {}, "data": Data(name="tiny", fingerprint="f", classes=["Broken"]), "versions": {}, "device": "cpu",
    }  # fmt: skip
    return Record.model_validate({**values, **changes})


def test_everything_that_decides_the_outcome_is_in_the_identity() -> None:
    base = {"config": "tiny", "delta": {"a": 1}, "seed": 0, "split": 0, "data_fingerprint": "f"}
    changes = ({}, {"config": "cpu"}, {"delta": {"a": 2}}, {"seed": 1}, {"split": 1}, {"data_fingerprint": "g"})
    assert len({run_identity(**{**base, **change}) for change in changes}) == len(changes)
    assert run_identity(**{**base, "delta": {"x": 1, "y": 2}}) == run_identity(**{**base, "delta": {"y": 2, "x": 1}})


def test_a_burn_in_follows_what_makes_another_system_or_from_the_start_all_but_thresholds() -> None:
    burn_in = {"train_cfg.max_iters": 1000}
    delta = {
        "model.precision": "bfloat16", "train_cfg.max_iters": 5, "model.detector.rpn_head.loss_cls.gamma": 2.5,
        "model.semi_train_cfg.cls_pseudo_thr": 0.35, "model.semi_train_cfg.reg_pseudo_thr": 0.02, "burn_in": burn_in,
    }  # fmt: skip
    assert burn_in_delta(burn_in, {}) == burn_in_delta(burn_in, {"from_start": True}) == burn_in
    shared = {"model.precision": "bfloat16", "train_cfg.max_iters": 1000}
    assert burn_in_delta(burn_in, delta) == burn_in_delta(burn_in, delta | {"from_start": False}) == shared
    assert burn_in_delta(burn_in, delta | {"from_start": True}) == shared | {
        "model.detector.rpn_head.loss_cls.gamma": 2.5
    }
    changes = ({}, {"model.precision": "bfloat16"}, {"model.semi_train_cfg.cls_pseudo_thr": 0.35}, delta)
    assert [acts_from_start(one) for one in changes] == [False, False, False, True]


def test_seeds_are_splits_where_labels_can_be_dealt_out_anew(tmp_path: Path) -> None:
    assert [default_split(seed, tmp_path) for seed in (0, 3)] == [0, 0]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train_unlabeled_truth.json").write_text("{}")
    assert [default_split(seed, tmp_path) for seed in (0, 3)] == [0, 3]


def test_comments_do_not_change_a_config_but_values_and_bases_do(tmp_path: Path) -> None:
    base, child = tmp_path / "b.py", tmp_path / "c.py"
    base.write_text("lr = 1\n")
    child.write_text('"""Doc."""\n_base_ = ["b.py"]\nx = 1\n')
    digest = config_digest(child)
    child.write_text('"""Other."""\n_base_ = ["b.py"]\nx  =  1  # why\n')
    assert config_digest(child) == digest
    base.write_text("lr = 2\n")
    assert config_digest(child) != digest


def test_folder() -> None:
    assert run_folder(runs_root=Path("r"), study="s", arm="focal+anchors", seed=2) == Path("r/s/focal+anchors-seed2")


def test_a_completed_run_is_found_and_an_unfinished_one_is_not(tmp_path: Path) -> None:
    assert completed_record(tmp_path, "abc") is None
    write_record(record(), tmp_path)
    assert completed_record(tmp_path, "abc") is None
    write_record(record(status="completed"), tmp_path)
    found = completed_record(tmp_path, "abc")
    assert found is not None
    assert found.status == "completed"


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    write_record(record(status="completed"), tmp_path)
    with pytest.raises(
        UserError, match=r"holds another run \(identity abc, wanted xyz\).* Name the new run with --name"
    ):
        completed_record(tmp_path, "xyz")


def test_data_that_is_not_made_yet_has_no_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    assert data_fingerprint("tiny", None) is None
    with pytest.raises(
        UserError, match=r"There is no folder .*mine: name that of a data set with --data \(make: DATA=\)\.$"
    ):
        data_fingerprint("tiny", tmp_path / "mine")


def test_an_export_is_to_be_imported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(dataset\.json is missing\): name another with --data \(make: DATA=\)\.$"):
        data_fingerprint("tiny", tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match=rf"import it: python -m experiments data import {tmp_path} --out FOLDER "):
        data_fingerprint("tiny", tmp_path)


def test_a_link_to_nothing_among_the_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "dataset.json").write_text(
        '{"name": "mine", "views": 8, "classes": ["Broken"], "image_size": [96, 48]}'
    )
    (tmp_path / "images" / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(
        UserError, match=r"images/a\.jpg cannot be read \(No such file or directory\): restore or remove it"
    ):
        data_fingerprint("tiny", tmp_path)


def test_a_folder_that_is_a_link_in_a_circle_is_none(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="There is no folder"):
        data_fingerprint("tiny", tmp_path / "loop")


def test_changed_data_is_other_data(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "dataset.json").write_text(
        '{"name": "mine", "fingerprint": "x", "views": 8, "classes": ["Broken"], "image_size": [96, 48]}'
    )
    seen = [data_fingerprint("tiny", tmp_path)]
    (tmp_path / "annotations" / "val.json").write_text("{}")
    seen.append(data_fingerprint("tiny", tmp_path))
    (tmp_path / "images" / "a.jpg").write_bytes(b"12")
    seen.append(data_fingerprint("tiny", tmp_path))
    assert len(set(seen)) == 3
    assert data_fingerprint("tiny", tmp_path) == seen[-1]


def test_a_record_survives_the_disk_and_nan_becomes_null(tmp_path: Path) -> None:
    before = record(seconds={"total": float("nan"), "training": 0.5})
    write_record(before, tmp_path)
    assert json.loads((tmp_path / "record.json").read_text())["seconds"]["total"] is None


def test_a_truncated_record_is_named(tmp_path: Path) -> None:
    write_record(record(), tmp_path)
    path = tmp_path / "record.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(
        UserError, match=r"record\.json is not a readable record \(Invalid JSON: [^\n]*\); delete it"
    ) as refused:
        read_record(tmp_path)
    assert "http" not in str(refused.value)


def test_the_first_fault_of_a_damaged_record_is_told_by_its_place(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": "two", "split": "three"}))
    with pytest.raises(
        UserError, match=r"not a readable record \(seed: Input should be a valid integer[^\n]*\); delete it"
    ) as refused:
        read_record(tmp_path)
    assert "http" not in str(refused.value) and "split" not in str(refused.value)
