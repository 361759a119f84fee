"""``python -m experiments``."""

from experiments.commands import main

main()
