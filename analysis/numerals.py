"""How figures are written: three places, and one spelling of nothing."""


def signed(value: float, places: int = 3) -> str:
    """A difference with its sign, which zero has none of."""
    text = f"{value:+.{places}f}"
    return text if text.strip("+-0.") else text[1:]


def plain(value: float, places: int = 3) -> str:
    """A figure without a plus; a negative one that is rounded to zero is zero."""
    return signed(value, places).removeprefix("+")


def probability(value: float, *, bound: bool = False) -> str:
    """A probability with two decimals, which neither 0 nor 1 is rounded to; ``bound``: one that it is at least."""
    if bound:
        return f"≥ {min(value, 0.99):.2f}"
    return ">.99" if value > 0.995 else "<.01" if value < 0.005 else f"{value:.2f}"


def times(ratio: float) -> str:
    """A ratio with two decimals; below one with three, so that 0.949x does not pass for 0.95x."""
    return f"{ratio:.{3 if ratio < 1 else 2}f}x"
