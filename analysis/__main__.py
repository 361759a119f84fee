"""``python -m analysis``."""

from experiments.outside import not_installed

try:
    from analysis.commands import app
except ModuleNotFoundError as error:
    raise not_installed(error) from None

app(prog_name="python -m analysis")
