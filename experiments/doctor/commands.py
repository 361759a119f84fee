"""``python -m experiments doctor``: what would go wrong in a run, told before it."""

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.config import parse_setting
from experiments.console import result_console
from experiments.doctor.findings import show
from experiments.errors import UserError
from experiments.paths import runs_root
from experiments.prepare import prepared_data


def doctor(
    config: Annotated[str, typer.Argument(help="Scale (tiny, cpu, gpu, paper) or path of a config file.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting: dotted.path=value; repeatable.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data set folder; default the scale's synthetic set.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the chart; default runs/doctor/<config>/<data set>.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Tell what would go wrong in a run, with evidence and remedies; exit status 1 if it is an error."""
    from experiments.doctor.anchor_checks import coverage_table
    from experiments.doctor.charts import write_coverage_chart
    from experiments.doctor.examine import examine

    console = result_console()
    delta: dict[str, Any] = dict(parse_setting(text) for text in settings or [])
    place = prepared_data(config, data, progress=not json)
    report = examine(config, delta, data=place, seed=seed)
    folder = out or runs_root() / "doctor" / Path(config).stem / place.resolve().name
    of = f"config {Path(config).stem}, data set {place.resolve().name}"
    try:
        charts = write_coverage_chart(report.coverage, folder, of=of) if report.coverage else []
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}): choose another with --out.") from None
    if json:
        content = {**asdict(report), "charts": [str(path) for path in charts]}
        typer.echo(json_format.dumps(content, indent=2))
    else:
        show(report.findings, passed=report.passed, skipped=report.skipped, console=console)
        if charts:
            console.print(coverage_table(report.coverage))
            console.print(f"As a chart: {charts[0]}", markup=False, highlight=False, soft_wrap=True)
    if any(finding.level == "error" for finding in report.findings):
        raise typer.Exit(1)
