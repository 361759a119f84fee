"""All the trackers of a run as one, and the rule that a tracker's trouble is never the run's."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from experiments.tracking.choice import open_tracker
from experiments.tracking.facts import Facts, told
from experiments.tracking.tracker import Notice, Plain, Sheet, Tracker


class Trackers:
    """Passes everything on to each of several trackers; none of them is the tracker that does nothing.

    One that cannot be opened, or fails, is told of once and switched off.

    Args:
        names: as :func:`experiments.tracking.choice.chosen_trackers` gives them.
        facts: of the run.
        tell: is given the line that a tracker failed.
    """

    def __init__(self, names: Sequence[str], facts: Facts, *, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._open: dict[str, Tracker] = {}
        for name in names:
            self._guarded(name, partial(self._open_one, name, facts))

    @property
    def wants_sheets(self) -> bool:
        """Whether one of them does."""
        return any(tracker.wants_sheets for tracker in self._open.values())

    def scalars(self, figures: Mapping[str, float], iteration: int) -> None:
        """Pass on."""
        self._each(lambda tracker: tracker.scalars(figures, iteration))

    def sheets(self, name: str, sheets: Sequence[Sheet], iteration: int) -> None:
        """Pass on."""
        self._each(lambda tracker: tracker.sheets(name, sheets, iteration))

    def notice(self, notice: Notice) -> None:
        """Pass on."""
        self._each(lambda tracker: tracker.notice(notice))

    def finish(self, summary: Mapping[str, Plain], *, ended: bool) -> None:
        """Pass on, once."""
        self._each(lambda tracker: tracker.finish(summary, ended=ended))
        self._open.clear()

    def _open_one(self, name: str, facts: Facts) -> None:
        self._open[name] = open_tracker(name, facts)

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(call, tracker))

    def _guarded(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._open.pop(name, None)
            self._tell(f"Tracking with {name} is switched off, the run goes on ({told(error)}).")
