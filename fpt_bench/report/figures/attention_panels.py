"""Attention maps: layer by head, one model below the other on one scale."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fpt_bench.report.figures.draw import house_style
from fpt_bench.report.figures.style import INK, MUTED, show_as_text
from fpt_bench.results.atomic import replaced_when_whole

if TYPE_CHECKING:
    from fpt_bench.results.predictions import AttentionMaps

KINDS = (".png", ".svg", ".pdf")
COLOURS = "cividis"
"""Sequential, and read alike with and without colour vision deficiencies (Nuñez, Anderton, Renslow 2018)."""
MAX_WORDS = 12
"""Words on an axis at most; of more positions every second, third and so on is labelled."""
_PANEL_INCHES = 0.92
_LONG_WORD = 8
_DPI = 130


def save_attention(maps: Sequence["AttentionMaps"], title: str, path: Path) -> None:
    """Write the maps of one or two models on one example as PNG, SVG or PDF, as the file's name says.

    Raises:
        ValueError: the name has another ending.
    """
    if path.suffix not in KINDS:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(KINDS)}")
    with house_style():
        figure = draw_attention(maps, title)
        show_as_text(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        # At least two pixels a position: of fewer, whole rows would not be drawn.
        dpi = max(_DPI, math.ceil(2.5 * maps[0].weights.shape[-1] / _PANEL_INCHES))
        # Not into what may lie there already: a link in somebody's folder of runs could lead to any file.
        with replaced_when_whole(path) as stream:
            style = {"dpi": dpi, "facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.05}
            figure.savefig(stream, format=path.suffix.removeprefix("."), **style)


def draw_attention(maps: Sequence["AttentionMaps"], title: str) -> Any:
    """Return a figure with a panel for each layer and head of each model; all panels share one scale of colour."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    layers, heads = maps[0].weights.shape[:2]
    size = (max(4.5, heads * _PANEL_INCHES + 1.4), len(maps) * (layers * _PANEL_INCHES + 0.9) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=9, color=INK)
    # Square root of the weight: in a row of a hundred positions most weights are near 0.01, and differences show there.
    scale = PowerNorm(0.5, 0, max(float(found.weights.max()) for found in maps))
    panels = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
    for axes, found in zip(panels, maps, strict=True):
        image = _draw_model(axes, found, scale)
    bar = figure.colorbar(image, ax=list(panels), fraction=0.02, aspect=40, pad=0.01)
    bar.set_label("attention weight (colour goes with its square root)", color=INK)
    bar.outline.set_visible(False)
    return figure


def _draw_model(axes: Any, found: "AttentionMaps", scale: Any) -> Any:
    """Draw all panels of one model as one image: a figure with an area for each of them would take a minute."""
    layers, heads, length, _ = found.weights.shape
    pitch = length + max(1, length // 12)
    canvas = np.full((layers * pitch, heads * pitch), np.nan, dtype=np.float32)
    for layer, head in np.ndindex(layers, heads):
        top, left = layer * pitch, head * pitch
        canvas[top : top + length, left : left + length] = found.weights[layer, head]
    image = axes.imshow(canvas[: length - pitch, : length - pitch], cmap=COLOURS, norm=scale, interpolation="nearest")
    axes.set_title(found.title, pad=14)
    axes.set_xlabel("attended to", color=MUTED)
    axes.set_ylabel("attending", color=MUTED)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=1, labelsize=5.5)
    middle = (length - 1) / 2
    for head in range(heads):
        axes.annotate(
            f"head {head + 1}", (head * pitch + middle, 1), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=6.5,
        )  # fmt: skip
    for layer in range(layers):
        axes.annotate(
            f"layer {layer + 1}", (1, layer * pitch + middle), (3, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="left", va="center", rotation=270, fontsize=6.5,
        )  # fmt: skip
    ticks, words = _ticks(found.words)
    upright = all(len(word) == 1 for word in words)
    axes.set_xticks([head * pitch + t for head in range(heads) for t in ticks], words * heads)
    axes.tick_params(axis="x", rotation=0 if upright else 90)
    axes.set_yticks([layer * pitch + t for layer in range(layers) for t in ticks], words * layers)
    return image


def _ticks(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the labelled positions, and what stands there; long words and thinned ones carry their position.

    Example:
        >>> _ticks(["1", "0", "?"])
        ([0, 1, 2], ['1', '0', '?'])
        >>> _ticks(["011010011"] * 24)[1][:3]
        ['1', '3', '5']
    """
    step = math.ceil(len(words) / MAX_WORDS)
    positions = list(range(0, len(words), step))
    if max(map(len, words)) > _LONG_WORD:
        return positions, [str(position + 1) for position in positions]
    return positions, [words[position] if step == 1 else f"{position + 1}: {words[position]}" for position in positions]
