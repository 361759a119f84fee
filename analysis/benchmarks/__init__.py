"""Measurements that take longer than a test; each says how it is run."""

from experiments.outside import not_installed

try:
    import rich  # noqa: F401 - what all of them need
except ModuleNotFoundError as error:
    raise not_installed(error) from None
