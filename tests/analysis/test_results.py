import pytest

from analysis.results import UNENDED, describe_unfinished, find_study, load_study
from experiments.errors import UserError
from experiments.studies import read_study, write_study

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)  # mean 0.3


def test_name_levels_and_seed_are_the_studys_not_the_records(study, add_run):
    add_run("anchors", *FIVE, seed=3, split=2, identity="beef")  # its record says: arm another-name, focal on
    (run,) = load_study(study).completed
    assert (run.arm, run.seed, run.entry.split, run.entry.levels["focal"]) == ("anchors", 3, 2, "off")
    assert (run.record.arm, run.record.study) == ("another-name", "elsewhere")
    assert run.folder == study.parent / "arms" / "beef"


def test_runs_that_the_study_does_not_list_are_not_its(study, add_run):
    add_run("baseline", *FIVE)
    add_run("focal", *FIVE)
    listed = read_study(study)
    write_study(listed.model_copy(update={"runs": listed.runs[:1]}), study)
    assert load_study(study).arms == ["baseline"]


def test_one_run_may_be_two_arms(study, add_run):
    add_run("baseline", *FIVE, identity="beef")
    add_run("trial-1", *FIVE, identity="beef", sampled=True)
    assert [(run.arm, run.record.identity) for run in load_study(study).completed] == [
        ("baseline", "beef"),
        ("trial-1", "beef"),
    ]


def test_every_listed_run_is_completed_or_told(study, add_run, add_burn_in):
    add_burn_in("burn", *FIVE)
    add_burn_in("of-another-study", *FIVE)
    add_run("baseline", *FIVE, burn_in="burn")
    add_run("anchors", recorded=False)
    add_run("focal", status="failed", reason="out of memory", log_tail=["step 12", "CUDA out of memory"])
    add_run("fusion", status="pruned", reason="flat loss")
    add_run("pooling", status="running", num_tokens=1536, tokens_reduced_from=2048)
    loaded = load_study(study)
    assert loaded.arms == ["baseline"]
    assert [burn_in.folder.name for burn_in in loaded.burn_ins] == ["burn"]
    assert [(run.arm, run.status) for run in loaded.unfinished] == [
        ("anchors", "missing"), ("focal", "failed"), ("fusion", "pruned"), ("pooling", "running"),
    ]  # fmt: skip
    failed = loaded.unfinished[1]
    assert failed.log_tail == ("step 12", "CUDA out of memory")
    assert failed.record == str(study.parent / "arms" / "focal-0" / "record.json")


def test_unfinished_runs_are_told_one_a_line_and_waiting_ones_together(study, add_run):
    add_run("baseline", *FIVE)
    for seed in (0, 1):
        add_run("anchors", seed=seed, recorded=False)
    add_run("fusion", seed=1, recorded=False)
    add_run("focal", status="failed", reason="out of memory", log_tail=["a line of the log"])
    add_run("pooling", status="running", num_tokens=1536, tokens_reduced_from=2048)
    arms = study.parent / "arms"
    assert describe_unfinished(load_study(study).unfinished) == [
        f"focal, seed 0, failed: out of memory ({arms}/focal-0/record.json)",
        f"pooling, seed 0, K=1536 instead of 2048, {UNENDED} ({arms}/pooling-0/record.json)",
        "waiting, no record yet: anchors, seeds 0, 1; fusion, seed 1",
    ]


def test_arms_stand_baseline_first_then_in_the_factor_tables_order_then_controls_and_samples(study, add_run):
    add_run("trial-10", *FIVE, sampled=True)
    add_run("trial-9", *FIVE, sampled=True, levels={"focal": "on"})
    add_run("control", *FIVE)
    for arm in ("pooling", "anchors+pooling", "focal+anchors", "focal+pooling", "anchors", "baseline", "focal"):
        add_run(arm, *FIVE)
    assert load_study(study).arms == [
        "baseline", "focal", "anchors", "pooling", "focal+anchors", "focal+pooling", "anchors+pooling",
        "control", "trial-10", "trial-9",
    ]  # fmt: skip


