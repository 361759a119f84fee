"""What W&B's files really contain, what its client sends where it is online, and that neither names machine or user."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice, Sheet
from experiments.tracking.weights_and_biases import WeightsAndBiases, aggregation

ROOT = Path(__file__).resolve().parents[3]
KEY = "0123456789" * 4
Read = Callable[[Path], list[Any]]

# Four iterations of a run from an iteration on; in a process of its own, since wandb's service keeps an environment.
USE = """
import sys
from pathlib import Path
import numpy as np
from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice, Sheet
from experiments.tracking.trackers import Trackers
folder, begins = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
facts = Facts(
    identity="0123456789abcdef", name="focal-seed0", group="ablation-focal", job_type="arm", tags=("focal",),
    config={"seed": 0}, settings={"a": 1}, folder=folder, begins=begins,
)
tracker = Trackers(["wandb"], facts, tell=print)
for iteration in range(begins + 1, begins + 5):
    tracker.scalars({"train/loss": 1 / iteration}, iteration)
    if iteration == 2 and "kill" in sys.argv:
        import os, signal
        for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)
tracker.sheets("predictions", [Sheet("g", np.zeros((20, 30, 3), np.uint8), 2, 3)], begins + 4)
tracker.notice(Notice("Alarm: loss_ratio", "too much.", 3, bad=True))
tracker.finish({"status": "completed"}, ended=True)
"""


def use(folder: Path, *arguments: str, **environment: str) -> str:
    """What tracking a run says on the console."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE, str(folder), *arguments], cwd=ROOT, env={**kept, **environment},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def whole_run(facts: Callable[..., Facts], records_in: Read) -> Path:
    """The folder of a run that was tracked, stopped, and continued."""
    tracker = WeightsAndBiases(facts())
    tracker.scalars({"train/loss": 2.0, "train/lr": 0.1}, 2)
    tracker.scalars({"train/loss": 1.0, "train/lr": 0.2}, 4)
    tracker.scalars({"val/teacher/Broken/AP": 0.5}, 4)
    tracker.sheets("predictions", [Sheet("S1_bright", np.zeros((20, 30, 3), np.uint8), 2, 3)], 4)
    tracker.notice(Notice("Gate passed: overall_ap", "so.", 4, bad=False))
    tracker.notice(Notice("Alarm: loss_ratio", "too much.", 4, bad=True))
    tracker.finish({"status": "running"}, ended=False)
    tracker = WeightsAndBiases(facts(begins=4))
    tracker.scalars({"train/loss": 3.0, "train/lr": 0.3}, 6)
    tracker.scalars({"val/teacher/Broken/AP": 0.4}, 6)
    tracker.finish({"status": "completed", "final/teacher/Broken/AP": 0.4}, ended=True)
    for path in facts().folder.glob("wandb/offline-run-*/*.wandb"):
        assert records_in(path)  # all of it is there
    return facts().folder


def items(update: Any) -> dict[str, Any]:
    return {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in update}


def test_an_offline_run_holds_all_of_it_and_goes_on_as_the_same_run(whole_run: Path, records_in: Read) -> None:
    files = sorted(whole_run.glob("wandb/offline-run-*/run-0123456789abcdef.wandb"))
    first, second = sorted((records_in(path) for path in files), key=lambda records: records[-1].exit.exit_code == 0)
    for records, code in ((first, 1), (second, 0)):
        run = next(record.run for record in records if record.HasField("run"))
        assert (run.run_id, run.run_group, run.display_name) == ("0123456789abcdef", "ablation-focal", "focal-seed0")
        assert (run.job_type, list(run.tags), run.project) == ("arm", ["focal"], "multiview-ablation-lab")
        assert items(run.config.update)["seed"] == 0
        assert (run.host, run.HasField("git")) == ("", False)
        assert [record.exit.exit_code for record in records if record.HasField("exit")] == [code]

    history = [items(record.history.item) for record in first if record.HasField("history")]
    assert [(row["iteration"], row["_step"], row["train/loss"]) for row in history] == [(2, 2, 2.0), (4, 4, 1.0)]
    assert history[1]["val/teacher/Broken/AP"] == 0.5
    assert (history[1]["predictions/_type"], history[1]["predictions/nrows"]) == ("table-file", 1)
    assert [items(r.history.item)["_step"] for r in second if r.HasField("history")] == [6]

    metrics = {record.metric.name: record.metric for record in first if record.HasField("metric")}
    assert {metrics[name].step_metric for name in metrics if name != "iteration"} == {"iteration"}
    assert metrics["val/teacher/Broken/AP"].summary.max
    assert metrics["train/loss"].summary.min
    assert metrics["train/lr"].summary.last

    alerts = [(record.alert.title, record.alert.text) for record in first if record.HasField("alert")]
    assert alerts == [("Alarm: loss_ratio", "too much.")]
    summary: dict[str, Any] = {}
    for record in second:
        if record.HasField("summary"):
            summary |= items(record.summary.update)
    assert {"status": "completed", "final/teacher/Broken/AP": 0.4, "train/loss": {"min": 3}}.items() <= summary.items()


