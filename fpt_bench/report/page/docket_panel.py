"""The docket as an index shows it: every claim on file by the benches that are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.docket import Outcome
from fpt_bench.analysis.filed_docket import judge_filed
from fpt_bench.config.claim_files import filed_claims
from fpt_bench.report.docket_tables import count_line, difference_words, docket_records
from fpt_bench.report.page.parts import Row, Table
from fpt_bench.report.tables import Entry

_COLUMNS = ("claim", "verdict", "difference on each task, pp", "seeds", "what would settle it", "source")


@dataclass(frozen=True)
class DocketPanel:
    """Claims by verdict."""

    line: str
    settled: Table
    open: Table


def docket_panel(benches: Sequence[Bench], links: Mapping[str, str], console: Console) -> DocketPanel | None:
    """Return the docket by some benches; none, and a word to the console, where a registered claim was changed.

    Args:
        benches: whose runs judge.
        links: where the page of each bench is.
        console: told why there is no docket.
    """
    try:
        entries = judge_filed(filed_claims(), benches)
    except ValueError as error:
        console.print(f"no docket: {error}", markup=False, soft_wrap=True)
        return None
    order = list(get_args(Outcome))
    records = sorted(docket_records(entries), key=lambda record: order.index(record["verdict"]))
    settled, still_open = ([r for r in records if (r["verdict"] == "open") is is_open] for is_open in (False, True))
    return DocketPanel(
        count_line(entries),
        _table("Claims that the runs settle", settled, links),
        _table("Claims that stay open", still_open, links),
    )


def _table(caption: str, records: Sequence[Mapping[str, Any]], links: Mapping[str, str]) -> Table:
    rows = [Row("", _entries(record, links)) for record in records]
    filled = [number for number in range(len(_COLUMNS)) if any(row.entries[number].text for row in rows)]
    shown = tuple(Row("", tuple(row.entries[number] for number in filled)) for row in rows)
    return Table(caption, tuple(_COLUMNS[number] for number in filled), shown)


def _entries(record: Mapping[str, Any], links: Mapping[str, str]) -> tuple[Entry, ...]:
    return (
        Entry(record["claim"], link=links.get(record["bench"]), is_long=True),
        Entry(record["verdict"]),
        Entry("; ".join(f"{task['task']} {difference_words(task)}" for task in record["tasks"]), is_long=True),
        Entry(str(record["seeds"]), record["seeds"]),
        Entry(record["next"], is_long=True),
        Entry(record["source"], is_long=True),
    )
