"""LaTeX tables of frames, for a thesis: they need the packages booktabs and longtable, and no more."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.numerals import plain

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "≥": r"$\geq$",
    "±": r"$\pm$",
}  # fmt: skip


def escape(text: str) -> str:
    """Text that LaTeX sets as it stands."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def latex(frame: pd.DataFrame, *, caption: str, label: str) -> str:
    """A longtable with the frame's columns; floats have three digits, missing values are dashes, numbers are flush right."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool for name in frame.columns]
    head = " & ".join(escape(str(name)) for name in frame.columns) + r" \\"
    body = [" & ".join(_cell(value) for value in row) + r" \\" for row in frame.itertuples(index=False, name=None)]
    return "\n".join(
        [
            rf"\begin{{longtable}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
            rf"\caption{{{escape(caption)}}}\label{{{label}}} \\",
            r"\toprule", head, r"\midrule", r"\endfirsthead", r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule",
            r"\endfoot", *body, r"\end{longtable}", "",
        ]
    )  # fmt: skip


def write_latex(frame: pd.DataFrame, path: Path, *, caption: str, label: str) -> Path:
    """Write `latex` of a frame, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(latex(frame, caption=caption, label=label))
    os.replace(temporary, path)
    return path


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "--"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"${plain(value)}$"
    return escape(str(value))
