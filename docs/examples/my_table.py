"""An own task on real numbers: how a patient's diabetes goes on, from ten measurements that scikit-learn carries.

442 patients of Efron, Hastie, Johnstone and Tibshirani 2004, Least Angle Regression: age, sex, body mass index, blood
pressure and six values of the blood; the label is a measure of the disease a year later.
"""

from functools import cached_property

import numpy as np

from datamodules.contract import TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.learners import SimpleLearner

PLACES = {"train": slice(0, 262), "validation": slice(262, 342), "test": slice(342, 442)}
"""Of patients, in an order drawn once."""


class DiabetesDataModule(TaskDataModule):
    """Say how far a patient's disease has gone, in deviations from the mean of the patients trained on.

    T = 10 tokens of D = 1, one a measurement, each standardised over the patients trained on.
    """

    kinds = ("real",)
    source = "442 diabetes patients of Efron et al. 2004, carried by the package scikit-learn"

    @property
    def task(self) -> TaskSpec:
        return TaskSpec("diabetes", "vectors", 1, 10, label_kind="numbers", metric="r2", trivial={"mean of all": 0.0})

    def examples(self, split: str) -> ArrayExamples:
        return self._splits[split]

    @cached_property
    def _splits(self) -> dict[str, ArrayExamples]:
        from sklearn.datasets import load_diabetes  # read when the data are asked for, not when the file is

        measured, later = load_diabetes(return_X_y=True, scaled=False)
        order = np.random.default_rng(0).permutation(len(later))
        table = np.column_stack([measured, later])[order]
        seen = table[PLACES["train"]]  # what scales the others, too: they stay unseen
        table = ((table - seen.mean(axis=0)) / seen.std(axis=0)).astype(np.float32)
        return {split: ArrayExamples(table[part, :-1, None], table[part, -1:]) for split, part in PLACES.items()}

    def simple_learners(self) -> dict[str, SimpleLearner]:
        from sklearn.linear_model import Ridge

        models = [Ridge(alpha) for alpha in (0.1, 1.0, 10.0, 100.0)]
        return {"ridge regression": SimpleLearner(lambda inputs, _: inputs.flatten(1).numpy(), lambda: models)}
