"""How every figure looks: one colour, marker and line for each arm, at the width of a paper's column.

Colours after Okabe and Ito, told apart by colour-blind readers; markers and lines tell arms apart without any colour.
On the page the same figures take their colours from the page's style, so that they are legible on a dark ground too.
"""

import hashlib
import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpt_bench.analysis.cells import Cell

COLUMN_INCHES = 3.3
INK, MUTED, RULE, PAPER = "#1b1b1a", "#666462", "#d6d4d1", "#fefefd"
LIGHT = ("#0072b2", "#c64f00", "#00795a", "#a0457f", "#3f3200", "#4d4d4c", "#5b57c2", "#8c2d19")
DARK = ("#64b9ee", "#ff9a52", "#35c9a0", "#e48fc8", "#fce000", "#bdbdbc", "#a5a1ff", "#e05454")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_ARM_ID = "arm-of-figure-"

SETTINGS: Any = {
    "font.size": 7,
    "text.hinting": "none",  # letters are as wide at each resolution: no name reaches past the box of its figure
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": f"cycler('color', ['{INK}'])",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "fpt_bench",
    "pdf.fonttype": 42,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Look:
    """How one arm is drawn."""

    index: int
    name: str

    @property
    def colour(self) -> str:
        return LIGHT[self.index % len(LIGHT)]

    @property
    def marker(self) -> str:
        return _MARKERS[self.index % len(_MARKERS)]

    @property
    def line(self) -> Any:
        return _LINES[self.index % len(_LINES)]

    @property
    def fill(self) -> str:
        """Marks are hollow where all colours have been dealt once: colour and filling tell 16 arms apart."""
        return self.colour if self.index < len(LIGHT) else PAPER

    @property
    def mark(self) -> dict[str, Any]:
        """How a marker is drawn that stands for the arm."""
        hollow = self.fill == PAPER
        return {
            "color": self.colour,
            "mfc": self.fill,
            "mec": self.colour if hollow else PAPER,
            "mew": 1 if hollow else 0.5,
        }

    @property
    def css_class(self) -> str:
        return f"arm-{self.index}"


@contextmanager
def drawn_as(look: Look, axes: Any, task: int, words: str) -> Iterator[None]:
    """Mark what the block draws as an arm's on a task, so that the page can hide it and say its value.

    Args:
        look: the arm's.
        axes: what is drawn into.
        task: number of the task in its bench.
        words: what the pointer shows over it.
    """
    known = set(axes.get_children())
    yield
    for artist in set(axes.get_children()) - known:
        artist.set_gid(f"{_ARM_ID}{look.index}-{task}-{words}")


def task_class(task: int) -> str:
    """Return the class by which the page hides a task, by its number in the bench."""
    return f"task-{task}"


def slug(name: str) -> str:
    """Return a name that can be part of a file's name and of an id on a page, another one for another name.

    Example:
        >>> slug("headline-embedded"), slug("größe"), slug("grüße")
        ('headline-embedded', 'gr-e-d353a267', 'gr-e-8285d1ad')
    """
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")
    return plain if plain == name else f"{plain or 'unnamed'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def make_looks(arms: Sequence[str]) -> dict[str, Look]:
    """Return a look for each arm, by the order of their first appearance."""
    return {arm: Look(index, arm) for index, arm in enumerate(dict.fromkeys(arms))}


@dataclass(frozen=True)
class Drawing:
    """A figure with what stands below it and what is read out instead of it."""

    name: str
    figure: Any
    """A matplotlib Figure."""
    title: str
    caption: str
    alt: str
    cells: Sequence[Cell] = ()
    """What it shows."""


def show_as_text(figure: Any) -> None:
    """Let no name be read as a formula, as what stands between two dollars is; ticks of powers are ours."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if "$" in text.get_text() and not text.get_text().startswith("$\\mathdefault"):
            text.set_parse_math(False)


def settle(figure: Any) -> Any:
    """Lay a figure out for good, and return the box around all that it shows: each file would do both anew."""
    show_as_text(figure)
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)  # "none" leaves a placeholder, for which each file would draw it once more
    return figure.get_tightbbox().padded(0.02)


def save_files(drawing: Drawing, stem: Path, box: Any) -> list[Path]:
    """Write what is in the box of a figure as PDF and as PNG, and return the paths."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    pdf, png = (stem.with_name(f"{stem.name}.{kind}") for kind in ("pdf", "png"))
    drawing.figure.savefig(pdf, bbox_inches=box, metadata={"CreationDate": None})
    save_png(drawing, png, box)
    return [pdf, png]


def save_png(drawing: Drawing, path: Path, box: Any) -> None:
    """Write what is in the box of a figure as PNG of 300 dots an inch, with what is read out instead of it."""
    said = {"Description": drawing.alt}
    drawing.figure.savefig(path, bbox_inches=box, dpi=300, facecolor="white", metadata=said)


def make_svg(drawing: Drawing, prefix: str, box: Any) -> str:
    """Return a figure as SVG to stand inside a page.

    Args:
        drawing: the figure.
        box: what of it is shown, in inches.
        prefix: word that keeps the ids of one figure apart from those of all others on the page.
    """
    buffer = io.StringIO()
    drawing.figure.savefig(buffer, format="svg", bbox_inches=box, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    marked = rf'<g id="{_ARM_ID}(\d+)-(\d+)-([^"]*)">'
    svg = re.sub(marked, r'<g class="arm-\1 task-\2"><title>\3</title>', svg)
    used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'href="#|url\(#', lambda m: f"{m[0]}{prefix}-", svg)
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    opening = f'<svg viewBox="{box[1]}" role="img" aria-label="{html.escape(drawing.alt)}">'
    svg = opening + svg[svg.index(">") + 1 :]
    return _colours_from_page(re.sub(r"\n\s*", "\n", svg))


def _colours_from_page(svg: str) -> str:
    """Let the page's style say what the figure's colours are."""
    names = {colour: f"var(--arm-{index})" for index, colour in enumerate(LIGHT)}
    names |= {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)"}
    return re.sub("|".join(names), lambda m: names[m[0]], svg)
