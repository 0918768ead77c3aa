"""The figures' font: every glyph of DejaVu Sans, nothing that each PDF has to cut, no name cut by its border."""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image

from fpt_bench.report.figures.draw import house_style
from fpt_bench.report.figures.fonts import light_family
from fpt_bench.report.figures.style import Drawing, save_png, settle


@pytest.mark.parametrize(("weight", "face"), [("normal", "DejaVuSans"), ("bold", "DejaVuSans-Bold")])
def test_the_light_font_draws_every_letter_of_its_source(weight: str, face: str) -> None:
    source = Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    path = findfont(FontProperties(family=light_family(), weight=weight), fallback_to_default=False)
    with TTFont(path) as light, TTFont(source) as whole:
        assert light.getBestCmap() == whole.getBestCmap()
        assert light["name"].getDebugName(4) == {"normal": "FPT Sans", "bold": "FPT Sans Bold"}[weight]
        glyphs = {letter: (light["glyf"][letter], whole["glyf"][letter]) for letter in ("A", "uni0394", "minus")}
        assert all(ours == theirs for ours, theirs in glyphs.values())

        assert light["head"].modified == whole["head"].modified, "the same file on every machine and day"


def test_where_the_cache_takes_no_file_the_whole_font_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fpt_bench.report.figures.fonts.write_atomically", full)
    monkeypatch.setattr("fpt_bench.report.figures.fonts._OURS", "FPT Sans of another name")
    assert light_family.__wrapped__() == "DejaVu Sans"


def test_a_damaged_font_in_the_cache_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("matplotlib.get_cachedir", lambda: str(tmp_path))
    assert light_family.__wrapped__() == "FPT Sans"
    for path in tmp_path.glob("*.ttf"):
        path.write_bytes(b"")
    assert light_family.__wrapped__() == "FPT Sans"
    assert all(path.stat().st_size > 100_000 for path in tmp_path.glob("*.ttf"))


def test_a_pdf_carries_the_light_font_and_others_figures_keep_theirs() -> None:
    with house_style():
        figure, stream = Figure(), io.BytesIO()
        figure.text(0.1, 0.5, "Δ office \N{MINUS SIGN}1 ≥ µ")
        figure.savefig(stream, format="pdf")
    assert b"FPTSans" in stream.getvalue()
    assert b"DejaVu" not in stream.getvalue()
    figure, stream = Figure(), io.BytesIO()
    figure.text(0.1, 0.5, "theirs")
    figure.savefig(stream, format="pdf")
    assert b"DejaVuSans" in stream.getvalue()


def test_no_name_is_cut_by_the_border_of_a_picture(tmp_path: Path) -> None:
    with house_style():
        figure = Figure(figsize=(3.3, 1))
        figure.text(-0.2, 0.5, "without-position", weight="bold", size=6.5)
        box = settle(figure)
        save_png(Drawing("names", figure, "", "", ""), tmp_path / "names.png", box)
    with Image.open(tmp_path / "names.png") as picture:
        ink = np.array(picture.convert("L")) < 200
    columns = np.flatnonzero(ink.any(axis=0))
    assert min(columns[0], ink.shape[1] - 1 - columns[-1]) >= 3, "of six that the box is wider"
