"""What is kept beside a result to be looked at: what a model says to a few test examples, and who attends to whom."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import PREDICTIONS_FILE, TEST_PREDICTIONS_FILE
from fpt_bench.results.regular_files import read_regular

MAX_LETTERS = 240
"""Letters of an input that are kept, half of them from its end."""
MAX_BYTES = 2**28
"""That the predictions for a test set may take unpacked: 80 million labels."""


class Prediction(BaseModel):
    """One test example and what a model says to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    example: int
    """Index in the headline test set, from 0."""
    input: str
    """What goes in, position by position, for people; long ones without their middle."""
    picture: str | None = None
    """The input as a PNG in base64, where it is a picture."""
    labels: tuple[int, ...]
    """L classes."""
    predicted: tuple[int, ...]
    """As many."""

    @model_validator(mode="after")
    def _says_as_many_as_there_are(self) -> Self:
        if not self.labels or len(self.labels) != len(self.predicted):
            raise ValueError(f"expected a class for each label, got {len(self.predicted)} for {len(self.labels)}")
        return self

    @property
    def right(self) -> int:
        """How many of the labels are said."""
        return sum(label == said for label, said in zip(self.labels, self.predicted, strict=True))


@dataclass(frozen=True)
class AttentionMaps:
    """The attention of one model on one example of t positions."""

    title: str
    """Whose body, and where its weights come from."""
    words: tuple[str, ...]
    """What stands at each position, t texts."""
    weights: NDArray[np.float32]
    """(layers, heads, t, t), from position to position; rows sum to 1."""


@dataclass(frozen=True)
class Answers:
    """What a model says to the whole headline test set of N examples with L labels each."""

    labels: NDArray[np.integer[Any]]
    """(N, L), the right classes."""
    classes: NDArray[np.integer[Any]]
    """(N, L), the likeliest ones."""
    confidence: NDArray[np.float32]
    """(N, L), the probabilities of those, in [0, 1]; kept in steps of 1/255."""

    @property
    def accuracy(self) -> float:
        """Share of the labels that are said."""
        return float((self.labels == self.classes).mean())


_Predictions = TypeAdapter(tuple[Prediction, ...])


def shorten(text: str, letters: int = MAX_LETTERS) -> str:
    """Return a text of at most about `letters` letters: a longer one loses its middle, as its end is what is read out.

    Example:
        >>> shorten("0123456789", 4)
        '01 … 89'
    """
    half = letters // 2
    return text if len(text) <= letters else f"{text[:half].rstrip()} … {text[-half:].lstrip()}"


def spell(classes: tuple[int, ...]) -> str:
    """Write classes in a row, without spaces where each is one digit.

    Example:
        >>> spell((1, 0, 1)), spell((17,)), spell((3, 12))
        ('101', '17', '3 12')
    """
    return ("" if max(classes) < 10 else " ").join(map(str, classes))


def write_predictions(predictions: tuple[Prediction, ...], folder: Path) -> None:
    """Put predictions into a run's folder, atomically."""
    write_atomically(folder / PREDICTIONS_FILE, _Predictions.dump_json(predictions).decode() + "\n")


def write_answers(said: Answers, folder: Path) -> None:
    """Put what a model says to the whole test set into a run's folder, atomically: about two bytes a label."""
    most = max(said.labels.max(), said.classes.max())
    kind = np.min_scalar_type(most)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        labels=said.labels.astype(kind),
        classes=said.classes.astype(kind),
        confidence=np.rint(said.confidence * 255).astype(np.uint8),
    )
    write_atomically(folder / TEST_PREDICTIONS_FILE, content.getvalue())


def read_answers(folder: Path) -> Answers | None:
    """Return what a run's model says to its whole test set; None where there is no file, as with older runs.

    Raises:
        ValueError: the file is there but holds no such thing; the message names it.
    """
    path = folder / TEST_PREDICTIONS_FILE
    try:
        content = io.BytesIO(read_regular(path))
        with zipfile.ZipFile(content) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"it unpacks to {size:,} bytes, over {MAX_BYTES:,}")
        with np.load(content, allow_pickle=False) as arrays:
            labels, classes, confidence = (arrays[name] for name in ("labels", "classes", "confidence"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected labels, classes and confidence of a test set, got: {error}") from error
    if not labels.shape == classes.shape == confidence.shape or labels.ndim != 2:
        raise ValueError(f"{path}: expected three arrays of one shape (N, L), got {labels.shape}, {classes.shape}, ...")
    return Answers(labels, classes, confidence.astype(np.float32) / 255)


def read_predictions(folder: Path) -> tuple[Prediction, ...]:
    """Return the predictions in a run's folder; none where there is no file, as with runs of earlier versions.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is there but holds no predictions; the message names it.
    """
    path = folder / PREDICTIONS_FILE
    try:
        return _Predictions.validate_json(read_regular(path))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise ValueError(
            f"{path}: expected predictions in JSON, got {error.errors()[0]['msg']}. "
            f"`python -m fpt_bench examples {folder}` writes it anew."
        ) from error
