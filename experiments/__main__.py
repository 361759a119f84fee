"""``python -m experiments``."""

from experiments.outside import not_installed

try:
    from experiments.commands import main
except ModuleNotFoundError as error:
    raise not_installed(error) from None

main()
