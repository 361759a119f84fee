"""Upload of offline runs, by a stand-in for W&B's command and a server on loopback that only answers."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from analysis.commands import app
from analysis.sync import Offline, offline_runs, run_folders, sync
from experiments.errors import UserError

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)
STAND_IN = """
import pathlib, sys
words = sys.argv[1:]
assert words[:2] == ["sync", "--yes"], words
for word in words[2:]:
    if "broken" in pathlib.Path.cwd().name:
        print("wandb: ERROR the server said no", file=sys.stderr)
        sys.exit(0)  # as W&B's own does
    if "killed" in pathlib.Path.cwd().name:
        sys.exit(1)
    (file,) = pathlib.Path(word).glob("*.wandb")
    pathlib.Path(f"{file}.synced").touch()
print("done")
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def account(monkeypatch, tmp_path):
    """A key, and a server that answers."""
    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def command(tmp_path):
    path = tmp_path / "wandb.py"
    path.write_text(STAND_IN)
    return [sys.executable, str(path)]


def offline(folder, *stamps, synced=()):
    for stamp in stamps:
        place = folder / "wandb" / f"offline-run-{stamp}-{folder.name}"
        place.mkdir(parents=True)
        (place / f"run-{folder.name}.wandb").touch()
        if stamp in synced:
            (place / f"run-{folder.name}.wandb.synced").touch()


@pytest.fixture
def runs(study, add_run, add_burn_in):
    offline(add_burn_in("cpu-b0b0-seed0", *FIVE), "20260101_000000")
    offline(add_burn_in("cpu-0dd0-seed0", *FIVE), "20260101_000000")  # of another study
    offline(
        add_run("baseline", *FIVE, identity="beef", burn_in="b0b0"), "20260101_1", "20260101_2", synced=["20260101_1"]
    )
    add_run("focal", *FIVE, identity="cafe", burn_in="b0b0")
    offline(study.parent / "arms" / "else", "20260101_3")
    offline(study.parent / "train" / "run-seed0", "20260101_4")
    return study.parent


def test_a_run_folder_is_read_by_what_wandb_leaves_in_it(runs):
    folder = runs / "arms" / "beef"
    (folder / "wandb" / "offline-run-empty").mkdir()
    (folder / "wandb" / "run-20260101_9-beef").mkdir()  # an online run
    one, two = (folder / "wandb" / f"offline-run-20260101_{n}-beef" for n in (1, 2))
    assert offline_runs(folder) == Offline(folder, (two.relative_to(folder),), (one.relative_to(folder),))


def test_a_studys_folders_are_its_burn_ins_and_its_runs(runs):
    names = [folder.name for folder in run_folders(runs, "focal")]
    assert names == ["cpu-b0b0-seed0", "beef", "cafe"]
    assert {folder.name for folder in run_folders(runs, None)} == {*names, "cpu-0dd0-seed0", "else", "run-seed0"} - {
        "cafe"
    }
    with pytest.raises(UserError, match="There is no study 'fokal'"):
        run_folders(runs, "fokal")


def test_what_waits_is_uploaded_once(runs, account, command):
    lines = []
    assert sync(runs, "focal", tell=lines.append, command=command)
    assert lines == [
        "uploaded: burn-in/cpu-b0b0-seed0 (offline-run-20260101_000000-cpu-b0b0-seed0)",
        "uploaded: arms/beef (offline-run-20260101_2-beef)",
        "2 runs uploaded, 0 failed, 1 W&B folder uploaded before.",
    ]
    again = []
    assert sync(runs, "focal", tell=again.append, command=command)
    assert again == ["Nothing to upload: 3 offline W&B folders uploaded already."]
    everything = []
    assert sync(runs, None, tell=everything.append, command=command)
    assert everything[-1] == "3 runs uploaded, 0 failed, 3 W&B folders uploaded before."


def test_one_failure_does_not_stop_the_others(study, add_run, account, command):
    offline(add_run("baseline", *FIVE, identity="broken"), "1")
    offline(add_run("anchors", *FIVE, identity="killed"), "1")
    offline(add_run("focal", *FIVE, identity="well"), "1")
    lines = []
    assert not sync(study.parent, "focal", tell=lines.append, command=command)
    assert lines[0] == "failed: arms/broken: wandb: ERROR the server said no"
    assert lines[1] == "failed: arms/killed: wandb sync gave no reason"
    assert lines[-1] == "1 run uploaded, 2 failed, 0 W&B folders uploaded before."


def test_without_a_key_nothing_is_called(runs, command, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    words = ["sync", "--study", "focal", "--runs-root", str(runs)]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert refused.stderr == "Error: Uploading runs needs a W&B account: set WANDB_API_KEY, or run `wandb login`.\n"
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password " + "k" * 40)
    (tmp_path / "netrc").chmod(0o600)
    cut_off = CliRunner().invoke(app, words)
    assert cut_off.exit_code == 2
    assert "Uploading runs needs a network: 127.0.0.1 does not answer" in cut_off.stderr


def test_no_offline_run_is_no_mistake(study, add_run):
    add_run("baseline", *FIVE)
    done = CliRunner().invoke(app, ["sync", "--runs-root", str(study.parent)])
    assert (done.exit_code, done.stdout) == (0, "Nothing to upload: no run has an offline W&B folder.\n")
