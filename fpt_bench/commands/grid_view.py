"""What people watch while runs go on: one bar for a run, one live view for a grid."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from fpt_bench.config.grid import Grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.report.words import percent
from fpt_bench.results.events import Event, Finished, Progress, Started
from fpt_bench.results.result import RunResult


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description}", markup=False),
        # Together with the longest texts this fits a terminal of 80 columns.
        BarColumn(bar_width=10),
        TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[score]}"),
        TimeRemainingColumn(),
        console=console,
    )


class RunBar:
    """The progress bar of a single run. A context manager; `report` is what the harness calls."""

    def __init__(self, title: str, max_steps: int, console: Console) -> None:
        self.bars = _bars(console)
        self.task = self.bars.add_task(title, total=max_steps, score="")

    def __enter__(self) -> "RunBar":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def report(self, progress: Progress) -> None:
        loss = "" if progress.loss is None else f"loss {progress.loss:.2f}  "
        text = f"{loss}val {percent(progress.score, progress.is_fraction)}"
        self.bars.update(self.task, completed=progress.step, score=text)


class GridView:
    """The state of a grid: finished runs by task and arm, bars of running ones, and the time left.

    On a terminal it is drawn in place; elsewhere each finished run is a line.
    """

    def __init__(self, grid: Grid, workers: int, console: Console) -> None:
        self.grid = grid
        self.workers = workers
        self.console = console
        self.bars = _bars(console)
        self.running: dict[str, TaskID] = {}
        self.results: dict[str, RunResult] = {}
        self.cell_of = {run.spec.run_id: (run.task, run.arm) for run in grid.runs}
        self.specs = {run.spec.run_id: run.spec for run in grid.runs}
        self.cells = {cell: {spec.run_id for spec in specs} for cell, specs in grid.cells().items()}
        self.given_up: set[str] = set()
        self.started = time.monotonic()
        self.steps: dict[str, int] = {}
        self.began: dict[str, tuple[int, float]] = {}
        """Of running runs, the first step that was heard of, and when."""
        self.seen: dict[str, float] = {}
        """When the last one was."""

    @contextmanager
    def live(self) -> Iterator["GridView"]:
        """Draw while the block runs."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(self, console=self.console, refresh_per_second=4):
            yield self

    def found(self, results: list[RunResult]) -> None:
        """Take note of runs that were finished before."""
        self.results |= {result.spec.run_id: result for result in results}

    def give_up(self, run_ids: set[str]) -> None:
        """Take note of the runs that nobody waits for: a sweep has given up their rates."""
        self.given_up = run_ids

    def take(self, event: Event) -> None:
        """Take an event of the launcher into the view."""
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Finished):
            self._finish(event.result)
        else:
            self._advance(event)

    def _start(self, event: Started) -> None:
        run_id = event.spec.run_id
        task, arm = self.cell_of[run_id]
        title = f"{task} · {arm} · seed {event.spec.seed}{self._rate(event.spec)}"
        if event.attempt > 1:
            title += f" · attempt {event.attempt}"
            self.console.print(f"{title}: its worker died, the run goes on from its checkpoint")
        if run_id in self.running:
            self.bars.remove_task(self.running[run_id])
        self.running[run_id] = self.bars.add_task(title, total=event.spec.max_steps, score="")

    def _rate(self, spec: RunSpec) -> str:
        """Name a run's learning rate where its task and arm have several."""
        swept = {self.specs[run_id].learning_rate for run_id in self.cells[self.cell_of[spec.run_id]]}
        return f" · rate {spec.learning_rate:g}" if len(swept) > 1 else ""

    def _advance(self, progress: Progress) -> None:
        self.steps[progress.run_id] = progress.step
        self.seen[progress.run_id] = time.monotonic()
        self.began.setdefault(progress.run_id, (progress.step, self.seen[progress.run_id]))
        if progress.run_id in self.running:
            text = f"val {percent(progress.score, progress.is_fraction)}"
            self.bars.update(self.running[progress.run_id], completed=progress.step, score=text)

    def _finish(self, result: RunResult) -> None:
        run_id = result.spec.run_id
        self.results[run_id] = result
        if run_id in self.running:
            self.bars.remove_task(self.running.pop(run_id))
        if not self.console.is_terminal:
            task, arm = self.cell_of[run_id]
            outcome = (
                f"test {percent(result.test_score, result.is_fraction)}"
                if result.status == "ok"
                else f"{result.status}: {result.error}"
            )
            done = f"{len(self.results)}/{self._expected()}"
            name = f"{task} {arm} seed {result.spec.seed}{self._rate(result.spec)}"
            self.console.print(f"[{done}] {name}: {outcome}", markup=False, highlight=False)

    def _expected(self) -> int:
        return len(self.cell_of.keys() - self.given_up)

    def __rich__(self) -> RenderableType:
        return Group(self._table(), self.bars, self._footer())

    def _table(self) -> Table:
        """Draw tasks x arms; a cell holds finished of all runs and their mean test score."""
        arms = list(self.grid.experiment.arms)
        table = Table("", *arms, title=self.grid.name)
        for task in dict.fromkeys(task for task, _ in self.cells):
            table.add_row(task, *(self._cell(task, arm) for arm in arms))
        return table

    def _cell(self, task: str, arm: str) -> Text:
        ids = self.cells.get((task, arm), set()) - self.given_up
        if not ids:
            return Text("")
        done = [self.results[run_id] for run_id in ids if run_id in self.results]
        scored = [result for result in done if result.score is not None]
        scores = [result.score for result in scored if result.score is not None]
        troubles = [result.status for result in done if result.status != "ok"]
        text = Text(f"{len(done)}/{len(ids)}", style="green" if len(done) == len(ids) else "dim")
        if scores:
            text.append(f"  {percent(sum(scores) / len(scores), scored[0].is_fraction)}", style="bold")
        if troubles:
            text.append(f"  {len(troubles)} {'/'.join(sorted(set(troubles)))}", style="red")
        return text

    def _footer(self) -> Text:
        elapsed = time.monotonic() - self.started
        text = f"{len(self.results)} of {self._expected()} runs done, {self.workers} at a time, "
        text += f"{_duration(elapsed)} so far"
        left = self._seconds_left()
        if left is not None:
            text += f", about {_duration(left)} left"
        return Text(text)

    def _seconds_left(self) -> float | None:
        """Estimate the seconds left from what steps of the same task cost; None while nothing shows it.

        A task without a finished run costs what its running ones show, one that has not begun the mean of the others.
        """
        costs = self._seconds_a_step()
        if not costs:
            return None
        usual = sum(costs.values()) / len(costs)
        left = 0.0
        for run_id, spec in self.specs.items():
            if run_id not in self.results and run_id not in self.given_up:
                left += costs.get(spec.task, usual) * (spec.max_steps - self.steps.get(run_id, 0))
        return left / self.workers

    def _seconds_a_step(self) -> dict[str, float]:
        """Return the seconds of a step by task: mean over finished runs; without any, over those that are running."""
        finished: dict[str, list[float]] = {}
        for result in self.results.values():
            if result.curve:
                finished.setdefault(result.spec.task, []).append(result.seconds / result.curve[-1][0])
        running: dict[str, list[float]] = {}
        for run_id, (step, began) in self.began.items():
            made, task = self.steps.get(run_id, step) - step, self.specs[run_id].task
            if run_id in self.running and made > 0 and task not in finished:
                running.setdefault(task, []).append((self.seen[run_id] - began) / made)
        return {task: sum(found) / len(found) for task, found in (running | finished).items()}


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