def test_settings_and_tables_are_artifacts_whose_files_are_in_the_run_folder(whole_run: Path, records_in: Read) -> None:
    found = {}
    for path in whole_run.glob("wandb/offline-run-*/*.wandb"):
        found |= {record.artifact.name: record.artifact for record in records_in(path) if record.HasField("artifact")}
    assert {name: artifact.type for name, artifact in found.items()} == {
        "settings-0123456789abcdef": "config", "run-0123456789abcdef-predictions": "run_table",
    }  # fmt: skip
    content = {
        entry.path: (whole_run / entry.local_path).read_bytes()
        for artifact in found.values()
        for entry in artifact.manifest.contents
    }
    assert json.loads(content["settings.json"]) == {"train_cfg": {"max_iters": 4}}
    table = json.loads(content["predictions.table.json"])
    assert table["columns"] == ["iteration", "group", "views", "annotated", "found"]
    ((iteration, group, picture, annotated, found_boxes),) = table["data"]
    assert (iteration, group, annotated, found_boxes) == (4, "S1_bright", 2, 3)
    assert content[picture["path"]].startswith(b"\xff\xd8")  # a JPEG


def test_nothing_is_sent_offline_and_nothing_names_machine_or_user(
    server: Any, tmp_path: Path, records_in: Read
) -> None:
    """A planted home, user and key; every address, and every way out through a proxy, leads to the stand-in server."""
    home = tmp_path / "planted-home"
    folder = home / "lab" / "runs" / "x"
    said = use(
        folder, "0", HOME=str(home), USER="planted-user", LOGNAME="planted-user", WANDB_API_KEY=KEY, WANDB_BASE_URL=server.url,
        HTTP_PROXY=server.url, HTTPS_PROXY=server.url, NO_PROXY="",
    )  # fmt: skip
    assert said == ""
    assert server.asked == []
    secrets = [str(home), "planted-", KEY, str(ROOT), str(tmp_path)]
    host = re.compile(rf"(?<![\w.-]){re.escape(socket.gethostname())}(?![\w.-])".encode())
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path.relative_to(home).parts[:2] for path in files if "lab" not in path.parts] == [(".cache", "wandb")]
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".wandb":
            content += "".join(str(record) for record in records_in(path)).encode()
        assert not [secret for secret in secrets if secret.encode() in content], path
        assert path.name.startswith("core-debug") or not host.search(content), path
    metadata = [path.name for path in files if path.name in ("wandb-metadata.json", "requirements.txt", "output.log")]
    assert metadata == []


def test_the_client_is_online_with_project_group_and_id_and_resumes(server: Any, tmp_path: Path) -> None:
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "HOME": str(tmp_path)}
    assert use(tmp_path / "run", "0", **online) == ""
    (asked,) = server.variables("RunResumeStatus")
    assert (asked["project"], asked["name"]) == ("multiview-ablation-lab", "0123456789abcdef")
    begun = server.variables("UpsertBucket")[0]
    assert begun["name"] == "0123456789abcdef"
    assert (begun["groupName"], begun["jobType"], begun["displayName"]) == ("ablation-focal", "arm", "focal-seed0")
    assert (begun["host"], begun["program"], begun["repo"], begun["commit"]) == (None, None, None, None)
    assert [alert["title"] for alert in server.variables("NotifyScriptableRunAlert")] == ["Alarm: loss_ratio"]
    uploaded = {name for kind, name, _ in server.asked if kind == "upload"}
    assert {"settings.json", "predictions.table.json", "config.yaml", "wandb-summary.json"} <= uploaded

    assert use(tmp_path / "run", "3", **online, WANDB_PROJECT="mine") == ""  # from an earlier checkpoint on
    assert {asked["name"] for asked in server.variables("UpsertBucket")} == {"0123456789abcdef"}
    assert server.variables("RunResumeStatus")[1]["project"] == "mine"
    assert [line["_step"] for line in server.history()] == [1, 2, 3, 4, 5, 6, 7]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_wandbs_own_reader_takes_an_offline_run_from_its_folder(server: Any, whole_run: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment = {
        **kept, "HOME": str(tmp_path), "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false",
    }  # fmt: skip
    command = [sys.executable, "-m", "wandb", "sync", "--yes"]
    done = subprocess.run(
        command, cwd=whole_run, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {asked["groupName"] for asked in server.variables("UpsertBucket")} >= {"ablation-focal"}
    assert [line["_step"] for line in server.history()] == [2, 4, 6]
    uploaded = {name for kind, name, _ in server.asked if kind == "upload"}
    assert {"settings.json", "predictions.table.json"} <= uploaded


def test_online_without_a_key_nobody_is_asked_for_one(server: Any, tmp_path: Path) -> None:
    said = use(tmp_path / "run", "0", WANDB_MODE="online", WANDB_BASE_URL=server.url, HOME=str(tmp_path))
    assert said.startswith("Tracking with wandb is switched off, the run goes on (UserError: WANDB_MODE is online, but")
    assert said.count("\n") == 1


def test_a_killed_client_neither_fails_nor_holds_up_the_run(tmp_path: Path) -> None:
    started = time.perf_counter()
    said = use(tmp_path / "run", "0", "kill")
    assert time.perf_counter() - started < 30
    assert said.startswith("Tracking with wandb is switched off, the run goes on (")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("val/teacher/Broken/AP", "max"),
        ("val/student/all/AP50", "max"),
        ("train/loss", "min"),
        ("train/sup_loss_rpn_cls", "min"),
        ("train/lr", "last"),
        ("train/pseudo_boxes_per_view/lossy", "last"),
        ("train/memory_mb", "last"),
    ],
)
def test_summaries(name: str, by: str) -> None:
    assert aggregation(name) == by
