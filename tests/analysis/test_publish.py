"""What would be sent to W&B; the server is a stand-in, nothing leaves this machine."""

import json
from types import SimpleNamespace
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from analysis import publish as publishing
from analysis.commands import app
from analysis.panels import specification
from analysis.publish import publish, report_of, workspace_of
from analysis.report.build import verdict_and_baseline
from experiments.errors import UserError
from experiments.studies import read_study


@pytest.fixture
def spec(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.02, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4)
    sentences, baseline = verdict_and_baseline(study)
    return specification(read_study(study), baseline=baseline, sentences=sentences)


class StandIn:
    """Keeps what is saved, like the server: under its id, or a new one."""

    entity, project = "me", "lab"

    def __init__(self):
        self.views, self.reports = {}, {}

    def find_workspace(self, title):
        return next(((f"nw-{number}-v", number) for number, thing in self.views.items() if thing.name == title), None)

    def find_report(self, title):
        return next((number for number, thing in self.reports.items() if thing.title == title), None)

    def save(self, thing):
        if hasattr(thing, "sections"):
            number = thing._internal_id or f"view{len(self.views)}"
            self.views[number] = thing
        else:
            number = thing.id or f"report{len(self.reports)}"
            self.reports[number] = thing
        return f"https://wandb.test/{number}"


def test_the_second_time_both_are_updated_and_none_is_added(spec):
    service = StandIn()
    assert publish(spec, service) == [
        "Workspace created: https://wandb.test/view0",
        "Report created: https://wandb.test/report0",
    ]
    assert publish(spec, service) == [
        "Workspace updated: https://wandb.test/view0",
        "Report updated: https://wandb.test/report0",
    ]
    assert (len(service.views), len(service.reports)) == (1, 1)
    assert service.views["view0"]._internal_name == "nw-view0-v"


class StandInServer:
    """Answers the queries that wandb and wandb-workspaces send, from what was saved before."""

    app_url = "https://wandb.test/"

    def __init__(self, saved):
        self.saved = saved

    def execute_graphql(self, query, variables=None, **_):
        if "allViews" in query:
            views = [view for view in self.saved.values() if view["type"] == "project-view"]
            return {"project": {"allViews": {"edges": [{"node": view} for view in views]}}}
        if "upsertView" in query:
            number = variables.get("id") or f"id{len(self.saved)}"
            self.saved[number] = {**variables, "id": number}
            project = {"id": "1", "name": "lab", "entityName": "me"}
            return {"upsertView": {"view": {**self.saved[number], "project": project, "updatedAt": None}}}
        return {"project": {"id": "1", "internalId": "UHJvamVjdEludGVybmFsSWQ6MQ=="}}


class StandInApi:
    """What is used of ``wandb.Api``."""

    default_entity = "me"
    saved: ClassVar = {}

    def __init__(self):
        self._service_api = StandInServer(self.saved)

    def reports(self, path):
        assert path == "me/lab"
        found = [view for view in self.saved.values() if view["type"] == "runs"]
        return [SimpleNamespace(id=view["id"], display_name=view["displayName"]) for view in found]

    def projects(self, entity):
        return [SimpleNamespace(name="lab")]


def test_the_librarys_own_requests_update_what_has_the_title(spec, study, monkeypatch):
    import wandb

    monkeypatch.setattr(StandInApi, "saved", {})
    monkeypatch.setattr(wandb, "Api", StandInApi)
    monkeypatch.setattr(publishing, "check_login", lambda purpose: None)
    monkeypatch.setenv("WANDB_PROJECT", "lab")
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "online")
    words = ["dashboard", "--study", "focal", "--runs-root", str(study.parent)]
    first, second = (CliRunner().invoke(app, words) for _ in range(2))
    assert [line.split(":")[0] for line in first.stdout.splitlines()] == ["Workspace created", "Report created"]
    assert [line.split(":")[0] for line in second.stdout.splitlines()] == ["Workspace updated", "Report updated"]
    assert [view["displayName"] for view in StandInApi.saved.values()] == ["Study focal", "Study focal"]
    report = json.loads(StandInApi.saved["id1"]["spec"])
    assert report["blocks"][1]["children"][0]["text"] == spec.sentences[0]