def test_a_smaller_k_marks_the_arms_name(study, add_run):
    add_run("baseline", *FIVE, num_tokens=1024)
    add_run("pooling", *FIVE, seed=0, num_tokens=2048)
    add_run("pooling", *FIVE, seed=1, num_tokens=1536, tokens_reduced_from=2048)
    loaded = load_study(study)
    assert loaded.label("baseline") == "baseline"
    assert loaded.label("pooling") == "pooling (K=1536/2048)"
    assert (loaded.tokens("baseline"), loaded.tokens("pooling")) == ((1024,), (1536, 2048))


def test_unknown_study_names_the_existing_ones(study, add_run):
    add_run("baseline", *FIVE)  # makes runs/arms, which is no study
    with pytest.raises(UserError, match=r"There is no study 'fokal' in .*; existing studies: focal\."):
        find_study("fokal", study.parent)
    assert find_study("focal", study.parent) == study
    with pytest.raises(UserError, match="no study exists there yet"):
        find_study("focal", study.parent / "nowhere")


def test_a_folder_without_study_json_is_no_study(study, add_run):
    add_run("baseline", *FIVE)
    with pytest.raises(UserError, match=r"runs/arms holds no study\.json, so it is no study"):
        load_study(study.parent / "arms")


def test_study_without_completed_runs_says_what_there_is(study, add_run):
    add_run("baseline", status="running")
    add_run("focal", status="failed", reason="out of memory")
    add_run("anchors", status="pruned")
    add_run("pooling", recorded=False)
    arms = study.parent / "arms"
    with pytest.raises(UserError) as caught:
        load_study(study)
    assert str(caught.value) == (
        "Study 'focal' has no completed run of an arm to report; it holds: "
        f"baseline, seed 0, {UNENDED} ({arms}/baseline-0/record.json); "
        f"focal, seed 0, failed: out of memory ({arms}/focal-0/record.json); "
        f"anchors, seed 0, pruned: no reason recorded ({arms}/anchors-0/record.json); "
        "waiting, no record yet: pooling, seed 0."
    )


def test_empty_study(study):
    with pytest.raises(UserError, match="Study 'focal' holds no run yet"):
        load_study(study)


def test_unreadable_record_is_named(study, add_run):
    add_run("baseline", *FIVE)
    broken = add_run("focal", *FIVE) / "record.json"
    broken.write_text(broken.read_text()[:100])
    with pytest.raises(UserError, match=r"focal-0/record\.json is not a readable record"):
        load_study(study)


def test_a_record_of_another_run_is_refused(study, add_run):
    record = add_run("baseline", *FIVE, identity="beef") / "record.json"
    record.write_text(record.read_text().replace("beef", "cafe"))
    with pytest.raises(UserError, match=r"arms/beef/record\.json is of another run \(cafe\)"):
        load_study(study)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "bits", "fingerprint": "beef", "classes": ["Crack", "Dent"]},
        {"name": "bits", "fingerprint": "f00d", "classes": ["Dent", "Crack"]},
    ],
)
def test_mixed_data_sets_are_refused_naming_the_runs(study, add_run, data):
    add_run("baseline", 0.1, 0.2, classes=["Crack", "Dent"])
    add_run("focal", 0.1, 0.2, classes=["Crack", "Dent"], data=data)
    with pytest.raises(
        UserError, match=r"mixes runs on different data, \[baseline, seed 0: bits.*; focal, seed 0: bits"
    ):
        load_study(study)


def test_an_arm_and_seed_listed_twice_are_refused(study, add_run):
    add_run("focal", *FIVE, identity="one")
    add_run("focal", identity="two", recorded=False)
    with pytest.raises(UserError, match=r"study\.json lists arm 'focal' with seed 0 twice, as one and two"):
        load_study(study)
