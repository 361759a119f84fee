"""What the completed runs cannot tell, as data beside what they can."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A figure that the runs cannot tell, and why; ``alias_of`` is the estimate that holds it, if there is one."""

    class_name: str
    subject: str
    reason: str
    alias_of: str | None = None
