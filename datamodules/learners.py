"""Simple learners: what a task comes to without any body, from as many examples as a run sees."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.constants import is_labelled, score_of
from datamodules.contract import TRAIN, VALIDATION, Batch, Examples, TaskDataModule, TaskSpec
from datamodules.examples import join_batches
from datamodules.floors import labels_of
from datamodules.metrics import best_of

AT_ONCE = 256
"""Examples whose features are made at once."""
Features = Any
"""(N, F) numbers, as an array or a sparse matrix of scipy."""


@dataclass(frozen=True)
class SimpleLearner:
    """Features of one example at a time, and what learns from them."""

    features: Callable[[Tensor, Tensor], Features]
    """From inputs and mask, as `Batch` has them, to (B, F) numbers."""
    candidates: Callable[[], Sequence[Any]]
    """Makes models as scikit-learn has them, with `fit` and `predict`; of several the best on validation is taken."""


def learn(learner: SimpleLearner, datamodule: TaskDataModule, steps: int) -> float:
    """Return what a simple learner scores on the headline test set.

    It sees what a run of `steps` steps sees, each example once; validation chooses between its candidates.

    Args:
        learner: one of `datamodule.simple_learners()`.
        datamodule: the task; its seed and batch size decide which examples are seen.
        steps: optimizer steps of the run that it stands beside.

    Raises:
        ValueError: examples of several labels lack some, which no model here can be fitted on; or no models are given.
    """
    seen = _seen(datamodule, steps)
    features, labels = _labelled(_all_features(learner, seen), labels_of(seen))
    asked = {split: datamodule.examples(split) for split in (VALIDATION, datamodule.test_splits[0])}
    task = datamodule.task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn: that a model could be fitted for longer
        models = [model.fit(features, labels) for model in _candidates(learner)]
    found = {place: _score(task, model, learner, asked[VALIDATION]) for place, model in enumerate(models)}
    chosen = models[best_of(found, task.measure.higher_is_better)]
    return _score(task, chosen, learner, asked[datamodule.test_splits[0]])


def _candidates(learner: SimpleLearner) -> Sequence[Any]:
    made: Any = learner.candidates()
    models = made if isinstance(made, Sequence) else ()
    if models and all(hasattr(model, "fit") and hasattr(model, "predict") for model in models):
        return models
    got = ", ".join(type(model).__name__ for model in models) or (type(made).__name__ if made else "none")
    raise ValueError(
        f"simple learner: expected `candidates` to return a list of models with `fit` and `predict`, got {got}"
    )


def _score(task: TaskSpec, model: Any, learner: SimpleLearner, examples: Examples) -> float:
    labels = labels_of(examples)
    said = torch.from_numpy(np.asarray(model.predict(_all_features(learner, examples))))
    return score_of(task, said.reshape(labels.shape).to(labels.dtype), labels)


def _labelled(features: Features, labels: Tensor) -> tuple[Features, NDArray[Any]]:
    """Return what can be fitted: without the examples whose one label is missing."""
    there = is_labelled(labels)
    if bool(there.all()):
        return features, _flat(labels.numpy())
    if labels.shape[1] > 1:
        raise ValueError(
            f"expected every example to have all of its {labels.shape[1]} labels for a simple learner, got "
            f"{int((~there).sum())} that are missing: say no simple learners of this task"
        )
    rows = np.flatnonzero(there[:, 0].numpy())
    return features[rows], _flat(labels[rows].numpy())


def _flat(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as scikit-learn wants them: (N,) where each example has one."""
    return labels[:, 0] if labels.shape[1] == 1 else labels


def _all_features(learner: SimpleLearner, examples: Examples) -> Features:
    parts = []
    for first in range(0, len(examples), AT_ONCE):
        batch = examples.batch(np.arange(first, min(first + AT_ONCE, len(examples))))
        parts.append(learner.features(batch.inputs, batch.mask))
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy import sparse

    return sparse.vstack(parts, format="csr")


def _seen(datamodule: TaskDataModule, steps: int) -> Examples:
    """Return what a run of `steps` steps is shown, each example of a training set once."""
    if TRAIN not in datamodule.splits:
        return _Drawn(datamodule, steps)
    shown = [datamodule.training_indices(step) for step in range(steps)]
    return _Chosen(datamodule.examples(TRAIN), np.unique(np.concatenate(shown)))


@dataclass(frozen=True)
class _Chosen:
    """Some examples of a training set."""

    inner: Examples
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        return self.inner.batch(self.indices[indices])

    def fingerprint(self) -> str:
        return self.inner.fingerprint()


@dataclass(frozen=True)
class _Drawn:
    """Batches that are drawn fresh for each step, as one row of examples."""

    datamodule: TaskDataModule
    steps: int

    def __len__(self) -> int:
        return self.steps * self.datamodule.batch_size

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        steps, rows = np.divmod(indices, self.datamodule.batch_size)
        drawn = np.unique(steps)
        joined = join_batches([self.datamodule.training_batch(int(step)) for step in drawn])
        chosen = torch.from_numpy(np.searchsorted(drawn, steps) * self.datamodule.batch_size + rows)
        return Batch(joined.inputs[chosen], joined.mask[chosen], joined.labels[chosen])

    def fingerprint(self) -> str:
        return self.datamodule.fingerprint()


def nearest_centroid() -> list[Any]:
    """Return scikit-learn's nearest class mean."""
    from sklearn.neighbors import NearestCentroid

    return [NearestCentroid()]


def linear_softmax() -> list[Any]:
    """Return multinomial logistic regressions on standardised features, from strongly to weakly regularised."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=100)) for c in (0.001, 0.03, 1.0)]


def small_mlp() -> list[Any]:
    """Return perceptrons with one hidden layer of 64 on standardised features, fitted for 30 and 100 passes."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return [
        make_pipeline(StandardScaler(), MLPClassifier((64,), max_iter=passes, random_state=0)) for passes in (30, 100)
    ]


def nearest_by_cosine() -> list[Any]:
    """Return the class of the training example of the largest cosine."""
    from sklearn.neighbors import KNeighborsClassifier

    return [KNeighborsClassifier(1, metric="cosine", algorithm="brute")]
