"""Numbers as people write them into files: of the unit that is meant, and no word that a reader takes for a number."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")
UNIT = "in fractions, where 0.02 is 2 pp (points in 100)"


def _no_word(value: T) -> T:
    """Refuse `true` and `false`, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _margin(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"expected a number above 0 and below 1, {UNIT}")
    return value


def require_fraction(what: str, value: float) -> None:
    """Raise a ValueError unless a score, or what scores are held to, is a fraction.

    Example:
        >>> require_fraction("floor", 30.9)
        Traceback (most recent call last):
        ValueError: floor: expected a number from 0 to 1, in fractions, where 0.02 is 2 pp (points in 100), got 30.9
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{what}: expected a number from 0 to 1, {UNIT}, got {value:g}")


Number = Annotated[float, BeforeValidator(_no_word), Field(allow_inf_nan=False)]
Margin = Annotated[float, BeforeValidator(_no_word), AfterValidator(_margin)]
"""The smallest difference that matters, in fractions."""
Rate = Annotated[float, BeforeValidator(_no_word), Field(gt=0, lt=10, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, strict=True)]
