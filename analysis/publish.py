"""A study's workspace and report in W&B: built from their specification, found by title, so that there is one of each."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from analysis.login import check_login
from analysis.panels import Bar, Line, Panel, Parallel, Specification, specification
from experiments.errors import UserError
from experiments.tracking.facts import PROJECT, STEP

_RUNS = 128  # a full factorial of two seeds is shown whole


class Service(Protocol):
    """What is asked of W&B."""

    entity: str
    project: str

    def find_workspace(self, title: str) -> tuple[str, str] | None:
        """Internal name and id of the saved view of this title."""

    def find_report(self, title: str) -> str | None:
        """Id of the report of this title."""

    def save(self, thing: Any) -> str:
        """Save a workspace or a report, anew or over the one whose id it has; returns its address."""


def publish_study(folder: Path, *, tell: Callable[[str], object]) -> None:
    """Create or update the study's workspace and report in W&B, and tell their addresses.

    Raises:
        UserError: nobody is logged in, W&B cannot be reached or refuses, or the study has no result yet.
    """
    from analysis.report.build import verdict_and_baseline
    from experiments.studies import read_study

    check_login("A dashboard in W&B")
    listed = read_study(folder)
    if listed is None:
        raise UserError(f"{folder} holds no study: name another.")
    sentences, baseline = verdict_and_baseline(folder)
    spec = specification(listed, baseline=baseline, sentences=sentences)
    try:
        for line in publish(spec, _Online()):
            tell(line)
    except Exception as error:  # wandb, its transports and its server each raise their own
        if isinstance(error, UserError):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"W&B could not be reached or refused ({said}): check network, key and WANDB_ENTITY.") from None


def publish(spec: Specification, service: Service) -> list[str]:
    """Save both; returns a line on each. What has the title already is replaced."""
    workspace = workspace_of(spec, entity=service.entity, project=service.project)
    view = service.find_workspace(spec.title)
    if view is not None:
        workspace._internal_name, workspace._internal_id = view
    report = report_of(spec, entity=service.entity, project=service.project)
    known = service.find_report(spec.title)
    if known is not None:
        report.id = known
    return [
        f"Workspace {'updated' if view else 'created'}: {service.save(workspace)}",
        f"Report {'updated' if known else 'created'}: {service.save(report)}",
    ]


def workspace_of(spec: Specification, *, entity: str, project: str) -> Any:
    """The specification as a ``wandb_workspaces`` workspace, not saved."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=spec.title,
        sections=[
            ws.Section(name=group.title, panels=[_panel(panel) for panel in group.panels], is_open=True)
            for group in spec.groups
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=_RUNS),
        runset_settings=ws.RunsetSettings(filters=_runs_of(spec)),
    )


def report_of(spec: Specification, *, entity: str, project: str) -> Any:
    """The specification as a ``wandb_workspaces`` report, not saved."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[Any] = [wr.P(sentence) for sentence in spec.sentences]
    for group in spec.groups:
        runs = wr.Runset(entity=entity, project=project, name=f"Runs of {spec.study}", filters=_runs_of(spec))
        panels = [_panel(panel, place) for place, panel in enumerate(group.panels)]
        blocks += [wr.H2(group.title), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(entity=entity, project=project, title=spec.title, blocks=blocks, width="fluid")


def _runs_of(spec: Specification) -> Any:
    from wandb_workspaces import expr

    return expr.And(expr.Metric("Group") == spec.study, expr.Metric("JobType") != "burn-in")


def _panel(panel: Panel, place: int = 0) -> Any:
    """One panel; two stand in a row, half the width (12 of 24) each."""
    import wandb_workspaces.reports.v2 as wr

    layout = wr.Layout(x=12 * (place % 2), y=8 * (place // 2), w=24 if isinstance(panel, Parallel) else 12, h=8)
    if isinstance(panel, Line):
        names = [expression[2:-1] for expression in panel.expressions if _is_figure(expression)]
        plain = len(names) == len(panel.expressions)
        return wr.LinePlot(
            title=panel.title,
            x=STEP,
            y=names,
            custom_expressions=None if plain else list(panel.expressions),
            layout=layout,
        )
    if isinstance(panel, Bar):
        by = wr.Config(panel.by) if panel.by else None
        return wr.BarPlot(
            title=panel.title, metrics=[panel.figure], groupby=by, groupby_aggfunc="mean" if by else None,
            groupby_rangefunc="minmax" if by else None, layout=layout,
        )  # fmt: skip
    columns = [
        wr.ParallelCoordinatesPlotColumn(
            metric=wr.Config(column.name) if column.place == "config" else wr.SummaryMetric(column.name),
            display_name=column.title,
        )
        for column in panel.columns
    ]
    return wr.ParallelCoordinatesPlot(title=panel.title, columns=columns, layout=layout)


def _is_figure(expression: str) -> bool:
    return expression.startswith("${") and expression.find("}") == len(expression) - 1


class _Online:
    """W&B's server, as the environment names it."""

    def __init__(self) -> None:
        import wandb

        self._api = wandb.Api()
        self.project = os.environ.get("WANDB_PROJECT") or PROJECT
        self.entity = os.environ.get("WANDB_ENTITY") or self._api.default_entity or ""
        if not self.entity:
            raise UserError("W&B has no default entity for this key: name one in WANDB_ENTITY.")

    def find_workspace(self, title: str) -> tuple[str, str] | None:
        from wandb_workspaces._graphql import execute_graphql

        query = """
        query Views($entity: String, $project: String) {
            project(name: $project, entityName: $entity) {
                allViews(viewType: "project-view") { edges { node { id name displayName } } }
            }
        }
        """
        found = execute_graphql(self._api, query, {"entity": self.entity, "project": self.project})
        edges = ((found.get("project") or {}).get("allViews") or {}).get("edges", [])
        return next(((e["node"]["name"], e["node"]["id"]) for e in edges if e["node"]["displayName"] == title), None)

    def find_report(self, title: str) -> str | None:
        found = self._api.reports(f"{self.entity}/{self.project}")
        return next((report.id for report in found if report.display_name == title), None)

    def save(self, thing: Any) -> str:
        return str(thing.save().url)
