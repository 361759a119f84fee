"""The library's notice is not printed, all else is."""

import subprocess
import sys

import pytest

from experiments.data.notice import NOTICE, without_notice


def test_the_notice_alone_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        with without_notice():
            print(f"before\n{NOTICE}\nafter")
            print("a warning", file=sys.stderr)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert capsys.readouterr() == ("before\nafter\n", "a warning\n")


def test_imports_of_the_data_sets_print_nothing() -> None:
    code = "import experiments.train, experiments.data.dataset, mmdet.datasets"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == ""
