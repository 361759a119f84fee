"""``exhibits.json``: what shows of a completed run beside its scores. A study's command writes it, reports read it. Torch-free."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.data.files import read_file, write_file
from experiments.errors import UserError

EXHIBITS_NAME = "exhibits.json"


class Exhibits(BaseModel):
    """What the teacher of a run does on val, with its final weights.

    Attributes:
        version: of this format.
        precision: of each class with boxes, 101 fractions: precision at IoU 0.50, at recalls 0.00:0.01:1.00.
        pictures: names of JPEG files beside this one, each the views of a group with annotated boxes above the teacher's.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Literal[1] = 1
    precision: dict[str, list[float]] = Field(default_factory=dict)
    pictures: list[str] = Field(default_factory=list)


def read_exhibits(folder: Path) -> Exhibits | None:
    """The exhibits of a run folder; ``None`` where there are none.

    Raises:
        UserError: ``exhibits.json`` is not readable.
    """
    path = folder / EXHIBITS_NAME
    try:
        return Exhibits.model_validate_json(read_file(path))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError):
        raise UserError(f"{path} is not readable: delete it; the study's command writes it anew.") from None


def write_exhibits(exhibits: Exhibits, folder: Path) -> None:
    """Write ``exhibits.json`` atomically."""
    write_file((exhibits.model_dump_json(indent=1) + "\n").encode(), folder / EXHIBITS_NAME)
