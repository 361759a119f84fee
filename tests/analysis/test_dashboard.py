import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from analysis.commands import app
from analysis.dashboard import check_host, report_app, serving
from experiments.address import default_url
from experiments.errors import UserError

from .report.browser import MISSING, browser, console, overflow, resize

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)
ROOT = Path(__file__).parents[2]


def make_ledger(folder, *, directions=("maximize", "maximize")):
    """A study's ledger as far as Optuna's dashboard reads it: three trials over one factor."""
    kept = optuna.create_study(study_name=folder.name, storage=default_url(folder), directions=list(directions))
    levels = optuna.distributions.CategoricalDistribution(["off", "on"])
    for level in ("off", "on", "on"):
        values = [0.1] * len(directions)
        kept.add_trial(optuna.create_trial(params={"focal": level}, distributions={"focal": levels}, values=values))


@contextmanager
def dashboard(folder):
    """The command in a process of its own, and the two addresses that it tells; it must stop cleanly on SIGTERM."""
    words = [
        sys.executable,
        "-u",
        "-m",
        "analysis",
        "dashboard",
        "--study",
        folder.name,
        "--runs-root",
        str(folder.parent),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in ("STORAGE", "WANDB_MODE")}
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        reaper = threading.Timer(120, process.kill)
        reaper.start()
        try:
            lines = [process.stdout.readline() for _ in range(4)]
            yield lines[1].split()[-1], lines[2].split()[-1]
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # an impatient user's
                process.send_signal(number)
            said, errors = process.communicate(timeout=20)
            assert (process.returncode, said, errors) == (0, "Stopped.\n", "")
        finally:
            reaper.cancel()
            process.kill()


def fetch(address, **options):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, **options), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.skipif(MISSING, reason="Chromium and chromedriver are not installed")
@pytest.mark.parametrize("sampled", [False, True])
def test_both_pages_load_and_both_servers_stop(study, add_run, make_search, tmp_path, sampled):
    add_run("baseline", *FIVE)
    add_run("trial-0" if sampled else "focal", *FIVE, sampled=sampled)
    if sampled:
        make_search()
    make_ledger(study, directions=("maximize",) * (1 + (not sampled)))
    with dashboard(study) as (report, ledger), browser(tmp_path / "profile") as driver:
        assert report.startswith("http://127.0.0.1:") and ledger.startswith("http://127.0.0.1:")
        for width in (1280, 390):
            resize(driver, width)
            driver.get(report)
            assert driver.title == "Study focal"
            assert overflow(driver) <= 0
            assert console(driver) == []
        resize(driver, 1280)
        driver.get(ledger)
        for _ in range(100):
            text = driver.find_element("tag name", "body").text
            if "focal" in text and "Hyperparameter Importance" in text:
                break
            time.sleep(0.2)
        assert "focal" in text and "Hyperparameter Importance" in text
        time.sleep(0.5)  # its charts ask for their figures
        assert console(driver) == []


def test_the_report_follows_the_records(study, add_run):
    with serving(report_app(study), "127.0.0.1") as port:
        address = f"http://127.0.0.1:{port}/"
        assert "holds no run yet" in fetch(address)[1]
        add_run("baseline", *FIVE)
        status, page = fetch(address)
        assert status == 200 and "only the baseline has results" in page
        assert (study / "report" / "report.html").read_text() == page
        assert fetch(f"{address}study.json")[0] == 404


def test_what_is_served_is_read_only_and_this_machines(study, add_run):
    add_run("baseline", *FIVE)
    with serving(report_app(study), "127.0.0.1") as port:
        address = f"http://127.0.0.1:{port}/"
        assert fetch(address, method="DELETE")[0] == 405
        assert fetch(address, data=b"x")[0] == 405
        assert fetch(address, headers={"Host": "elsewhere.test"})[0] == 403
        assert fetch(address, headers={"Host": f"localhost:{port}"})[0] == 200


def test_other_hosts_are_refused_unless_they_are_meant():
    check_host("127.0.0.1", remote=False)
    check_host("::1", remote=False)
    check_host("0.0.0.0", remote=True)
    with pytest.raises(UserError, match=r"--host 0\.0\.0\.0 would show the study to other machines"):
        check_host("0.0.0.0", remote=False)
    with pytest.raises(UserError, match="--host 'here' is no address"):
        check_host("here", remote=False)


def test_an_address_of_another_machine_is_one_sentence(study):
    with (
        pytest.raises(UserError, match=r"--host 192\.0\.2\.1: nothing can listen there"),
        serving(report_app(study), "192.0.2.1"),
    ):
        pass


@pytest.mark.parametrize("ledger", ["none", "of another study", "no database"])
def test_a_study_without_a_ledger_is_one_sentence(study, add_run, monkeypatch, ledger):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("STORAGE", raising=False)
    add_run("baseline", *FIVE)
    if ledger == "of another study":
        optuna.create_study(study_name="other", storage=default_url(study))
    if ledger == "no database":
        (study / "study.db").write_text("no database, but a text of some length")
    done = CliRunner().invoke(app, ["dashboard", "--study", "focal", "--runs-root", str(study.parent)])
    assert done.exit_code == 2
    said = "cannot be opened (" if ledger == "no database" else "The ledger of study focal does not hold it: train it"
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert (study / "study.db").exists() == (ledger != "none")
