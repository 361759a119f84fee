"""The plan's setting whole: ResNet-50, eight views of 256x720 px, 35,700 iterations.

Command: python -m experiments train paper
Cost: days on one card; a GPU with at least 20 GB is needed.
"""

_base_ = ["base.py"]
