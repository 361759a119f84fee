"""How figures are written: three places, and one spelling of nothing."""


def signed(value: float, places: int = 3) -> str:
    """A difference with its sign, which zero has none of."""
    text = f"{value:+.{places}f}"
    return text if text.strip("+-0.") else text[1:]


def plain(value: float, places: int = 3) -> str:
    """A figure without a plus; a negative one that is rounded to zero is zero."""
    return signed(value, places).removeprefix("+")


def times(ratio: float) -> str:
    """A ratio with two decimals; below one with three, so that 0.949x does not pass for 0.95x."""
    return f"{ratio:.{3 if ratio < 1 else 2}f}x"
