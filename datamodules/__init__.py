"""Data of every task, as LightningDataModules. Knows no models."""

from collections.abc import Mapping

from datamodules.bits import BitMemoryDataModule, BitXorDataModule
from datamodules.contract import TaskDataModule
from datamodules.homology_scope import HomologyScopeDataModule
from datamodules.images import CifarDataModule, CifarLraDataModule, MnistDataModule
from datamodules.listops import ListOpsAsPublishedDataModule, ListOpsDataModule
from datamodules.proteins import HomologyDataModule

TASKS: Mapping[str, type[TaskDataModule]] = {
    "bit-memory": BitMemoryDataModule,
    "bit-xor": BitXorDataModule,
    "listops": ListOpsDataModule,
    "listops-as-published": ListOpsAsPublishedDataModule,
    "mnist": MnistDataModule,
    "cifar": CifarDataModule,
    "cifar-lra": CifarLraDataModule,
    "homology": HomologyDataModule,
    "homology-scope": HomologyScopeDataModule,
}
"""Every task by the name that users type."""
