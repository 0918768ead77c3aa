"""Results that nobody measured, for tests of what is done with results."""

from typing import Literal

from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import BodyRecord, DataRecord, GroupCount, RunResult
from fpt_bench.results.simple_records import SimpleRecord

FLOORS = {"bit-xor": 0.5, "mnist": 0.1}
INITS = {"language": "pretrained", "random": "random"}


def made_up_spec(task: str, seed: int, init: str = "pretrained", rate: float = 1e-3) -> RunSpec:
    data: Literal["real", "embedded"] = "real" if task == "bit-xor" else "embedded"
    return RunSpec(task=task, data=data, init=init, seed=seed, learning_rate=rate, max_steps=100, eval_every=50)


def made_up_result(
    task: str,
    seed: int,
    accuracy: float | None,
    init: str = "pretrained",
    status: Literal["ok", "diverged"] = "ok",
    curve: tuple[tuple[int, float], ...] = ((50, 0.8), (100, 0.9)),
    rate: float = 1e-3,
) -> RunResult:
    spec = made_up_spec(task, seed, init, rate)
    return RunResult(
        spec=spec,
        status=status,
        error="diverged: the loss is nan at step 7" if status == "diverged" else None,
        curve=curve,
        best_step=max(curve, key=lambda point: point[1])[0] if curve else None,
        validation_score=max((value for _, value in curve), default=None),
        test_score=accuracy,
        test_examples=128,
        train_score=accuracy,
        parameters={"norm": GroupCount(trained=1234, total=1234), "attention": GroupCount(trained=0, total=99)},
        seconds=10.0,
        data=DataRecord(
            kind=spec.data if spec.data != "auto" else "real",
            source=f"made-up {task} | examples",
            fingerprint="d" * 64,
            trivial={"guess": FLOORS[task]},
            floor=FLOORS[task],
        ),
        body=BodyRecord(source=f"made-up body, {init}", fingerprint="b" * 64, execution="transformers"),
    )


def made_up_grid(
    tasks: tuple[str, ...] = ("bit-xor", "mnist"),
    seeds: tuple[int, ...] = (0, 1, 2),
    rates: tuple[float, ...] = (1e-3,),
) -> Grid:
    experiment = Experiment(
        name="example",
        question="Language helps.",
        tasks=tasks,
        baseline="random",
        arms={
            "language": Arm(run={"init": "pretrained"}, published="lu2021.table2_initializations.language"),
            "random": Arm(run={"init": "random"}),
        },
        claims=({"better": "language", "worse": "random", "tasks": ["bit-xor"], "refuted_by": "-", "source": "-"},),
    )
    runs = tuple(
        GridRun(task=task, arm=arm, spec=made_up_spec(task, seed, init, rate))
        for task in tasks
        for arm, init in INITS.items()
        for rate in rates
        for seed in seeds
    )
    return Grid(experiment=experiment, profile="test", targets={"bit-xor": 0.95, "mnist": 0.82}, runs=runs)


def made_up_record(task: str, learners: dict[str, float], examples: int = 1600) -> SimpleRecord:
    """Return floors and simple learners on the data of `made_up_result`, from as many examples as its runs see."""
    return SimpleRecord(
        task=task,
        data="embedded",
        source=f"made-up {task} | examples",
        fingerprint="d" * 64,
        examples=examples,
        test_examples=128,
        floors={"guess": FLOORS[task]},
        learners=learners,
        versions={"scikit-learn": "made up"},
    )
