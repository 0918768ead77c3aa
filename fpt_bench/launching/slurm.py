"""Runs as jobs of a Slurm cluster, through submitit. The queue is disposable: a result file is the only truth.

Under RUNS/slurm there are, for every job array, a record of which job does which run, and submitit's files: a log and
two pickles a job. All of it may be deleted at any time: the worst that happens is that a run is sent twice, and then
one job does it and the other finds it done.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from fpt_bench.__main__ import working_directory_last
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.crew import ALLOCATOR
from fpt_bench.launching.workers import describe, keep_failure
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import SLURM
from fpt_bench.results.lease import Lease
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.regular_files import read_regular, why_unread
from fpt_bench.results.workspace import Workspace

JOB_NAME = "fpt_bench"
ARRAY_SIZE = 1000
"""Runs of one job array: Slurm's default MaxArraySize is 1001."""
LEFT_EARLY = 75
"""Exit code of a job that left its run at a checkpoint."""
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "SUSPENDED"}
_SECONDS_TO_LEAVE = 120
_ARRAY, _JOB = re.compile(r"[0-9]{1,18}"), re.compile(r"[0-9]+(_[0-9]+)?")
"""Number of a job array, and of one of its jobs: a part of its log's name, which leads out of no folder."""


def send(
    specs: Collection[RunSpec],
    workspace: Workspace,
    launcher: Launcher,
    job: Callable[[str, Workspace], None] | None = None,
) -> tuple[int, list[str]]:
    """Put those of the runs that are not in the queue into it, as job arrays; return their number and the arrays' ids.

    Two people who send the same runs at the same time send them once.

    Specs are resolved, the workspace is shared by all nodes. `job` does one run, given as JSON; by default `work`.

    Raises:
        ValueError: submitit is not installed.
        OSError: Slurm is not available or refuses, or the folder cannot be written.
    """
    folder = (workspace.runs / SLURM).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    workspace = workspace.absolute()
    arrays = []
    with Lease(folder / "sending.claim"):
        queued = queued_runs(workspace.runs)
        missing = [spec for spec in specs if spec.run_id not in queued]
        for start in range(0, len(missing), ARRAY_SIZE):
            jobs = _submit(job or work, missing[start : start + ARRAY_SIZE], workspace, launcher, folder)
            array = next(iter(jobs)).partition("_")[0]
            write_atomically(folder / f"sent-{array}.json", json.dumps(jobs, indent=0))
            arrays.append(array)
    return len(missing), arrays


def _submit(
    job: Callable[[str, Workspace], None], specs: list[RunSpec], workspace: Workspace, launcher: Launcher, folder: Path
) -> dict[str, str]:
    """Send one job array and return the run id of each job id."""
    try:
        import submitit
    except ImportError as error:
        raise ValueError("the Slurm launcher needs submitit: pip install 'fpt_bench[slurm]'") from error
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise FileNotFoundError("the Slurm launcher needs the commands sbatch, srun and squeue; found none here")
    executor = submitit.SlurmExecutor(folder=folder / "jobs")
    executor.update_parameters(**_parameters(launcher))
    try:
        jobs = executor.map_array(job, [spec.model_dump_json() for spec in specs], [workspace] * len(specs))
    except submitit.core.utils.FailedJobError as error:
        raise OSError(f"Slurm refused the jobs: {' '.join(str(error).split())}") from error
    return {sent.job_id: spec.run_id for sent, spec in zip(jobs, specs, strict=True)}


def _parameters(launcher: Launcher) -> dict[str, Any]:
    """Return what submitit calls the launcher's options."""
    asked = {
        "partition": launcher.partition,
        "gpus_per_node": launcher.gpus or None,
        "mem": None if launcher.memory is None else f"{round(launcher.memory * 1024)}M",
        "constraint": launcher.constraint,
    }
    return {
        "job_name": JOB_NAME,
        "time": launcher.time,
        "cpus_per_task": launcher.cpus,
        "array_parallelism": launcher.parallelism,
        "signal_delay_s": min(_SECONDS_TO_LEAVE, launcher.time * 30),
        "stderr_to_stdout": True,
        "setup": [f"export {name}=${{{name}:-{value}}}" for name, value in ALLOCATOR.items()],
        "additional_parameters": {"requeue": True},
        **{name: value for name, value in asked.items() if value is not None},
    }


