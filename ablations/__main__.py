"""``python -m ablations``."""

from ablations.commands import app

app(prog_name="python -m ablations")
