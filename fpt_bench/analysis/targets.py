"""What "steps to target" counts to: what a simple rule or learner reaches, never what an arm reached in a pilot."""

from fpt_bench.results.result import DataRecord
from fpt_bench.results.simple_records import SimpleRecord

WORTHWHILE = 0.02
"""Share of the way from floor to perfect that a simple rule or learner must get, so that reaching it says something."""
HALF_WAY = "half-way from the floor to perfect"


def target_of(data: DataRecord, record: SimpleRecord | None) -> tuple[float, str]:
    """Return a task's target, a score, and what it is.

    The best floor or simple learner that is on record for these data, where it lies clearly above the floor that the
    result names; else half-way from the floor to perfect.

    Args:
        data: of a run.
        record: of the same data and as many examples; None where there is none.
    """
    way = data.perfect - data.floor
    if record is not None and way and (record.scores[record.best] - data.floor) / way >= WORTHWHILE:
        return record.scores[record.best], record.best
    return data.floor + way / 2, HALF_WAY
