"""Files that nobody would write, and what the commands say to them: `python -m tests.fuzz --inputs 400 --seed 0`.

An input is a folder of kept results, its grid, a baseline, predictions, a picture, a record of Slurm jobs, a lease, an
experiment and a profile, one or two of them damaged; or with something odd lying among them. Every command that reads
such files must come to an end with exit code 0, 1 or 2, without a traceback and without a control character.
"""

import argparse
import base64
import json
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from typer.testing import CliRunner

from fpt_bench.cli import COMMANDS, app
from fpt_bench.config.known import TASKS
from fpt_bench.results.folder import GRID_FILE, LEASE_FILE, PREDICTIONS_FILE, RESULT_FILE, SLURM, TABLES
from fpt_bench.results.lines import PACKED, line_of
from fpt_bench.results.regular_files import LIMIT
from fpt_bench.results.result_files import collect_results
from tests.paths import KEPT_RESULTS, ROOT

BENCH = "execution-embedded"
BUSY_SECONDS, WALL_SECONDS = 30, 300
"""Of the processor, and by the clock, after which a command hangs: the machine may have other things to do."""
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")
ODD_TEXTS = (
    "", "[/red]", "[bold]x", ":smile:", "<script>alert(1)</script>", "![a](http://b/c.png)", "a|b\nc", "\x1b[31m",
    "=1+1", "../../..", "a" * 10_000, "\u202egnp", "nan", "task:",
    "os:system", "%s{}", "`", "\\input{x}", "a$\\frac$b", "\ud800",
)  # fmt: skip
ODD_NUMBERS = (0, -1, 1, True, 1e308, -1e308, float("nan"), float("inf"), 10**30, 10**400, 0.1)
MOST_BYTES = 12 * 2**30
"""Of address space; libraries reserve a part of it."""


class HangError(BaseException):
    """Not an Exception: nothing that a command catches may hide it."""


def sample() -> dict[str, bytes]:
    """Return the content of a folder that is in order, by path."""
    grid = (KEPT_RESULTS / TABLES / BENCH / GRID_FILE).read_bytes()

    wanted = _ids_of(grid)
    kept = {result.spec.run_id: result for result in collect_results(KEPT_RESULTS)[0] if result.spec.run_id in wanted}
    first, *done = sorted(kept)
    said = [{"example": 0, "input": "0 1", "labels": [1, 0], "predicted": [1, 1]}]
    lease = {"host": "far", "space": "another", "pid": 1, "started": "1", "token": "x"}
    packed, *done = done
    files = {f"runs/{name}/{RESULT_FILE}": kept[name].model_dump_json(indent=1).encode() for name in done}
    files[f"runs/a{PACKED}"] = line_of(kept[packed])
    files |= {f"runs/{name}/{PREDICTIONS_FILE}": json.dumps(said).encode() for name in done}
    return files | {
        f"runs/{TABLES}/{BENCH}/{GRID_FILE}": grid,
        f"runs/{done[0]}/attention-0.png": PNG,
        f"runs/{first}/{LEASE_FILE}": json.dumps(lease).encode(),
        f"runs/{SLURM}/sent-7.json": json.dumps({f"7_{n}": name for n, name in enumerate([first, *done])}).encode(),
        "baseline.json": (ROOT / "configs" / "baselines" / "smoke.json").read_bytes(),
        "experiment.yaml": (ROOT / "configs" / "experiments" / "execution.yaml").read_bytes(),
        "profile.yaml": (ROOT / "configs" / "profiles" / "embedded.yaml").read_bytes(),
    }


def _ids_of(grid: bytes) -> set[str]:
    from fpt_bench.config.grid import Grid

    return {run.spec.run_id for run in Grid.model_validate_json(grid).runs}


