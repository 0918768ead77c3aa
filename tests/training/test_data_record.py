"""What a result says of its data: floors as they are measured, once for all runs on the same data."""

import numpy as np
import pytest

from datamodules.bits import BitMemoryDataModule
from datamodules.contract import TEST
from fpt_bench.training.data_record import describe_data


class Counted(BitMemoryDataModule):
    measured = 0

    def floors(self) -> dict[str, float]:
        Counted.measured += 1
        return dict(super().floors())


def test_a_result_keeps_measured_floors_and_the_best_is_its_floor() -> None:
    module = BitMemoryDataModule(pattern_bits=100, test_examples=50)
    record = describe_data(module, module.fingerprint())
    patterns = module.examples(TEST).inputs.reshape(50, 6, 100)
    shown, question = patterns[:, :5].sum(axis=1), patterns[:, 5]
    said = np.where(question == 0, shown, question) > 0
    assert record.floor == pytest.approx(np.mean(said == module.examples(TEST).labels))
    assert set(record.trivial) == {"guess", "best constant", "copy and average"}
    assert record.floor == record.trivial["copy and average"]


def test_floors_are_measured_once_for_all_runs_on_the_same_data() -> None:
    for seed in range(3):
        module = Counted(pattern_bits=50, test_examples=20, seed=seed)
        describe_data(module, f"fingerprint of {__name__}")
    assert Counted.measured == 1
