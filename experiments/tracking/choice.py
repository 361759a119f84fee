"""Which trackers are asked for: the environment variable ``TRACK``, read here and nowhere else. Torch-free."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from experiments.errors import UserError
from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Tracker

DEFAULT = "wandb,jsonl"
# Imported when they are opened: a tracker that is not asked for costs nothing.
_TRACKERS = {"jsonl": "JsonLines", "wandb": "WeightsAndBiases", "tensorboard": "TensorBoard"}
_MODULES = {"wandb": "weights_and_biases"}
NAMES = ("none", *_TRACKERS)
MODES = ("offline", "online", "disabled", "dryrun")  # of W&B; the last is an older name of the first


@dataclass(frozen=True)
class Tracking:
    """How a run is tracked: by whom, as a run of which study, and whether a sampler chose its settings."""

    names: tuple[str, ...]
    group: str
    sampled: bool


def chosen_trackers(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The names in ``TRACK``, joined by commas, each once; ``none`` of them for ``none``.

    W&B's own ``WANDB_MODE=disabled`` takes W&B out.

    Raises:
        UserError: a name is no tracker's, ``none`` is joined with others, or W&B is to be used in a way that is not offered here.
    """
    environment = os.environ if environment is None else environment
    text = environment.get("TRACK", "").strip() or DEFAULT
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"TRACK={text}: there is no tracker {unknown[0]!r}; give some of {', '.join(NAMES)}.")
    if "none" in names and len(set(names)) > 1:
        raise UserError(f"TRACK={text}: none cannot be joined with other trackers; give it alone, or leave it out.")
    mode = environment.get("WANDB_MODE", "offline") or "offline"
    if "wandb" in names and mode not in MODES:
        raise UserError(f"WANDB_MODE={mode}: give one of {', '.join(MODES[:3])}, or nothing for offline.")
    if mode == "disabled":
        names = [name for name in names if name != "wandb"]
    return tuple(dict.fromkeys(name for name in names if name != "none"))


def open_tracker(name: str, facts: Facts) -> Tracker:
    """Import and open a tracker of a run that begins, or continues."""
    module = import_module(f"experiments.tracking.{_MODULES.get(name, name)}")
    tracker: Tracker = getattr(module, _TRACKERS[name])(facts)
    return tracker
