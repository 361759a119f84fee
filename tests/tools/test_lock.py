"""Which pins hold for which Python, and which come with PyTorch."""

from tools.lock import LOCK, Pin, read_lock
from tools.wheelhouse import wanted_pins

TEXT = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
opencv-python==5.0.0 ; sys_platform == 'never' \\
    --hash=sha256:dd
nvidia-cublas==13.1.1 ; sys_platform == 'linux' \\
    --hash=sha256:ee
pyDOE3==1.7 \\
    --hash=sha256:ff
torch==2.13.0 \\
    --hash=sha256:ab
"""


def pins(python: str) -> list[Pin]:
    return wanted_pins(TEXT, python)


def test_each_python_gets_its_own_release_and_none_gets_torch_or_what_is_never_installed() -> None:
    assert [(pin.name, pin.version) for pin in pins("3.11")] == [("numpy", "2.4.6"), ("pydoe3", "1.7")]
    assert [(pin.name, pin.version) for pin in pins("3.12")] == [("numpy", "2.5.5"), ("pydoe3", "1.7")]


def test_pip_is_told_every_hash_and_no_marker() -> None:
    # pip would judge a marker by the Python that it runs on, not by the one that wheels are collected for.
    assert pins("3.11")[0].line == "numpy==2.4.6 --hash=sha256:aa --hash=sha256:bb"


def test_the_lock_is_read_whole() -> None:
    text = LOCK.read_text()
    found = read_lock(text)
    assert sum(len(pin.hashes) for pin in found) == text.count("--hash=")
    assert {"torch", "torchvision", "triton", "nvidia-cublas"} <= {pin.name for pin in found if pin.with_torch}
    for python in ("3.11", "3.12"):
        names = [pin.name for pin in wanted_pins(text, python)]
        assert len(names) == len(set(names)) > 150
        assert {"onedl-mmengine", "onedl-mmcv", "onedl-mmdetection", "numpy", "optuna"} <= set(names)
