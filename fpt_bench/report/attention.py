"""Attention maps: layer by head, one model below the other on one scale."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fpt_bench.report.figures import house_style
from fpt_bench.report.style import INK, MUTED

if TYPE_CHECKING:
    from fpt_bench.attention_maps import AttentionMaps

KINDS = (".png", ".svg", ".pdf")
COLOURS = "cividis"
"""Sequential, and read alike with and without colour vision deficiencies (Nuñez, Anderton, Renslow 2018)."""
MAX_WORDS = 12
"""Words on an axis at most; of more positions every second, third and so on is labelled."""
_PANEL_INCHES = 0.92
_BAR_INCHES = 0.75
_LONG_WORD = 8


def save_attention(maps: Sequence["AttentionMaps"], title: str, path: Path) -> None:
    """Write the maps of one or two models on one example as PNG, SVG or PDF, as the file's name says.

    Raises:
        ValueError: the name has another ending.
    """
    if path.suffix not in KINDS:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(KINDS)}")
    with house_style():
        figure = draw_attention(maps, title)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130, facecolor="white", bbox_inches="tight", pad_inches=0.05)


def draw_attention(maps: Sequence["AttentionMaps"], title: str) -> Any:
    """Give a figure with a panel for each layer and head of each model; all panels share one scale of colour."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    layers, heads = maps[0].weights.shape[:2]
    size = (max(4.5, heads * _PANEL_INCHES + 1.6), len(maps) * (layers * _PANEL_INCHES + 0.75) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=9, color=INK)
    # Square root of the weight: in a row of a hundred positions most weights are near 0.01, and differences show there.
    scale = PowerNorm(0.5, 0, max(float(found.weights.max()) for found in maps))
    left, right = figure.subfigures(1, 2, width_ratios=(size[0] - _BAR_INCHES, _BAR_INCHES))
    for block, found in zip(np.atleast_1d(left.subfigures(len(maps), 1)), maps, strict=True):
        image = _draw_model(block, found, scale)
    bar = figure.colorbar(image, cax=right.subplots())
    bar.set_label("attention weight (colour goes with its square root)", color=INK)
    bar.outline.set_visible(False)
    return figure


def _draw_model(block: Any, found: "AttentionMaps", scale: Any) -> Any:
    layers, heads = found.weights.shape[:2]
    block.suptitle(found.title, fontsize=8, fontweight="bold", color=INK)
    block.supxlabel("attended to", fontsize=7, color=MUTED)
    block.supylabel("attending", fontsize=7, color=MUTED)
    panels = block.subplots(layers, heads, sharex=True, sharey=True, squeeze=False)
    for layer, head in np.ndindex(layers, heads):
        axes = panels[layer, head]
        image = axes.imshow(
            found.weights[layer, head], cmap=COLOURS, norm=scale, interpolation="nearest", aspect="auto"
        )
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=1)
        if layer == 0:
            axes.set_title(f"head {head + 1}", fontsize=6.5, fontweight="normal", loc="center", pad=2)
        if head == 0:
            axes.set_ylabel(f"layer {layer + 1}", fontsize=6.5)
    places, words = _ticks(found.words)
    # Shared axes: what is set on one panel holds for all, and only the outer ones show it.
    upright = all(len(word) == 1 for word in words)
    panels[0, 0].set_xticks(places, words, fontsize=5.5, rotation=0 if upright else 90)
    panels[0, 0].set_yticks(places, words, fontsize=5.5)
    return image


def _ticks(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Give the labelled positions, and what stands there; long words and thinned ones carry their place.

    Example:
        >>> _ticks(["1", "0", "?"])
        ([0, 1, 2], ['1', '0', '?'])
        >>> _ticks(["011010011"] * 24)[1][:3]
        ['1', '3', '5']
    """
    step = math.ceil(len(words) / MAX_WORDS)
    places = list(range(0, len(words), step))
    if max(map(len, words)) > _LONG_WORD:
        return places, [str(place + 1) for place in places]
    return places, [words[place] if step == 1 else f"{place + 1}: {words[place]}" for place in places]
