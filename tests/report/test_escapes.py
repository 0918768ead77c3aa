"""Names that would act where they are shown: in Markdown, in a spreadsheet, in a test report."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from fpt_bench.analysis.baseline import make_baseline, read_baseline, write_baseline
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import as_csv
from fpt_bench.analysis.gate import Finding, Verdict
from fpt_bench.report.escapes import for_markdown, for_markdown_cell, for_terminal
from fpt_bench.report.figures.attention_panels import save_attention
from fpt_bench.report.figures.draw import draw_accuracy, finish, house_style
from fpt_bench.report.figures.style import make_looks
from fpt_bench.report.tables import write_tables
from fpt_bench.report.verdict import render_junit, render_summary
from fpt_bench.results.predictions import AttentionMaps
from tests.made_up_bench import made_up_bench

HOSTILE = "<img src=x> ![a](http://b/c.png) [d](http://e) a|b\n# c \x1b[31m \u202e"
SHOWN = r"&lt;img src=x> !\[a]\(http://b/c.png) [d]\(http://e) a\|b # c \x1b[31m \u202e"


def test_markdown_shows_text() -> None:
    assert for_markdown_cell(HOSTILE) == SHOWN
    assert for_markdown("`x` is <5 of [0, 1], 3 < 4 ± 1 & more!") == "`x` is <5 of [0, 1], 3 < 4 ± 1 & more!"


def test_a_terminal_shows_text() -> None:
    assert for_terminal("a\tb\nc \x1b]0;t\x07\r\x9b \udcff ü") == "a\tb\nc \\x1b]0;t\\x07\\r\\x9b \\udcff ü"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("+HYPERLINK(A1)", "'+HYPERLINK(A1)"),
        ("'=1", "''=1"),
        ("+norm+input", "+norm+input"),
        ("bit-xor", "bit-xor"),
        (-0.5, -0.5),
        ("", ""),
    ],
)
def test_a_spreadsheet_computes_no_text(tmp_path: Path, cell: object, written: object) -> None:
    path = tmp_path / "a.csv"
    path.write_text(as_csv(pd.DataFrame({"text": [cell, cell], "number": [-1.5, 2]})))
    read = pd.read_csv(path, keep_default_na=False)
    assert read.to_dict("list") == {"text": [written, written], "number": [-1.5, 2]}


def test_the_files_of_a_bench_whose_names_act(tmp_path: Path) -> None:
    grid, results = made_up_bench(
        tasks=("bit-xor",), seeds=(0, 1), rates=(1e-3, 1e-2), names={"full": HOSTILE, "language": "=1+1"}
    )
    grid = grid.model_copy(update={"left_out": ("<script>",)})
    bench = Bench.of(grid, results)
    write_tables(bench, tmp_path)
    page = (tmp_path / "table.md").read_text()
    assert SHOWN in page
    assert "Left out: &lt;script>;" in page
    assert "\n# c" not in page
    for name in ("table.csv", "rates.csv"):
        assert list(dict.fromkeys(pd.read_csv(tmp_path / name)["arm"])) == ["'=1+1", "random", HOSTILE], name
    kept = make_baseline(bench)
    (tmp_path / "baseline.json").write_text(write_baseline(kept))
    assert [cell.arm for cell in read_baseline(tmp_path / "baseline.json").cells] == ["=1+1", "random", HOSTILE]


def test_a_figure_reads_no_name_as_a_formula(tmp_path: Path) -> None:
    name = r"a$\frac$b"
    grid, results = made_up_bench(tasks=("bit-xor",), seeds=(0,), names={"full": name})
    bench = Bench.of(grid, results)
    with house_style():
        drawing = draw_accuracy(bench, make_looks(bench.arms))
        assert drawing is not None
        assert len(finish(drawing, "a", tmp_path).svg) > 1000
    maps = AttentionMaps(name, ("0", name), np.full((1, 1, 2, 2), 0.5, np.float32))
    save_attention([maps], name, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").is_file()


def test_a_verdict_shows_text() -> None:
    verdict = Verdict(1, (Finding(HOSTILE, "data", HOSTILE),))
    assert f"| {SHOWN} | data | {SHOWN} |" in render_summary(verdict, Path("<b>"), Path("b.csv"))
    case = ElementTree.fromstring(render_junit(verdict))[0]
    assert case.get("classname") == for_terminal(HOSTILE), "XML that can be read"


def test_a_large_count_keeps_its_digits_beside_a_cell_that_has_none() -> None:
    text = as_csv(pd.DataFrame({"bytes_kept": [43379712.0, None], "seconds": [1.23456789, 2.0]}))
    assert text.splitlines() == ["bytes_kept,seconds", "43379712,1.23457", ",2"]
