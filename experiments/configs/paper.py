"""The plan's setting whole: ResNet-50, eight views of 256x720 px, 35,700 iterations.

Command: python -m experiments train paper
Cost: a step takes 0.3 s and 5.3 GiB on an H200 (K = 2048), so three hours there without validations; never trained whole.
"""

_base_ = ["base.py"]
