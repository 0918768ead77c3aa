"""Values that a YAML file and a kept grid write as one sentence."""

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator


class InWords(BaseModel):
    """A frozen value whose fields are read off a sentence, and which is written as that sentence again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    form: ClassVar[str]
    """The sentence, with `{field}` for each field."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(cls.form))
        found = re.fullmatch(pattern, value.strip())
        if found is None:
            raise ValueError(f"expected a sentence of the form `{cls.form}`")
        return found.groupdict()

    @model_serializer
    def __str__(self) -> str:
        return self.form.format(**vars(self))