def commands_for(folder: Path, path: str, chance: random.Random) -> list[list[str]]:
    """Return the command lines that read a file of the sample."""
    runs, tables = str(folder / "runs"), str(folder / "runs" / TABLES / BENCH)
    plan = ["plan", str(folder / "experiment.yaml"), "--profile", str(folder / "profile.yaml"), "--runs", runs]
    check = ["check", tables, "--baseline", str(folder / "baseline.json")]
    report = ["report", runs, "-o", str(folder / "report.html")]
    if path.endswith(".yaml"):
        inspect = ["inspect", "--", chance.choice([*ODD_TEXTS[:-1], *TASKS])]
        return [plan, inspect] if "inspect" in COMMANDS else [plan]
    if path == "baseline.json":
        return [check]
    if path.endswith((PREDICTIONS_FILE, ".png")):
        return [report]
    if path.endswith(LEASE_FILE) or SLURM in path:
        return [["status", runs]]
    drawn = [report] if chance.random() < 0.25 else []  # it takes longer than all others
    return [["table", runs], ["status", runs], ["list", "runs", "--runs", runs], check, plan, *drawn]


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return a file's bytes as an accident leaves them."""
    at, to = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    ways: list[Callable[[], bytes]] = [
        lambda: content[:at],
        lambda: b"",
        lambda: content[:at] + content[to:],
        lambda: content[:to] + content[at:],
        lambda: content[:at] + chance.randbytes(chance.randrange(1, 40)) + content[at:],
        lambda: content[:at] + bytes([content[at - 1] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
        lambda: content.replace(b"0", b"9"),
        lambda: b"\xff\xfe" + content,
        lambda: content + b"\0" * LIMIT,
        lambda: b"[" * 100_000,
    ]
    return chance.choice(ways)()


def damage_tree(tree: Any, chance: random.Random) -> Any:
    """Change a value somewhere in what a file says: another type, an odd one, one too many or too few."""
    if not isinstance(tree, dict | list) or not tree or chance.random() < 0.15:
        return _odd(tree, chance)
    key = chance.choice(list(tree)) if isinstance(tree, dict) else chance.randrange(len(tree))
    way = chance.random()
    if way < 0.1:
        del tree[key]
    elif way < 0.2 and isinstance(tree, dict):
        tree[chance.choice([*ODD_TEXTS, "more"])] = tree.pop(key)
    elif way < 0.2:
        tree.append(tree[key])
    else:
        tree[key] = damage_tree(tree[key], chance)
    return tree


def _odd(value: Any, chance: random.Random) -> Any:
    deep: Any = value
    for _ in range(chance.choice((3, 300))):
        deep = [deep]
    return chance.choice([None, {}, [], [value] * 3, {"a": value}, deep, str(value), *ODD_TEXTS, *ODD_NUMBERS])


def shared_lists(content: bytes, chance: random.Random) -> bytes:
    """Return YAML whose few lines are a billion values: a list of ten of a list of ten, and so on."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    key = chance.choice(["question", "tasks", "arms", "bodies", "seeds", "more"])
    return "\n".join([*lines, f"{key}: *l9"]).encode() + (b"\n" + content if chance.random() < 0.5 else b"")


def damaged(path: str, content: bytes, chance: random.Random) -> bytes:
    """Return the content of a file, damaged in a way that befits it."""
    if path.endswith(".yaml") and chance.random() < 0.1:
        return shared_lists(content, chance)
    if chance.random() < 0.4 or path.endswith(".png"):
        return damage_bytes(content, chance)
    if path.endswith(".yaml"):
        return yaml.safe_dump(damage_tree(yaml.safe_load(content), chance)).encode(errors="surrogatepass")
    with _any_length_of_numbers():
        return json.dumps(damage_tree(json.loads(content), chance)).encode()


@contextmanager
def _any_length_of_numbers() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def lay_something_odd(at: Path, chance: random.Random) -> None:
    """Put something that is no file in the place of a file or folder, or beside it."""
    name = chance.choice([at.name, "stray", "\udcff\udcfe", "[red]", "\x1b[31m", "sent-abc.json", "sent-1 (copy).json"])
    place = at.with_name(name)
    if place.is_file():
        place.unlink()
    elif place.exists():
        return
    ways: list[Callable[[], object]] = [
        lambda: place.symlink_to(place.name),
        lambda: place.symlink_to("/dev/zero"),
        lambda: place.symlink_to("/nowhere"),
        lambda: place.symlink_to(at.parent, target_is_directory=True),
        lambda: os.mkfifo(place),
        lambda: (place / at.name).mkdir(parents=True),
        lambda: place.write_bytes(chance.randbytes(100)),
        lambda: (place.mkdir(), place.chmod(0)),
    ]
    chance.choice(ways)()


@dataclass(frozen=True)
class Failure:
    """What one command should not have done."""

    command: str
    what: str


def run_input(number: int, seed: int, files: dict[str, bytes]) -> tuple[Counter[str], list[Failure]]:
    """Build one input and return how often each command ended how, and what failed."""
    chance = random.Random(f"{seed}:{number}")
    kinds = sorted({_kind(path) for path in files})
    kind = chance.choice(kinds)
    path = chance.choice(sorted(path for path in files if _kind(path) == kind))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for other, content in files.items():
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_bytes(content)
        if chance.random() < 0.25:
            places = [folder / path, (folder / path).parent]
            lay_something_odd(chance.choice([place for place in places if place != folder]), chance)
        else:
            (folder / path).write_bytes(damaged(path, files[path], chance))
        counts: Counter[str] = Counter()
        failures = []
        for command in commands_for(folder, path, chance):
            # Figures take seconds, and show nothing of predictions and pictures.
            undrawn = mock.patch("fpt_bench.report.page.contents.draw_bench", return_value=[])
            with nullcontext() if kind in (GRID_FILE, RESULT_FILE) else undrawn:
                ended, wrong = run_command(command)
            counts[f"{command[0]} {ended}"] += 1
            failures += [Failure(f"{path}: {' '.join(command)}", wrong)] if wrong else []
        for odd in folder.rglob("*"):  # so that the folder can be removed
            if not odd.is_symlink() and odd.is_dir():
                odd.chmod(0o700)
    return counts, failures


def _kind(path: str) -> str:
    return path.rpartition("/")[2]


def run_command(arguments: list[str]) -> tuple[str, str | None]:
    """Return how a command ended, and what was wrong with that."""

    def hangs(*_: object) -> None:
        raise HangError

    for name in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(name, hangs)
    signal.alarm(WALL_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, BUSY_SECONDS)
    try:
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    except HangError:
        return "hang", "".join(traceback.format_exc(limit=-3))
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return "traceback", "".join(traceback.format_exception(done.exception)[-4:])
    if done.exit_code not in (0, 1, 2):
        return str(done.exit_code), f"exit code {done.exit_code}"
    if "\x1b" in done.output or "Traceback" in done.output:
        return "output", f"a control character, or a traceback: {done.output[:500]!r}"
    return str(done.exit_code), None


def main(arguments: list[str] | None = None) -> int:
    """Run the inputs, print counts and every failure, and return how many inputs failed, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of the one input to run")
    options = parser.parse_args(arguments)
    files, counts, failed = sample(), Counter[str](), 0
    for number in range(options.inputs) if options.only is None else [options.only]:
        ended, failures = run_input(number, options.seed, files)
        counts += ended
        failed += bool(failures)
        for failure in failures:
            print(f"FAILED --seed {options.seed} --only {number}: {failure.command!r}\n{failure.what}", flush=True)
    for what, count in sorted(counts.items()):
        print(f"{what:20} {count:6}")
    print(f"{failed} inputs failed, of {options.inputs if options.only is None else 1}")
    return min(failed, 1)


if __name__ == "__main__":
    # What unfolds without end in C hears no alarm: it runs out of memory before the machine does.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.exit(main())
