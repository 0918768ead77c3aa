"""Tables of texts, written for LaTeX."""

import re
from collections.abc import Sequence

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}", "±": r"$\pm$",
    "Δ": r"$\Delta$", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}", "…": r"\ldots{}",
    "·": r"\textperiodcentered{}", "\u00d7": r"$\times$",
}  # fmt: skip

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Title, header, lines."""


def escape(text: str) -> str:
    """Return LaTeX that prints the text as it is; words between backquotes in typewriter.

    Example:
        >>> print(escape("50 % of bit_xor & `mnist`"))
        50 \\% of bit\\_xor \\& \\texttt{mnist}
    """
    parts = re.split(r"`([^`]*)`", text)
    escaped = ["".join(ESCAPES.get(letter, letter) for letter in part) for part in parts]
    return "".join(rf"\texttt{{{part}}}" if index % 2 else part for index, part in enumerate(escaped))


def latex_page(name: str, tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Write tables, each in a `table` of its own with booktabs' rules, and the notes as a list below them.

    Args:
        name: stands before every title in the captions.
        tables: texts as people read them; columns named `task` and `arm` go to the left, others to the right.
        notes: sentences; what stands between backquotes is set in typewriter.
    """
    lines = ["% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}."]
    for table in tables:
        lines += _latex_table(name, *table)
    lines += [r"\begin{itemize}\footnotesize", *(rf"\item {escape(note)}" for note in notes), r"\end{itemize}"]
    return "\n".join(lines) + "\n"


def _latex_table(name: str, title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    columns = "".join("l" if column in ("task", "arm") else "r" for column in header)
    rows = [" & ".join(escape(cell) for cell in line) + r" \\" for line in (header, *lines)]
    return [
        r"\begin{table}[htbp]", r"\centering", rf"\caption{{{escape(f'{name}: {title}')}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule",
        r"\end{tabular}", r"\end{table}", "",
    ]  # fmt: skip