def work(spec_json: str, workspace: Workspace) -> None:
    """Do one run in a job of its own. Nothing before the run may import torch: it reads the number of threads once.

    Asked to leave, it saves a checkpoint and exits; before the end of its time, it puts itself back into the queue.
    """
    working_directory_last()
    os.environ["OMP_NUM_THREADS"] = os.environ.get("SLURM_CPUS_PER_TASK", "1")
    from fpt_bench.training.one_run import run_one
    from fpt_bench.training.preemption import Notice, PreemptedError

    spec = RunSpec.model_validate_json(spec_json)
    notice = Notice()
    notice.listen()
    try:
        result = run_one(spec, workspace, notice=notice)
        print(f"{spec.run_id}: {result.status}", flush=True)
    except PreemptedError as left:
        print(f"{spec.run_id}: {left} after {signal.Signals(notice.signal or 0).name}", flush=True)
        # After SIGTERM it is Slurm that decides whether there is another time.
        if notice.signal != signal.SIGTERM:
            _requeue()
        sys.exit(LEFT_EARLY)
    except RefusedError:
        raise  # what is in the run's folder stays as it is
    except Exception as error:
        keep_failure(spec, describe(error), workspace)
        raise


def _requeue() -> None:
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{index}" if array else os.environ["SLURM_JOB_ID"]
    subprocess.run(["scontrol", "requeue", job], check=False, timeout=60)


def sent_jobs(runs: Path) -> tuple[dict[str, str], list[str]]:
    """Return the last job that was sent for each run, by run id, and a sentence for each record that is none."""
    jobs: dict[str, str] = {}
    problems = []
    for path in sorted((runs / SLURM).glob("sent-*.json"), key=_array_of):
        try:
            jobs |= _read_record(path)
        except FileNotFoundError:  # removed since it was listed
            continue
        except (OSError, ValueError) as error:
            problems.append(why_unread(path, error))
    return jobs, problems


def _array_of(record: Path) -> tuple[int, str]:
    """Return what records are sorted by: the array's number, as Slurm counts them; a stray file's name comes first."""
    number = record.stem.partition("-")[2]
    return (int(number) if _ARRAY.fullmatch(number) else -1), record.name


def _read_record(path: Path) -> dict[str, str]:
    """Return the jobs of one array, by run id.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no record; the message names it.
    """
    expected = f"{path}: expected the record of a job array"
    if not _ARRAY.fullmatch(path.stem.partition("-")[2]):
        raise ValueError(f"{expected} to be called sent-NUMBER.json. Move it away.")
    content = read_regular(path)
    try:
        jobs = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{expected} in JSON, got: {error}. It may be deleted.") from error
    if not isinstance(jobs, dict) or not all(
        _JOB.fullmatch(job) and isinstance(run_id, str) for job, run_id in jobs.items()
    ):
        raise ValueError(f"{expected}, a run id for each job, got other values. It may be deleted.")
    return {run_id: job for job, run_id in jobs.items()}


def queued_runs(runs: Path) -> dict[str, str]:
    """Return `queued` or `running` for each run that a job in Slurm's queue is there for, by run id.

    Raises:
        OSError: the queue cannot be asked.
    """
    jobs, _ = sent_jobs(runs)
    if not jobs:
        return {}
    states = _queue()
    return {run_id: states[job] for run_id, job in jobs.items() if job in states}


def _queue() -> dict[str, str]:
    command = ["squeue", "--noheader", "--array", f"--name={JOB_NAME}", "--format=%A %F %K %T"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OSError(f"expected an answer of Slurm's squeue, got: {error}") from error
    if done.returncode:
        raise OSError(f"expected an answer of Slurm's squeue, got: {' '.join(done.stderr.split())}")
    states = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) != 4:  # such as the name of a cluster, which a federation's puts before its jobs
            continue
        job, array, index, state = words
        name = f"{array}_{index}" if index.isdecimal() else job
        states[name] = "queued" if state in _WAITING else "running"
    return states


def log_of(runs: Path, job: str) -> Path:
    """Return the log of a job; all attempts of the job write into it."""
    return runs / SLURM / "jobs" / f"{job}_0_log.out"
