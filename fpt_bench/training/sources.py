"""What a run is made from: the content of its data and of its body, not their names."""

from dataclasses import dataclass

from datamodules.sources.packages import remembered_checksum
from fpt_bench.bodies.build import plan_body, planned_fingerprint
from fpt_bench.config.inits import TASK_PREFIX, pretraining_spec
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

    def require_same(self, run: str, did_what: str, data: str, body: str | None) -> None:
        """Raise a RefusedError unless a run was made from these sources, too."""
        both = (("data", data, self.data), ("body", body, self.body))
        for kind, before, now in both:
            if None not in (before, now) and before != now:
                raise RefusedError(
                    f"run {run} {did_what} with other {'data' if kind == 'data' else 'weights'}: expected the {kind} "
                    f"with fingerprint {str(before)[:16]}, got {str(now)[:16]}: files have changed since. "
                    "Bring them back, take another --runs folder, or remove the run's folder and ask for it again."
                )


class CurrentSources:
    """What runs would be made from now; the data of a task are read once for all of its runs."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._data: dict[str, str] = {}

    def require_same(self, result: RunResult) -> None:
        """Raise a RefusedError where a result was made from other data or another body than it would be now.

        A result without a record of them, as a failed one, says nothing.
        """
        if result.data is None or result.body is None:
            return
        self.of(result.spec).require_same(
            result.spec.run_id, "was done", result.data.fingerprint, result.body.fingerprint
        )

    def of(self, spec: RunSpec) -> Sources:
        """Return the sources of a resolved run; builds no model."""
        datamodule = make_datamodule(spec, self.workspace)
        key = spec.model_copy(update={"seed": 0}).canonical(_NOT_DATA)
        if key not in self._data:
            self._data[key] = datamodule.fingerprint()
        return Sources(self._data[key], self._body(spec, datamodule.task.max_length))

    def _body(self, spec: RunSpec, max_length: int) -> str | None:
        if not spec.init.startswith(TASK_PREFIX):
            return planned_fingerprint(spec, plan_body(spec, max_length, self.workspace.offline))
        training, _ = resolve(pretraining_spec(spec), self.workspace)
        weights = self.workspace.runs / BODIES / training.run_id / KEPT_BODY / WEIGHTS_FILE
        return remembered_checksum(weights).removeprefix("sha256:") if weights.is_file() else None


_NOT_DATA = frozenset(RunSpec.model_fields) - {"task", "data", "data_arguments", "seed"}
"""Fields of a spec that the fixed examples do not depend on."""
