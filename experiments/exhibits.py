"""What shows of a completed run beside its scores: precision-recall curves, and the teacher's boxes on a few groups."""

from pathlib import Path

from mmengine.runner import Runner

from experiments.data.sheets import write_picture
from experiments.evaluate import completed_run, score_weights, settings_of
from experiments.exhibits_file import Exhibits, write_exhibits
from experiments.locks import locked
from experiments.runs import WEIGHTS_NAME
from experiments.tracking.pictures import TeacherSheets


def exhibit_run(folder: Path, *, data: Path) -> Exhibits:
    """Put the teacher's curves and pictures on val into the folder of a completed run; see :class:`Exhibits`.

    Args:
        folder: the run folder, with ``record.json`` and ``weights.pth``.
        data: the data set folder that the run was trained on.

    Raises:
        UserError: as :func:`experiments.evaluate.evaluate_run`.
    """
    record = completed_run(folder, data)
    settings = settings_of(record, data, "val")
    settings.val_evaluator.type = "PrecisionRecallMetric"
    sheets = TeacherSheets(settings, split=record.split)
    exhibits = Exhibits()

    def look(runner: Runner) -> None:
        exhibits.precision = runner.val_loop.evaluator.metrics[0].curves[0]  # the teacher is scored first
        for number, sheet in enumerate(sheets.draw(runner.model)["predictions"], start=1):
            exhibits.pictures.append(f"views-{number}.jpg")
            write_picture(sheet.picture, folder / exhibits.pictures[-1])

    with locked(folder):
        score_weights(settings, folder / WEIGHTS_NAME, look=look)
        write_exhibits(exhibits, folder)
    return exhibits
