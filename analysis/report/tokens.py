"""The report's section on K: what each FPN level keeps, and what it costs."""

import pandas as pd

from analysis.report.page import Section, Table
from analysis.results import Study
from analysis.tokens import token_cost_frame, token_frame


def tokens_section(study: Study) -> list[Section]:
    """Two tables, one section; none where the runs all had the same K or their records do not tell."""
    levels, cost = token_frame(study), token_cost_frame(study)
    if len(cost) < 2:
        return []
    classes = list(levels.columns[5:])
    columns = ("K", "level", "cells", "tokens", "share kept", *classes)
    rows = tuple(
        (row["K"], row["level"], f"{row['cells']:,}", f"{row['tokens']:,}", f"{row['share']:.1%}",
         *(f"{row[name]:.1f}" for name in classes))
        for row in levels.to_dict("records")
    )  # fmt: skip
    measured = tuple(
        (row["K"], str(row["runs"]), _figure(row["peak memory MiB"]), _figure(row["ms per iteration"]))
        for row in cost.to_dict("records")
    )
    return [Section(
        "tokens",
        "What K keeps and costs",
        paragraphs=(
            "K is quoted at the plan's image size; each level keeps min(K, H*W) tokens of a view, K at the same share of P2 as "
            "there. A class's figures are the tokens that its median box (on val) gets if they are spread evenly. Memory and time "
            "are means over runs, which differ in other factors too, and hold whatever else the machine did.",
        ),
        tables=(
            Table("Tokens of a view at each level, and of a median defect of each class", columns, rows),
            Table("Measured", ("K", "runs", "peak memory, MiB", "ms per training iteration"), measured),
        ),
    )]  # fmt: skip


def _figure(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:,.0f}"
