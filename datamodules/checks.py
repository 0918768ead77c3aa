"""Is a task what the contract says? Looked at before anything trains, by `inspect`, and in the tests of a task."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from datamodules.contract import TRAIN, VALIDATION, Batch, TaskDataModule
from datamodules.derived import DerivedDataModule
from datamodules.metrics import best_of
from datamodules.survey import SplitSurvey, faults_of_batch, keys_of, survey_split

FEW = 64
"""Examples of each split that are looked at before every run."""
MOST_SHARED = 0.5
"""Share of a split that may also stand in an earlier one: what is alike by chance is counted, not refused."""
MOST_LEAKED = 0.05
"""Share of a test set of files whose examples may also stand in training: public sets have a few by mistake."""
ROUNDING = 1e-9
"""By which a floor may lie below the best constant: they are summed in another order."""
_SOUND: set[tuple[type, str, str]] = set()
"""Tasks from outside of which this process has looked at all: class, shapes and fingerprint of the examples."""


def check_task(make: Callable[..., TaskDataModule], **data_arguments: object) -> None:
    """Look at all of a task, as a test of it should.

    Args:
        make: the task's class, or a function that returns a datamodule.
        data_arguments: what it is called with.

    Raises:
        ValueError: a sentence for each fault of :func:`find_faults`.
        TypeError: the class does not define all that it must.
    """
    datamodule = make(**data_arguments)
    _raise(datamodule, find_faults(datamodule))


def require_sound(datamodule: TaskDataModule) -> None:
    """Look at a task before it trains: at a few examples of each split, and at all of a task from outside.

    All of it is looked at once in a process, however many runs there are on it. Built-in tasks have tests for that; of
    files, each record is accounted for, and test examples that also stand in training are counted.

    Raises:
        ValueError: a sentence for each fault.
    """
    _raise(datamodule, _faults_at_sight(datamodule, survey(datamodule, FEW)))
    own = own_form(datamodule)
    if not _is_from_outside(own) and not own.reads_files:
        return
    looked_at = type(own), repr(own.task), own.fingerprint()
    if looked_at not in _SOUND:
        _raise(own, find_faults(own) if _is_from_outside(own) else faults_of_files(own))
        _SOUND.add(looked_at)


def find_faults(datamodule: TaskDataModule) -> list[str]:
    """Return a sentence for each fault of a task; none where it is sound.

    What is looked at: types, shapes, ranges, lengths and padding of every example of every split; training batches,
    which must depend on seed and step alone; validation and test sets, which must not depend on the seed; records of
    files that are neither read nor left out; splits that stand for more than half in an earlier one, and test sets of
    files that do for more than a twentieth; and floors, the best of which is at least the best constant. Inputs that
    are alike in training and test are no fault below that: a task with few possible inputs has them by chance.
    """
    return judge(datamodule, survey(datamodule))


def survey(datamodule: TaskDataModule, at_most: int | None = None) -> dict[str, SplitSurvey]:
    """Return what each split holds, all of it or the first `at_most` examples."""
    return {split: survey_split(datamodule, split, at_most) for split in datamodule.splits}


def judge(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> list[str]:
    """Return a sentence for each fault of a task of which all has been surveyed."""
    faults = _faults_at_sight(datamodule, surveys)
    if faults:
        return faults  # what follows would stumble over examples that are not of the right form
    own = own_form(datamodule)
    whole = surveys if own is datamodule else survey(own)
    return [
        *_unaccounted(own),
        *_shared_splits(own, whole),
        *_dependent_on_more(own),
        *_dependent_on_seed(own, whole),
        *_wrong_floors(own, whole),
    ]


def faults_of_files(datamodule: TaskDataModule) -> list[str]:
    """Return a sentence where records of files are not accounted for, or test examples stand in training."""
    faults = _unaccounted(datamodule)
    return faults or _shared_splits(datamodule, survey(datamodule))


def _unaccounted(datamodule: TaskDataModule) -> list[str]:
    """Return a sentence where records that were held, read and left out do not add up to the examples of the splits."""
    counts = datamodule.record_counts()
    if counts is None:
        return []
    below = [name for name, each in counts.items() if min(each.held, each.read, *each.left_out.values()) < 0]
    read = sum(each.read for each in counts.values())
    examples = sum(len(datamodule.examples(split)) for split in datamodule.splits)
    if not below and read == examples:
        return []
    said = "; ".join(f"{name}: {each.held:,} held, {each.read:,} read" for name, each in counts.items())
    return [f"expected every record to be an example or left out for a reason, got {examples:,} examples of {said}"]


def count_shared(first: SplitSurvey, second: SplitSurvey) -> int:
    """Return how many examples of the second split also stand in the first, by their inputs."""
    known = set(first.keys)
    return sum(key in known for key in second.keys)


def count_test_examples_in_training(datamodule: TaskDataModule) -> int | None:
    """Return how many headline test examples have the inputs of a training example; None where training is drawn fresh.

    Inputs are compared as the task has them, before a training example is augmented or its tokens are shuffled; labels
    do not count.
    """
    own = own_form(datamodule)
    if TRAIN not in own.splits:
        return None
    return count_shared(survey_split(own, TRAIN), survey_split(own, own.test_splits[0]))


def own_form(datamodule: TaskDataModule) -> TaskDataModule:
    """Return the task itself, where the datamodule is another form of it, such as one with its tokens shuffled."""
    return own_form(datamodule.inner) if isinstance(datamodule, DerivedDataModule) else datamodule


def _is_from_outside(datamodule: TaskDataModule) -> bool:
    return type(own_form(datamodule)).__module__.partition(".")[0] != "datamodules"


def _raise(datamodule: TaskDataModule, faults: list[str]) -> None:
    if faults:
        raise ValueError("\n".join(f"task {type(own_form(datamodule)).__name__}: {fault}." for fault in faults))


def _faults_at_sight(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> list[str]:
    faults = [fault for found in surveys.values() for fault in found.faults]
    needed = (VALIDATION, *datamodule.test_splits)
    if len(needed) < 2 or not set(needed) <= set(surveys):
        faults.append(
            f"expected `splits` with validation and at least one test set, got {', '.join(surveys) or 'none'}"
        )
    if not isinstance(getattr(datamodule, "source", None), str):
        faults.append("expected `source`, one sentence that says where the examples come from, got none")
    return faults or _faults_of_training(datamodule) or _faults_of_showing(datamodule)


def _faults_of_showing(datamodule: TaskDataModule) -> list[str]:
    """Return a fault where `words` or `picture` give no such thing: they are asked for after the training."""
    batch = datamodule.examples(datamodule.test_splits[0]).batch(np.arange(1))
    real = batch.inputs[0, batch.mask[0]]
    try:
        words, picture = datamodule.words(real), datamodule.picture(real)
    except Exception as error:  # of somebody's code
        return [f"expected `words` and `picture` of an example, got {type(error).__name__}: {error}"]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return [f"expected `words` to be a list of strings, got {str(words)[:60]}"]
    if picture is None:
        return []
    shape: tuple[int, ...] = getattr(picture, "shape", ())
    kind = getattr(picture, "dtype", type(picture).__name__)
    if len(shape) == 3 and shape[2] == 3 and kind == np.uint8:
        return []
    return [f"expected `picture` to be None or (height, width, 3) of uint8, got {tuple(shape)} of {kind}"]


def _faults_of_training(datamodule: TaskDataModule) -> list[str]:
    first, _, again = (datamodule.training_batch(step) for step in (0, 1, 0))
    faults = faults_of_batch(first, datamodule.task, datamodule.batch_size)
    if not faults and not _same(first, again):
        faults = ["expected the same examples each time it is asked for, got others"]
    return [f"training batch of step 0: {fault}" for fault in faults]


def _shared_splits(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> list[str]:
    pairs = [
        (first, second)
        for first in (TRAIN, VALIDATION)
        for second in (VALIDATION, *datamodule.test_splits)
        if first in surveys and first != second
    ]
    faults = []
    for first, second in pairs:
        shared = count_shared(surveys[first], surveys[second])
        is_leak = datamodule.reads_files and second != VALIDATION
        if shared > (MOST_LEAKED if is_leak else MOST_SHARED) * surveys[second].examples:
            faults.append(
                f"{second}: expected examples that do not stand in {first}, got {shared:,} of "
                f"{surveys[second].examples:,} with the same inputs{'. Leave them out there' if is_leak else ''}"
            )
    return faults


def _dependent_on_more(datamodule: TaskDataModule) -> list[str]:
    if _same(datamodule.training_batch(1), _made_again(datamodule, datamodule.seed).training_batch(1)):
        return []
    return [
        "expected the training batch of step 1 to depend on seed and step alone, got another from a datamodule made "
        "anew: a run that is resumed would train on other examples"
    ]


def _dependent_on_seed(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> list[str]:
    other = _made_again(datamodule, datamodule.seed + 1)
    return [
        f"{split}: expected the same examples whatever the seed, got others with seed {other.seed} than with "
        f"{datamodule.seed}"
        for split in (VALIDATION, *datamodule.test_splits)
        if surveys[split].keys != survey_split(other, split).keys
        or datamodule.examples(split).fingerprint() != other.examples(split).fingerprint()
    ]


def _made_again(datamodule: TaskDataModule, seed: int) -> TaskDataModule:
    arguments, keywords = datamodule.made_with
    return type(datamodule)(*arguments, **{**keywords, "seed": seed})


def _wrong_floors(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> list[str]:
    """Return a fault where a measured floor is no score, or the best of them is worse than the best constant."""
    try:
        scores = datamodule.all_floors()
    except ValueError as error:
        return [str(error)]
    measure, headline = datamodule.task.measure, datamodule.test_splits[0]
    is_score = (lambda score: 0 <= score <= 1) if measure.is_fraction else math.isfinite
    wrong = [f"{score!r} for {rule!r}" for rule, score in scores.items() if not is_score(score)]
    if wrong:
        kind = "accuracies from 0 to 1" if measure.is_fraction else "finite scores"
        return [f"expected {kind} from `floors`, got {', '.join(wrong)}"]
    constant, floor = surveys[headline].commonest, datamodule.floor()
    if best_of({"perfect": measure.perfect, "floor": floor}, measure.higher_is_better) == "floor":
        return [
            f"expected no rule to be better than perfect, {measure.perfect:g} of {measure.name}, got {floor:.4g} on "
            f"{headline}; say `perfect` of the metric"
        ]
    if constant is None:
        return []
    if (constant - floor if measure.higher_is_better else floor - constant) <= ROUNDING * max(1.0, abs(constant)):
        return []
    bound = "at least" if measure.higher_is_better else "at most"
    best, got = (f"{100 * s:.1f} %" if measure.is_fraction else f"{s:.4g}" for s in (constant, floor))
    return [
        f"expected a floor of {bound} {best}, which the best constant scores on {headline}, got {got}. "
        "Return {**super().floors(), ...} from `floors`"
    ]


def _same(first: Batch, second: Batch) -> bool:
    return keys_of(first) == keys_of(second) and torch.equal(*(b.labels.nan_to_num(math.inf) for b in (first, second)))
