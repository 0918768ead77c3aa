"""What an init can be called, and where the function is that makes it: `pretrained`, `random`, ..., `task:NAME`."""

from collections.abc import Mapping

from fpt_bench.config.spec import RunSpec, make_spec
from fpt_bench.config.yaml_files import CONFIGS, read_yaml
from fpt_bench.names import require_known

TASK_PREFIX = "task:"
"""What an init starts with that names a body which one of our tasks trained."""
TASK_INIT = f"{TASK_PREFIX}NAME"
INITS: Mapping[str, str] = {
    "pretrained": "fpt_bench.bodies.inits.pretrained:pretrained",
    "random": "fpt_bench.bodies.inits.random:random",
    "statistics": "fpt_bench.bodies.inits.matched:statistics",
    TASK_INIT: "fpt_bench.bodies.inits.trained:trained",
}
"""Every kind of init, as users see it: the function that makes it, as `module:attribute`."""
READ_WEIGHTS = frozenset({"pretrained", "statistics"})
"""Kinds that need a body which somebody pretrained."""
PRETRAINING = CONFIGS / "pretraining.yaml"
PRETRAINING_SEED = 0
"""Of every run that trains a body."""


def init_kind(init: str) -> str:
    """Return the key of INITS that an init means.

    Example:
        >>> init_kind("random"), init_kind("task:bit-memory")
        ('random', 'task:NAME')
    """
    return TASK_INIT if init.startswith(TASK_PREFIX) else init


def require_init(init: str) -> None:
    """Raise a ValueError with the nearest init, or row of configs/pretraining.yaml, unless this is one."""
    require_known("init", init_kind(init), INITS)
    if init.startswith(TASK_PREFIX):
        _pretraining_row(init)


def pretraining_spec(spec: RunSpec) -> RunSpec:
    """Return the run that trains the body which a spec's init names, in full and from random weights.

    Budget, rate and data are those of configs/pretraining.yaml; body, depth, precision and execution are the spec's.

    Raises:
        ValueError: the file has no such row, or a wrong one.
    """
    shared = ("body", "body_path", "layers", "precision", "body_execution")
    own = {field: getattr(spec, field) for field in shared}
    task = {"task": spec.init.removeprefix(TASK_PREFIX)}
    return make_spec(
        {**task, **_pretraining_row(spec.init), **own, "init": "random", "train": "all", "seed": PRETRAINING_SEED}
    )


def _pretraining_row(init: str) -> dict[str, object]:
    rows = read_yaml(PRETRAINING)
    name = init.removeprefix(TASK_PREFIX)
    try:
        require_known("pretraining", name, rows)
    except ValueError as error:
        raise ValueError(f"init '{init}': {error} (in {PRETRAINING})") from error
    row: dict[str, object] = rows[name]
    return row
