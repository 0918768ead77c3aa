"""Data of every task, as LightningDataModules. Knows no models."""

from collections.abc import Mapping

from datamodules.bits import BitMemoryDataModule, BitXorDataModule
from datamodules.contract import TaskDataModule

TASKS: Mapping[str, type[TaskDataModule]] = {
    "bit-memory": BitMemoryDataModule,
    "bit-xor": BitXorDataModule,
}
"""Every task by the name that users type."""
