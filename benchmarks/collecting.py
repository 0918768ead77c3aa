"""Time the collection of many result files, three times.

python -m benchmarks.collecting [NUMBER] [FOLDER]
"""

import sys
import tempfile
import time
from pathlib import Path

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import DataRecord, GroupCount, RunResult
from fpt_bench.results.result_files import collect_results, write_result


def make(folder: Path, count: int) -> None:
    """Write results of the size of real ones: a curve of 50 validations."""
    for seed in range(count):
        spec = RunSpec(task="bit-xor", data="real", seed=seed)
        curve = tuple((step, step / 3000) for step in range(50, 2550, 50))
        groups = {name: GroupCount(trained=1000, total=1000) for name in ("input", "readout", "norm", "position")}
        data = DataRecord(kind="real", source="none", fingerprint="0" * 64, trivial={"guess": 0.5}, floor=0.5)
        result = RunResult(
            spec=spec, status="ok", curve=curve, best_step=curve[-1][0], validation_score=curve[-1][1],
            test_score=0.5, test_examples=128, data=data, parameters=groups, seconds=60.0,
        )  # fmt: skip
        write_result(result, folder / spec.run_id)


def main(count: int, folder: Path) -> None:
    started = time.perf_counter()
    make(folder, count)
    print(f"{count} files written in {time.perf_counter() - started:.0f} s", flush=True)
    for _ in range(3):
        started = time.perf_counter()
        results, problems = collect_results(folder)
        seconds = time.perf_counter() - started
        print(f"{seconds:.1f} s, {len(results)} results, {len(problems)} problems", flush=True)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(number, Path(temporary))
