"""Names and sentences from files, written so that nothing in them acts: one function for each place they are shown in.

The page escapes by its templates (jinja2), LaTeX in `latex.py`, CSV in `analysis/export.py`.
"""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Controls but tab and line break, marks that turn the direction of text, and bytes of a name that is not UTF-8."""
_MARKDOWN = {
    re.compile(r"<(?=[A-Za-z/!?])"): "&lt;",
    re.compile(r"\]\("): r"]\\(",
    re.compile(r"!\["): r"!\\[",
}
"""What begins a tag, a link and a picture; a plain `<`, as in `<5`, and brackets stay."""


def for_terminal(text: str) -> str:
    r"""Return text that a terminal only shows: controls and what is no character as backslash and number.

    Example:
        >>> print(for_terminal("red: \x1b[31m, not UTF-8: \udcff"))
        red: \x1b[31m, not UTF-8: \udcff
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def for_markdown(text: str) -> str:
    r"""Return Markdown of one line that shows the text: no tag, link, picture or break of a line in it acts.

    Example:
        >>> for_markdown("<script> of\n![a](http://b) is <5")
        '&lt;script> of !\\[a]\\(http://b) is <5'
    """
    text = for_terminal(" ".join(text.split("\n")))
    for pattern, written in _MARKDOWN.items():
        text = pattern.sub(written, text)
    return text


def for_markdown_cell(text: str) -> str:
    r"""Return Markdown that shows the text in one cell of a table.

    Example:
        >>> for_markdown_cell("a|b")
        'a\\|b'
    """
    return for_markdown(text).replace("|", "\\|")
