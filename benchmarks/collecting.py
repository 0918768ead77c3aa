"""Time the collection of many result files: the first time, again, and after a few changed.

python -m benchmarks.collecting [NUMBER] [FOLDER]
"""

import sys
import tempfile
import time
from pathlib import Path

from fpt_bench.contents_cache import CACHE_FILE
from fpt_bench.results import RESULT_FILE, GroupCount, RunResult, collect_results
from fpt_bench.spec import RunSpec

CHANGED = 100


def make(folder: Path, count: int) -> None:
    """Write results of the size of real ones: a curve of 50 validations."""
    for seed in range(count):
        spec = RunSpec(task="bit-xor", data="real", seed=seed)
        curve = tuple((step, step / 3000) for step in range(50, 2550, 50))
        groups = {name: GroupCount(trained=1000, total=1000) for name in ("input", "readout", "norm", "position")}
        result = RunResult(spec=spec, status="ok", curve=curve, test_accuracy=0.5, parameters=groups, seconds=60.0)
        place = folder / spec.run_id
        place.mkdir(parents=True)
        (place / RESULT_FILE).write_text(result.model_dump_json(indent=1))


def timed(what: str, folder: Path) -> None:
    started = time.perf_counter()
    results, problems = collect_results(folder)
    print(
        f"{what}: {time.perf_counter() - started:.1f} s, {len(results)} results, {len(problems)} problems", flush=True
    )


def main(count: int, folder: Path) -> None:
    started = time.perf_counter()
    make(folder, count)
    print(f"{count} files written in {time.perf_counter() - started:.0f} s", flush=True)
    timed("first time", folder)
    print(f"cache: {(folder / CACHE_FILE).stat().st_size / 1e6:.0f} MB")
    timed("again", folder)
    for path in sorted(folder.glob(f"*/{RESULT_FILE}"))[:CHANGED]:
        path.write_text(path.read_text().replace('"seconds": 60.0', '"seconds": 61.0'))
    timed(f"after {CHANGED} changed", folder)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(number, Path(temporary))
