"""Many short runs while a random worker is killed again and again: all finish, once, and nothing leaks.

    python -m benchmarks.soak [--runs 300] [--workers 2] [--seconds-between-kills 20]

Ends with exit code 1 where a run is missing, failed or was done twice, where the parent's memory or open files grew, or
where a dead child was left behind.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching import workers as launch
from fpt_bench.results.events import Finished
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.workspace import Workspace

GROWTH_MB = 20.0
"""Resident memory that the parent may gain from the first finished run to the last."""
ATTEMPTS = 50
"""Workers that a run may lose here: where imports take longer than the time between kills, two would be too few."""


def children() -> dict[int, str]:
    """Return the state letter of each child process that does runs, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        # A zombie has no command line any more.
        if int(parent) == os.getpid() and (b"spawn_main" in command or state == "Z"):
            found[int(process.name)] = state
    return found


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def kill_now_and_then(seconds: float, over: threading.Event, killed: list[int]) -> None:
    chance = random.Random(0)
    while not over.wait(seconds):
        living = [number for number, state in children().items() if state != "Z"]
        if living:
            victim = chance.choice(living)
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)


def soak(folder: Path, count: int, workers: int, seconds: float) -> list[str]:
    """Do the runs under fire, print what was seen, and return what went wrong."""
    specs = [
        RunSpec(task="bit-xor", data="real", layers=1, max_steps=40, eval_every=10, learning_rate=1e-4, seed=seed)
        for seed in range(count)
    ]
    launch.ATTEMPTS = ATTEMPTS
    over, killed = threading.Event(), list[int]()
    killer = threading.Thread(target=kill_now_and_then, args=(seconds, over, killed))
    killer.start()
    finished: list[str] = []
    memory: list[float] = []
    started = time.monotonic()
    workspace = Workspace(folder, offline=True)
    try:
        with launch.hire(workers, workspace) as crew:
            for event in launch.run_all(specs, workspace, crew):
                if isinstance(event, Finished):
                    finished.append(event.result.spec.run_id)
                    memory.append(resident_mb())
                    files = len(list(Path("/proc/self/fd").iterdir()))
                    seen = f"{len(killed)} killed, {memory[-1]:.0f} MiB, {files} files"
                    print(f"{len(finished)} done, {seen}", flush=True)
    finally:
        over.set()
        killer.join()
    results, problems = collect_results(folder)
    seconds_taken = time.monotonic() - started
    print(f"{len(results)} results, {len(killed)} workers killed, {seconds_taken:.0f} s")
    wanted = sorted(spec.run_id for spec in specs)
    left = children()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    findings = {
        f"finished runs are not each run once: {len(finished)} of {count}": sorted(finished) != wanted,
        f"results are not each run once: {len(results)} of {count}": sorted(r.spec.run_id for r in results) != wanted,
        f"not ok: {[r.error for r in results if r.status != 'ok']}": any(r.status != "ok" for r in results),
        f"files that are no results: {problems}": bool(problems),
        f"the parent grew from {memory[0]:.0f} to {memory[-1]:.0f} MiB": memory[-1] - memory[0] > GROWTH_MB,
        f"children are left: {left}": bool(left),
        f"{open_files} open files are left": open_files > OPEN_AT_START + 2,
        f"claims are left: {list(folder.glob('*/run.claim'))}": any(folder.glob("*/run.claim")),
    }
    return [text for text, is_so in findings.items() if is_so]


OPEN_AT_START = len(list(Path("/proc/self/fd").iterdir()))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds-between-kills", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        troubles = soak(Path(temporary), arguments.runs, arguments.workers, arguments.seconds_between_kills)
    for trouble in troubles:
        print(trouble)
    sys.exit(bool(troubles))
