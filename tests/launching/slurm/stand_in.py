"""A job that costs nothing: it counts steps as a run trains them, with claim, checkpoint and result in their places.

What Slurm does to jobs can be tested with many of them in seconds; real runs import torch, which takes longer.
"""

import signal
import sys
import time
from pathlib import Path

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import LEASE_FILE
from fpt_bench.results.lease import Lease
from fpt_bench.results.result import DataRecord, RunResult
from fpt_bench.results.result_files import read_result, write_result
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.preemption import Notice

STEP_SECONDS = 0.1
CHECKPOINT = "steps"
HISTORY = "history"


def count_steps(spec_json: str, workspace: Workspace) -> None:
    """Count to `max_steps`, from where an earlier attempt was; the accuracy is the last step's number."""
    spec = RunSpec.model_validate_json(spec_json)
    notice = Notice()
    notice.listen()
    folder = workspace.runs / spec.run_id
    folder.mkdir(parents=True, exist_ok=True)
    with Lease(folder / LEASE_FILE):
        if read_result(folder) is not None:
            _note(folder, "found done")
            return
        checkpoint = folder / CHECKPOINT
        first = int(checkpoint.read_text()) if checkpoint.exists() else 0
        _note(folder, f"from {first}")
        for step in range(first + 1, spec.max_steps + 1):
            time.sleep(STEP_SECONDS)
            write_atomically(checkpoint, str(step))
            if notice:
                _note(folder, f"left at {step} after {signal.Signals(notice.signal or 0).name}")
                sys.exit(1)
        data = DataRecord(kind="real", source="numbers", fingerprint="d" * 64, trivial={}, floor=0.0)
        write_result(RunResult(spec=spec, status="ok", test_score=1 / spec.max_steps, data=data), folder)
        _note(folder, "finished")


def _note(folder: Path, line: str) -> None:
    with (folder / HISTORY).open("a") as stream:
        stream.write(f"{line}\n")
