"""Figures and pictures as TensorBoard event files: ``tensorboard --logdir runs``. Their names hold the machine's name."""

from collections.abc import Mapping, Sequence

from torch.utils.tensorboard import SummaryWriter

from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice, Plain, Sheet

FOLDER_NAME = "tensorboard"


class TensorBoard:
    """Writes into the run's ``tensorboard/``; a run that continues hides what lies behind its checkpoint."""

    wants_sheets = True

    def __init__(self, facts: Facts) -> None:
        self._writer = SummaryWriter(
            str(facts.folder / FOLDER_NAME), purge_step=facts.begins + 1 if facts.begins else None
        )

    def scalars(self, figures: Mapping[str, float], iteration: int) -> None:
        """Add each figure."""
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, iteration)

    def sheets(self, name: str, sheets: Sequence[Sheet], iteration: int) -> None:
        """Add each picture."""
        for sheet in sheets:
            self._writer.add_image(f"{name}/{sheet.group}", sheet.picture, iteration, dataformats="HWC")

    def notice(self, notice: Notice) -> None:
        """Add a text."""
        self._writer.add_text(notice.title, notice.says, notice.iteration)

    def finish(self, summary: Mapping[str, Plain], *, ended: bool) -> None:
        """Add the final figures as a text, and close the files."""
        self._writer.add_text("summary", "\n".join(f"    {name}: {figure}" for name, figure in summary.items()))
        self._writer.close()
