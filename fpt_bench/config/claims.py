"""What is claimed of two arms before their runs, and the hash by which it is known again afterwards."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from fpt_bench.config.measures import Margin, Number

MARGIN = 0.05
"""The smallest difference that matters, where nothing else is said: five points of accuracy."""
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Claim(BaseModel):
    """A statement on two arms that the judge can refute; an experiment holds it before its runs.

    Example:
        >>> claim = Claim(
        ...     better="language", worse="random", tasks=("listops", "bit-xor"),
        ...     refuted_by="same or worse on either task", source="Lu et al. 2021, table 2",
        ... )
        >>> claim.tasks, claim.hash[:12]
        (('bit-xor', 'listops'), '6fede7df5d28')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    better: Words = Field(
        description="the arm that is claimed to be better, or one of two that are claimed to be the same"
    )
    worse: Words = Field(description="the arm that it is compared with")
    tasks: tuple[Words, ...] = Field(
        min_length=1, description="the family that is judged together; the order is kept sorted"
    )
    verdict: Literal["better", "same"] = Field("better", description="the judge's word that the claim expects")
    measure: Literal["score", "area", "gap", "learned"] = Field(
        "score",
        description="what is compared: the test score, the area under the validation curve (who learns sooner), the "
        "gap of training to test score (who overfits less), or how many seeds reach `reached`",
    )
    reached: Number | None = Field(
        None,
        description="the score that counts as learned; of the measure `learned` alone",
    )
    margin: Margin = Field(
        MARGIN, description="the smallest difference that matters, in fractions: 0.05 is five points"
    )
    refuted_by: Words = Field(description="what would refute it, in words")
    source: Words = Field(description="who claims it, and where")
    checked: str = Field("", description="page and date of looking the source up; empty: as transcribed")

    @field_validator("tasks")
    @classmethod
    def _sorted(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        doubled = sorted({task for task in tasks if tasks.count(task) > 1})
        if doubled:
            raise ValueError(f"expected each task once, got {', '.join(doubled)} more than once")
        return tuple(sorted(tasks))

    @model_validator(mode="after")
    def _can_be_judged(self) -> "Claim":
        if self.better == self.worse:
            raise ValueError(f"expected two arms, got '{self.better}' twice")
        if (self.measure == "learned") != (self.reached is not None):
            raise ValueError(
                "expected `reached`, the score that counts as learned, with `measure: learned` and no other"
            )
        return self

    @property
    def sentence(self) -> str:
        """Say what is claimed, in a line.

        Example:
            >>> Claim(better="a", worse="b", tasks=("t",), refuted_by="-", source="-", measure="area").sentence
            'a better than b in area on t, margin 0.05'
        """
        says = f"{self.better} better than {self.worse}" if self.verdict == "better" else self._alike
        measures = {"area": " in area", "gap": " in gap to training", "learned": f" in seeds that reach {self.reached}"}
        return f"{says}{measures.get(self.measure, '')} on {', '.join(self.tasks)}, margin {self.margin:g}"

    @property
    def _alike(self) -> str:
        return f"{self.better} the same as {self.worse}"

    @property
    def said_by(self) -> str:
        """Return the source, and whether anybody has looked it up; of a claim of ours there is nothing to look up."""
        if self.source.startswith("ours"):
            return self.source
        return f"{self.source}, {f'checked: {self.checked}' if self.checked else 'as transcribed'}"

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the claim as canonical JSON: keys sorted, no spaces.

        `checked` is left out: to look a source up later changes nothing in what was claimed.
        """
        content = self.model_dump(mode="json", exclude={"checked"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
