"""The page of the columns, against those that there are."""

import re

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import cells_frame, overall_frame, rates_frame
from tests.made_up import made_up_record
from tests.made_up_bench import made_up_bench
from tests.paths import ROOT


def columns_on_the_page() -> dict[str, set[str]]:
    parts = re.split(r"^## ", (ROOT / "docs" / "table-columns.md").read_text(), flags=re.MULTILINE)[1:]
    rows = {part.splitlines()[0]: re.findall(r"^\| (`[^|]*) \|", part, flags=re.MULTILINE) for part in parts}
    return {title: set(re.findall(r"`([^`]+)`", " ".join(names))) for title, names in rows.items()}


def test_every_column_is_on_the_page() -> None:
    known = columns_on_the_page()
    grid, results = made_up_bench(("bit-xor", "mnist"), rates=(1e-3, 1e-2))
    simple = [made_up_record(task, {"linear": 0.5}) for task in grid.experiment.tasks]
    bench = Bench.of(grid, results, simple=simple)
    assert set(cells_frame(bench)) <= known["table.csv, table.json"]
    assert len(overall_frame(bench))
    assert len(rates_frame(bench))
    assert set(overall_frame(bench)) <= known["overall.csv"]
    assert set(rates_frame(bench)) <= known["rates.csv"]
