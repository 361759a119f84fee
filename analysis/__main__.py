"""``python -m analysis``."""

from analysis.commands import app

app(prog_name="python -m analysis")
