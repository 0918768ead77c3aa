"""What is asked for: a run as a frozen value.

Nothing here imports torch: a grid can be planned, hashed and tabulated on a machine that cannot train.
"""

import hashlib
import json
import math
import re
import reprlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from fpt_bench.names import require_known

GROUPS = ("input", "readout", "norm", "position", "attention", "feedforward")
"""Parameter groups that can be trained. A body's vocabulary tables (`token`) never are."""

LAST_ATTENTION = "last-attention"
"""Of the group `attention`, what the body's last layer has (Lu et al. 2021, Table 14)."""

Argument = bool | int | float | str

_FIRST_FIELDS = frozenset({
    "task", "data", "data_arguments", "body", "body_path", "layers", "init", "train", "learning_rate", "batch_size",
    "eval_batch_size", "max_steps", "eval_every", "patience", "dropout", "gradient_clip", "precision",
    "body_execution", "seed",
})  # fmt: skip
"""Fields of a spec that are in every run id, whatever their value."""
_SHORT = reprlib.Repr()
"""How a wrong value is written: a file can hold one that would fill the screen, or the memory."""
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxstring = 2, 4, 80
MOST_SENTENCES = 5
"""On one file: who mends these sees the next."""
_BRANCH = re.compile(r"(function-\w+|literal|tuple|dict|list|constrained-\w+|lax-or-strict)\[")
"""What pydantic calls the branch of a union that it tried: no part of what the file says."""


def folder_name(text: str) -> str:
    """Return a name as a part of a folder's name.

    Example:
        >>> folder_name("../my_tasks.sorting:SortDataModule")
        '-my_tasks.sorting-SortDataModule'
    """
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in text).strip(".")