def test_what_the_server_refuses_is_one_sentence(spec, study, monkeypatch):
    def refuse():
        raise RuntimeError("permission\ndenied")

    monkeypatch.setattr(publishing, "_Online", refuse)
    monkeypatch.setattr(publishing, "check_login", lambda purpose: None)
    with pytest.raises(
        UserError, match=r"refused \(RuntimeError: permission denied\): check network, key and WANDB_ENTITY"
    ):
        publishing.publish_study(study, tell=print)


def test_the_workspace_as_it_would_be_sent(spec):
    view = workspace_of(spec, entity="me", project="lab")._to_model()
    assert (view.display_name, view.entity, view.project) == ("Study focal", "me", "lab")
    plain = view.spec.model_dump(by_alias=True, exclude_none=True)["section"]
    filters = [(f["key"]["name"], f["op"], f["value"]) for f in plain["runSets"][0]["filters"]["filters"]]
    assert filters == [("group", "=", "focal"), ("jobType", "!=", "burn-in")]
    sections = {section["name"]: section["panels"] for section in plain["panelBankConfig"]["sections"]}
    assert list(sections) == [group.title for group in spec.groups]
    rust = sections["Hard classes against their targets"][0]
    assert rust["viewType"] == "Run History Line Plot"
    assert rust["config"]["xAxis"] == "iteration"
    ap = "${val/teacher/Severe_Rust/AP}"
    assert rust["config"]["expressions"] == [ap, f"{ap} * 0 + 0.1", f"{ap} * 0 + 0.16"]
    bar = sections["Factor effects"][0]["config"]
    assert (bar["metrics"], bar["groupBy"], bar["groupAgg"]) == (
        ["final/teacher/Severe_Rust/AP"],
        "levels.value.focal",
        "mean",
    )
    (parallel,) = sections["Parameters and outcome"]
    assert [column["accessor"] for column in parallel["config"]["columns"]][:2] == [
        "config:levels.value.focal", "summary:final/teacher/Severe_Rust/AP",
    ]  # fmt: skip
    assert "expressions" not in sections["Stability"][0]["config"]


def test_the_report_begins_with_the_verdict(spec):
    report = report_of(spec, entity="me", project="lab")
    assert report.title == "Study focal"
    assert [block.text for block in report.blocks[:3]] == list(spec.sentences)
    assert spec.sentences[0].startswith("Severe_Rust exceeded 5x of the baseline's AP")
    titles = [block.text for block in report.blocks if type(block).__name__ == "H2"]
    assert titles == [group.title for group in spec.groups]
    grids = [block for block in report.blocks if type(block).__name__ == "PanelGrid"]
    assert [len(grid.panels) for grid in grids] == [len(group.panels) for group in spec.groups]
    assert [(panel.layout.x, panel.layout.y) for panel in grids[2].panels] == [(0, 0), (12, 0), (0, 8)]


def test_without_a_key_or_a_network_it_is_one_sentence(spec, study, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    words = ["dashboard", "--study", "focal", "--runs-root", str(study.parent)]
    nobody = CliRunner().invoke(app, words)
    assert nobody.exit_code == 2
    assert nobody.stderr == "Error: A dashboard in W&B needs a W&B account: set WANDB_API_KEY, or run `wandb login`.\n"
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    cut_off = CliRunner().invoke(app, words)
    assert cut_off.exit_code == 2
    assert cut_off.stderr.startswith("Error: A dashboard in W&B needs a network: 127.0.0.1 does not answer (")
    assert cut_off.stderr.count("\n") == 1
