"""The coefficient of determination, whatever the unit of the labels."""

from typing import Any

import torch
import torchmetrics
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat


class R2(torchmetrics.Metric):
    """1 - squared error / squared deviation from the mean label, in float64.

    torchmetrics' own takes sums of squares in float32 and deviations below 1e-4 for none: of labels in thousandths it
    says 1, of those far from zero it loses digits. Of labels that are all equal it is 1 where all are met, else 0.

    Example:
        >>> metric = R2()
        >>> metric.update(torch.tensor([1e-3, 3e-3]), torch.tensor([1e-3, 2e-3]))
        >>> round(float(metric.compute()), 4)
        -1.0
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    said: list[Tensor]
    labels: list[Tensor]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.add_state("said", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, said: Tensor, labels: Tensor) -> None:
        """Take what was said to examples and their labels, each (N,)."""
        self.said.append(said.double())
        self.labels.append(labels.double())

    def compute(self) -> Tensor:
        """Return the score of all examples so far, a float64.

        Raises:
            ValueError: there are fewer than two.
        """
        said, labels = dim_zero_cat(self.said), dim_zero_cat(self.labels)
        if len(labels) < 2:
            raise ValueError(f"r2: expected at least 2 labels, got {len(labels)}: one has no spread to explain")
        error, spread = (said - labels).square().sum(), (labels - labels.mean()).square().sum()
        return torch.where(spread > 0, 1 - error / spread, (error == 0).double())
