"""What an error quotes of a file: enough to recognize it, never a whole line of it."""

QUOTED = 80
"""Characters of a quotation at most, its marks included."""


def quote(value: object) -> str:
    """Return a value as Python writes it, cut to 80 characters.

    Example:
        >>> quote("MKV"), len(quote("M" * 1000)), quote("M" * 1000)[-6:]
        ("'MKV'", 80, 'MMM...')
    """
    # Of a long text only the beginning is looked at.
    return shorten(repr(value[: QUOTED + 1] if isinstance(value, str | bytes) else value))


def shorten(text: str) -> str:
    """Return a text cut to 80 characters."""
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."
