"""``python -m experiments``."""

from experiments.outside import not_installed

try:
    from experiments.commands import app
except ModuleNotFoundError as error:
    raise not_installed(error) from None

app(prog_name="python -m experiments")
