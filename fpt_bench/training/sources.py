"""What a run is made from: the content of its data and of its body, not their names."""

from dataclasses import dataclass

from datamodules.contract import TaskDataModule
from datamodules.sources.packages import remembered_checksum
from fpt_bench.bodies.build import plan_body, planned_fingerprint
from fpt_bench.config.inits import TASK_PREFIX, pretraining_spec
from fpt_bench.config.known import TASKS
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import BODIES, KEPT_BODY, WEIGHTS_FILE
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.resolve import make_datamodule, resolve


@dataclass(frozen=True)
class Sources:
    """Fingerprints of a run's data and of its body."""

    data: str
    body: str | None
    """None: known once another run has trained it."""
    trained_by: str | None = None
    """Id of that run, where the init names a task."""
    scored_by: str | None = None
    """Metric, unit and direction of the scores; None: not looked up."""

    @classmethod
    def of_result(cls, result: RunResult) -> "Sources | None":
        """Return what a result was made from; None where it says nothing of it, as a failed one."""
        if result.data is None or result.body is None:
            return None
        record, body = result.data, result.body
        return cls(record.fingerprint, body.fingerprint, body.trained_by, record.scale_in_words)

    def require_same(self, run: str, did_what: str, before: "Sources") -> None:
        """Raise a RefusedError unless a run was made from these sources, too."""
        kinds = (
            ("data", "the data with fingerprint", before.data, self.data),
            ("weights", "the body with fingerprint", before.body, self.body),
            ("weights", "the body trained by", before.trained_by, self.trained_by),
            ("scores", "scores in", before.scored_by, self.scored_by),
        )
        for kind, what, then, now in kinds:
            if then is not None and now is not None and then != now:
                raise RefusedError(
                    f"run {run} {did_what} with other {kind}: expected {what} {_short(then)}, got {_short(now)}: "
                    "files, or the code that makes them, have changed since. Bring them back, or do without that "
                    "result: take another --runs folder or remove the run's, and where --kept has it, leave that out."
                )


def _short(name: str) -> str:
    """Return the first letters of a fingerprint; the id of a run, or words, whole."""
    return name if "_" in name or " " in name else name[:16]


class CurrentSources:
    """What runs would be made from now; the data of a task are read once for all of its runs."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._data: dict[str, dict[int, str]] = {}

    def require_same(self, spec: RunSpec, did_what: str, before: Sources | None) -> None:
        """Raise a RefusedError where a resolved run was made from other data or another body than it would be now.

        Args:
            spec: of the run.
            did_what: `was done` or `was begun`.
            before: what it was made from, where that is known.
        """
        if before is not None:
            self.of(spec).require_same(spec.run_id, did_what, before)

    def of(self, spec: RunSpec) -> Sources:
        """Return the sources of a resolved run; builds no model."""
        datamodule = make_datamodule(spec, self.workspace)
        data, scored_by = self._fingerprint(spec, datamodule), datamodule.task.measure.scale_in_words
        if not spec.init.startswith(TASK_PREFIX):
            plan = plan_body(spec, datamodule.task.max_length, self.workspace.offline)
            return Sources(data, planned_fingerprint(spec, plan), scored_by=scored_by)
        training, _ = resolve(pretraining_spec(spec), self.workspace)
        weights = self.workspace.runs / BODIES / training.run_id / KEPT_BODY / WEIGHTS_FILE
        made = remembered_checksum(weights).removeprefix("sha256:") if weights.is_file() else None
        return Sources(data, made, training.run_id, scored_by)

    def _fingerprint(self, spec: RunSpec, datamodule: TaskDataModule) -> str:
        """Return the data's fingerprint, which two seeds that agree have for all others.

        Somebody's own training examples may be drawn by the seed; those of our tasks are not, and one seed will do.
        """
        known = self._data.setdefault(spec.canonical(_NOT_DATA), {})
        enough = 1 if spec.task in TASKS else 2
        if len(known) >= enough and len({*known.values()}) == 1:
            return next(iter(known.values()))
        if spec.seed not in known:
            known[spec.seed] = datamodule.fingerprint()
        return known[spec.seed]


_NOT_DATA = frozenset(RunSpec.model_fields) - {"task", "data", "data_arguments"}
"""Fields of a spec that the fixed examples do not depend on."""
