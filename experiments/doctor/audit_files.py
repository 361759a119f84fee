"""What an audit leaves behind: the figures as CSV and JSON, a chart of precision and recall, and pictures."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.data.files import write_file
from experiments.data.groups import Group
from experiments.data.sheets import Mark, SheetRow, contact_sheet, view_picture, write_picture
from experiments.doctor.audit import ALL, LEAST_KEPT, Aim, Audit
from experiments.doctor.matching import ViewBoxes
from experiments.style import INK, PALETTE, RC, add_title, save_figure

_COLUMNS = 3
_PRECISION, _RECALL = PALETTE[1], PALETTE[6]


def write_curves(audit: Audit, path: Path) -> Path:
    """Write one line per class (and ``all``) and threshold; precision is empty where nothing is kept."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "threshold", "precision", "recall", "kept_per_view", "true_per_view", "kept", "correct"])
    for name, curve in audit.curves.items():
        rows = zip(curve.thresholds, curve.precision, curve.recall, curve.kept, curve.correct, strict=True)
        for threshold, precision, recall, kept, correct in rows:
            shares = ["" if np.isnan(share) else f"{share:.4f}" for share in (precision, recall)]
            per_view = [f"{number / audit.views:.4f}" for number in (kept, curve.truths)]
            writer.writerow([name, f"{threshold:g}", *shares, *per_view, kept, correct])
    write_file(text.getvalue().encode(), path)
    return path


def write_proposals(audit: Audit, settings: Mapping[Aim, Sequence[str]], source: Mapping[str, str], path: Path) -> Path:
    """Write what the thresholds do, and the settings that they propose, as JSON.

    Args:
        settings: values for ``--set`` by aim.
        source: where weights and images are from.
    """
    content = {
        "source": dict(source),
        "views": audit.views,
        "groups": audit.groups,
        "specimens": audit.specimens,
        "settings": {aim: list(lines) for aim, lines in settings.items()},
        "thresholds": [asdict(operation) for operation in audit.operations],
    }
    write_file((json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), path)
    return path


def write_chart(audit: Audit, folder: Path, *, of: str) -> list[Path]:
    """Write ``precision_recall.png`` and ``.svg``, a panel for each class and one for all; ``of``: whose. Returns both paths."""
    names = [*audit.classes, ALL]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with rc_context(RC):
        figure = Figure(figsize=(0.6 + 3.4 * columns, 0.8 + 2.5 * rows), dpi=150, layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for name, ax in zip(names, axes, strict=False):
            plot_curve(audit, name, ax)
        add_title(figure, "Precision and recall of the teacher's boxes at IoU 0.5", of)
        for ax in axes[len(names) :]:
            ax.set_axis_off()
        handles, labels = axes[len(names) - 1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        for ax in axes[max(0, len(names) - columns) : len(names)]:
            ax.set_xlabel("score threshold")
            ax.tick_params(labelbottom=True)
        return save_figure(figure, folder, "precision_recall")


def plot_curve(audit: Audit, name: str, ax: Axes) -> None:
    """Precision and recall of one class against the threshold; dotted where fewer than 10 boxes are kept."""
    curve = audit.curves[name]
    enough = curve.kept >= LEAST_KEPT
    for label, values, colour in (("precision", curve.precision, _PRECISION), ("recall", curve.recall, _RECALL)):
        ax.plot(curve.thresholds, values, color=colour, linewidth=1, linestyle=":")
        ax.plot(curve.thresholds, np.where(enough, values, np.nan), color=colour, linewidth=2, label=label)
    for aim, label, style in (("configured", "configured", "-"), ("F1", "best F1", "--")):
        found = next((entry for entry in audit.operations if (entry.name, entry.aim) == (name, aim)), None)
        if found is not None:
            ax.axvline(found.threshold, color=INK, linewidth=1, linestyle=style, label=f"{label} threshold")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    ax.set_title(f"{name} ({curve.truths} boxes)", fontsize=11)
    ax.grid(visible=True)


def write_pictures(
    groups: Sequence[Group], views: Sequence[ViewBoxes], classes: Sequence[str], missed: Mapping[str, int],
    *, threshold: float, folder: Path, worst: int = 4, typical: int = 2,
) -> list[Path]:  # fmt: skip
    """Write ``worst.png`` and ``typical.png``: boxes above a threshold beside the annotated ones.

    Args:
        groups: with their annotated boxes.
        views: the boxes found in them.
        classes: names in the order of the labels.
        missed: per group, the number of missed boxes by which groups are chosen: the most, and those in the middle.
        threshold: found boxes above it are drawn.
        folder: to write to.
        worst, typical: numbers of groups.
    """
    order = sorted(missed, key=lambda name: (-missed[name], name))
    start = max(0, (len(order) - typical) // 2)
    by_name = {group.name: group for group in groups}
    paths = []
    for title, names in (("worst", order[:worst]), ("typical", order[start : start + typical])):
        rows = [_row(by_name[name], views, missed[name], threshold) for name in names]
        paths.append(folder / f"{title}.png")
        write_picture(contact_sheet(rows, classes), paths[-1])
    return paths


def _row(group: Group, views: Sequence[ViewBoxes], missed: int, threshold: float) -> SheetRow:
    own = sorted((view for view in views if view.group == group.name), key=lambda view: view.view)
    pictures = [
        view_picture(view, found=_marks(boxes, threshold)) for view, boxes in zip(group.views, own, strict=True)
    ]
    return SheetRow(f"{group.name}: {missed} hard boxes missed at {threshold:g}", pictures)


def _marks(view: ViewBoxes, threshold: float) -> tuple[Mark, ...]:
    kept = [index for index in range(len(view.scores)) if view.scores[index] > threshold]
    marks = []
    for index in kept:
        left, top, right, bottom = (float(value) for value in view.boxes[index])
        marks.append(Mark((left, top, right, bottom), int(view.labels[index]), float(view.scores[index])))
    return tuple(marks)