class RunSpec(BaseModel):
    """Everything that can change a number of one run. Equal specs give equal results on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="what to learn; see `list tasks`")
    data: Literal["auto", "real", "embedded"] = Field(
        "embedded",
        description="real: the task's own data; embedded: data that needs no network; auto: real if it is available",
    )
    data_arguments: dict[str, Argument] = Field(
        default_factory=dict, description="arguments of the task's datamodule, as name=value; may be repeated"
    )
    body: str = Field("minilm", description="transformer between input layer and readout; see `list bodies`")
    body_path: str | None = Field(None, description="folder with the body's weights in Hugging Face's layout")
    layers: int | None = Field(None, ge=1, description="keep only the first n layers of the body")
    init: str = Field("pretrained", description="where the body's weights come from; see `list inits`")
    train: tuple[str, ...] = Field(
        ("input", "readout", "norm", "position"),
        description=f"parameter groups to train, separated by commas, or `all`: {', '.join(GROUPS)}; "
        f"{LAST_ATTENTION} is the attention of the last layer alone",
    )
    learning_rate: float = Field(
        1e-3, gt=0, lt=10, allow_inf_nan=False, description="Adam's learning rate, constant after warm-up"
    )
    batch_size: int = Field(16, ge=1, description="training examples a step")
    eval_batch_size: int = Field(64, ge=1, description="examples a batch in validation and test")
    max_steps: int = Field(1000, ge=1, description="optimizer steps at most")
    eval_every: int = Field(50, ge=1, description="steps from one validation to the next, at least")
    patience: int | None = Field(
        None, ge=1, description="stop after this many validations without a new best; none: never"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability inside the body")
    gradient_clip: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="largest norm of the gradient over all trained parameters; 1e9: as it comes",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of the body's matrix products; auto: bfloat16 where the hardware multiplies it, else float32",
    )
    body_execution: Literal["auto", "native", "reference"] = Field(
        "auto",
        description="whose forward pass: native (ours, packed), reference (Hugging Face's); auto: ours where it can",
    )
    warmup_steps: int = Field(0, ge=0, description="first steps, over which the learning rate rises to its full size")
    eval_growth: float = Field(
        0.0,
        ge=0,
        le=1,
        description="validations thin out: each comes after about this share of the steps before it, "
        "and never sooner than eval_every; 0: evenly spaced",
    )
    input_scale: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="what the input layer's first weights are multiplied by; 0.02: embeddings as GPT-2's",
    )
    seed: int = Field(0, ge=0, description="of initial weights, order of examples and dropout")

    @field_validator("data_arguments")
    @classmethod
    def _can_be_written(cls, arguments: dict[str, Argument]) -> dict[str, Argument]:
        for name, value in arguments.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"expected {name} to be a finite number, got {value}: no result could hold it")
        return arguments

    @field_validator("train", mode="before")
    @classmethod
    def _split_groups(cls, value: object) -> object:
        """Accept `all`, a comma-separated string or a list; order and repetition do not matter."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        if tuple(names) == ("all",):
            return GROUPS
        for name in names:
            require_known("parameter group", str(name), (*GROUPS, LAST_ATTENTION, "all"))
        if "attention" in names and LAST_ATTENTION in names:
            raise ValueError(f"expected `attention` or `{LAST_ATTENTION}`, which is a part of it, got both")
        chosen = tuple(group for group in (*GROUPS, LAST_ATTENTION) if group in names)
        if len(chosen) < len(set(names)):
            raise ValueError("expected `all` to stand alone")
        if not chosen:
            raise ValueError("expected at least one parameter group to train")
        return chosen

    @model_validator(mode="after")
    def _last_step_is_validated(self) -> Self:
        if self.eval_every < self.max_steps and self.max_steps % self.eval_every:
            raise ValueError(
                f"expected max_steps to be a multiple of eval_every, got {self.max_steps} and {self.eval_every}: "
                "what is learned after the last validation would be lost"
            )
        return self

    def validation_after(self, step: int) -> int:
        """Return the first step after `step` that ends with a validation; the last one where none is left.

        Example:
            >>> spec, steps = RunSpec(task="bit-xor", max_steps=50, eval_every=5, eval_growth=0.5), [0]
            >>> while steps[-1] < 50:
            ...     steps.append(spec.validation_after(steps[-1]))
            >>> steps
            [0, 5, 10, 15, 20, 30, 45, 50]
        """
        every = min(self.eval_every, self.max_steps)
        due = 0 if self.eval_growth else step - step % every
        while due <= step:
            due += every * max(1, math.floor(due * self.eval_growth / every))
        return min(due, self.max_steps)

    def canonical(self, without: Collection[str] = ()) -> str:
        """Return the spec as one text that is equal for equal specs, whatever the order of their data arguments.

        A field that came later is in it only where it is not at its default: what a run was called before, it still is.

        Args:
            without: fields to leave out.
        """
        fields = self.model_dump(mode="json", exclude=set(without))
        later = set(fields) - _FIRST_FIELDS
        defaults = {
            name
            for name in later
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True)
        }
        said = {name: value for name, value in fields.items() if name not in defaults}
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    @property
    def run_id(self) -> str:
        """Name of the run's folder: readable words and a hash of everything in the spec."""
        digest = hashlib.sha256(self.canonical().encode()).hexdigest()[:12]
        words = "_".join(folder_name(word) for word in (self.task, self.body, self.init))
        return f"{words}_seed{self.seed}_{digest}"


def explain(findings: Iterable[ErrorDetails], model: type[BaseModel]) -> str:
    """Turn pydantic's findings on a model into sentences, with the nearest known name for an unknown one."""
    sentences = list(dict.fromkeys(_sentence(finding, model) for finding in findings))
    more = len(sentences) - MOST_SENTENCES
    return "; ".join(sentences[:MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else []))


def _sentence(finding: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part) for part in finding["loc"] if not _BRANCH.match(str(part))]
    value, said = finding["input"], finding["msg"].removeprefix("Value error, ")
    if finding["type"] == "extra_forbidden":
        try:
            require_known("key", path.pop(), _model_at(model, path).model_fields)
        except ValueError as unknown:
            said = str(unknown)
    elif not (finding["type"] in ("value_error", "missing") and isinstance(value, dict | BaseModel)):
        said += f", got {_SHORT.repr(value)}"
    return ": ".join(([".".join(path)] if path else []) + [said])


def _model_at(model: type[BaseModel], path: Iterable[str]) -> type[BaseModel]:
    """Return the model whose field or key stands at this place in a model."""
    parts = iter(path)
    for part in parts:
        if part not in model.model_fields:
            break
        kind = model.model_fields[part].annotation
        model = next(_models_in(kind), model)
        if get_origin(kind) in (dict, tuple):
            next(parts, None)
    return model


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models_in(part)


def make_spec(fields: dict[str, Any]) -> RunSpec:
    """Return the checked RunSpec of these fields; a ValueError in plain sentences where they are wrong."""
    try:
        return RunSpec(**fields)
    except ValidationError as error:
        raise ValueError(explain(error.errors(), RunSpec)) from error
