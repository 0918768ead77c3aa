"""Floors and simple learners of the data that a run would see, measured."""

import platform
from collections.abc import Callable, Mapping
from importlib import metadata

from datamodules.contract import TaskDataModule
from datamodules.learners import SimpleLearner, learn
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.simple_records import SimpleRecord, examples_shown

_LIBRARIES = ("scikit-learn", "numpy", "scipy")


def require_learners(spec: RunSpec, datamodule: TaskDataModule) -> None:
    """Raise a ValueError unless a task has a simple learner."""
    if not _learners(datamodule):
        raise ValueError(
            f"task '{spec.task}': expected one with a simple learner, got one that has none: what it is to be held "
            "against is its floor, which `inspect` shows. Without --task, `learn` measures the floors of every task"
        )


def _learners(datamodule: TaskDataModule) -> Mapping[str, SimpleLearner]:
    """Return a task's simple learners, which may be of somebody's code."""
    found: object = datamodule.simple_learners()
    if isinstance(found, Mapping) and all(isinstance(each, SimpleLearner) for each in found.values()):
        return found
    raise ValueError(
        f"task {type(datamodule).__name__}: expected `simple_learners` to return SimpleLearners by name, got "
        f"{str(found)[:60]}"
    )


def measure_simple(
    spec: RunSpec, datamodule: TaskDataModule, fingerprint: str, report: Callable[[str, float], None]
) -> SimpleRecord:
    """Return floors and simple learners on a run's data, from as many examples as it is shown.

    Args:
        spec: the run, its data resolved.
        datamodule: made from it.
        fingerprint: of its examples.
        report: is told the name and the score of each, as soon as it is known.
    """
    floors = datamodule.all_floors()
    for rule, score in floors.items():
        report(rule, score)
    learners = {}
    for name, learner in _learners(datamodule).items():
        learners[name] = learn(learner, datamodule, spec.max_steps)
        report(name, learners[name])
    return SimpleRecord(
        task=spec.task,
        data=datamodule.data,
        data_arguments=spec.data_arguments,
        source=datamodule.source,
        fingerprint=fingerprint,
        examples=examples_shown(spec),
        test_examples=len(datamodule.examples(datamodule.test_splits[0])),
        metric=datamodule.task.measure.name,
        higher_is_better=datamodule.task.measure.higher_is_better,
        is_fraction=datamodule.task.measure.is_fraction,
        floors=floors,
        learners=learners,
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in _LIBRARIES}},
    )
