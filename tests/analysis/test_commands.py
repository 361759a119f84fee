import json
import subprocess
import sys

from typer.testing import CliRunner

from analysis.commands import app


def run(study, *arguments):
    return CliRunner().invoke(app, ["table", "--runs-root", str(study.parent), *arguments])


def test_table_prints_and_writes(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", 0.5, 0.3, 0.3, 0.2, 0.4)
    result = run(study, "--study", "focal")
    assert result.exit_code == 0
    assert "AP of the teacher on val" in result.stdout
    assert sorted(path.name for path in (study / "report").iterdir()) == [
        "per_class_map.png", "per_class_map.svg", "results.csv",
    ]  # fmt: skip


def test_json_alone_reaches_stdout_and_files_are_written(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    result = run(study, "--study", "focal", "--model", "student", "--json")
    assert result.exit_code == 0
    plain = json.loads(result.stdout)
    assert plain["model"] == "student"
    assert plain["arms"][0]["cells"]["Broken"]["mean"] == 0.25
    assert plain["files"][0] == str(study / "report" / "results.csv")
    assert (study / "report" / "per_class_map.svg").exists()


def test_runs_root_defaults_to_the_environment(study, add_run, monkeypatch):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    monkeypatch.setenv("RUNS", str(study.parent))
    assert CliRunner().invoke(app, ["table", "--study", "focal"]).exit_code == 0


def test_mistakes_are_one_sentence_and_exit_code_2(study, add_run):
    add_run("baseline", status="failed", reason="out of memory")
    unknown = run(study, "--study", "fokal")
    assert unknown.exit_code == 2
    assert unknown.stderr == f"Error: There is no study 'fokal' in {study.parent}; existing studies: focal.\n"
    unnamed = run(study, "--study", "")
    assert unnamed.exit_code == 2
    assert unnamed.stderr == (
        f"Error: Which study of {study.parent}? Name it with --study (make: STUDY=); existing studies: focal.\n"
    )
    empty = run(study, "--study", "focal", "--json")
    assert empty.exit_code == 2
    assert empty.stdout == ""
    assert "failed: out of memory" in empty.stderr
    assert not (study / "report").exists()


def test_the_report_is_told_of_before_it_is_made(study, monkeypatch):
    monkeypatch.setattr("analysis.report.build.write_html", lambda folder, model: folder / "report.html")
    result = CliRunner().invoke(app, ["report", "--study", "focal", "--runs-root", str(study.parent)])
    assert result.stdout.splitlines() == [
        "Working out the answers, and drawing the charts ...", f"Report: {study / 'report.html'}",
    ]  # fmt: skip


def test_a_stop_is_told(study, monkeypatch):
    def stopped(folder, model):
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.report.build.write_html", stopped)
    result = CliRunner().invoke(app, ["report", "--study", "focal", "--runs-root", str(study.parent)])
    assert (result.exit_code, result.stderr) == (
        130,
        "Stopped; the runs are as they were, and the same command begins anew.\n",
    )


def test_help_is_light_and_reports_need_no_torch():
    code = (
        "import sys, analysis.commands; light = set(sys.modules); import analysis.table, analysis.charts; "
        "print([m for m in ('pandas', 'matplotlib', 'pydantic') if m in light], "
        "[m for m in ('torch', 'mmdet', 'mmengine', 'mmcv', 'matplotlib.pyplot') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[] []\n"
