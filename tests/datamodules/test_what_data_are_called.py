"""Names follow from checksums, caches from contents, and what stands in training and test is counted."""

import hashlib
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from datamodules.checks import require_sound
from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts, TaskDataModule
from datamodules.images import cifar, mnist
from datamodules.images.cifar import TEST_BATCH, TRAIN_BATCHES, CifarDataModule, CifarLraDataModule
from datamodules.images.mnist import MNIST_FILES, MnistDataModule
from datamodules.listops.listops import ListOpsDataModule
from datamodules.proteins import homology
from datamodules.proteins.homology import HomologyDataModule
from datamodules.shuffled import ShuffledDataModule
from datamodules.sources.downloads import RemoteFile, file_checksum
from datamodules.sources.packages import remembered_checksum
from fpt_bench.cli import app
from fpt_bench.training.data_record import describe_data
from tests.datamodules.images.test_image_files import CLASSES, write_cifar_batches, write_class_folders, write_mnist
from tests.datamodules.proteins.test_homology import write_json
from tests.datamodules.test_what_lies_there import FEW, write_trees


def pin_mnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take four made-up files for MNIST's own."""
    names = [file.name.removesuffix(".gz") for file in MNIST_FILES]
    digits = [hashlib.md5((root / name).read_bytes()).hexdigest() for name in names]
    monkeypatch.setattr(mnist, "_CONTENTS", tuple(digits))


def pin_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [root / "cifar-10-batches-py" / name for name in (*TRAIN_BATCHES, TEST_BATCH)]
    monkeypatch.setattr(cifar, "_BATCH_CHECKSUMS", tuple(file_checksum(path, "md5")[4:] for path in paths))


def make_tape(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a made-up archive where TAPE's is downloaded to, pin it, and return the folder that it is unpacked to."""
    write_json(root.parent / "made")
    archive = root / "homology" / homology.TAPE.name
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root.parent / "made", "remote_homology")
    pinned = RemoteFile(archive.name, homology.TAPE.urls, file_checksum(archive, "md5"), None)
    monkeypatch.setattr(homology, "TAPE", pinned)
    HomologyDataModule.choose_kind("real", root, offline=True)
    return root / "homology" / homology._UNPACKED


def test_digits_are_called_mnist_by_their_checksums_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = write_mnist(tmp_path, gzipped=False)
    others = MnistDataModule(data="real", root=tmp_path)
    assert others.source == "four IDX files in MNIST's form, by their checksums not MNIST's own"
    assert others.as_published is False
    pin_mnist(tmp_path, monkeypatch)
    own = MnistDataModule(data="real", root=tmp_path)
    assert (own.source, own.as_published) == ("MNIST", True)
    assert arrays, "the same files both times"
    changed = bytearray((tmp_path / "t10k-labels-idx1-ubyte").read_bytes())
    changed[-1] ^= 1
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(changed)
    assert MnistDataModule(data="real", root=tmp_path).as_published is False


def test_mnists_own_checksums_are_those_of_public_record() -> None:
    assert mnist._CONTENTS[0] == "6bbc9ace898e44ae57da46a324031adb"
    assert cifar._BATCH_CHECKSUMS[5] == "40351d587109b95175f43aff81a1287e"


@pytest.mark.parametrize("module_class", [CifarDataModule, CifarLraDataModule])
def test_batches_are_called_cifar_by_their_checksums_alone(
    module_class: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar_batches(tmp_path / "cifar-10-batches-py")
    others = module_class(data="real", root=tmp_path)
    assert others.source.startswith("six batches in CIFAR-10's form, by their checksums not CIFAR-10's own")
    assert others.as_published is False
    pin_cifar(tmp_path, monkeypatch)
    own = module_class(data="real", root=tmp_path)
    assert own.source.startswith("CIFAR-10")
    assert own.as_published is True
    assert ShuffledDataModule(own).as_published is True


def test_proteins_are_called_tape_where_they_come_from_its_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tape(tmp_path / "data", monkeypatch)
    own = HomologyDataModule(data="real", root=tmp_path / "data")
    assert (own.source, own.as_published) == ("TAPE remote homology (Rao et al. 2019)", True)
    with open(folder / "remote_homology" / "remote_homology_valid.json", "a") as file:
        file.write(" ")
    assert HomologyDataModule(data="real", root=tmp_path / "data").as_published is False
    write_json(tmp_path / "other" / "remote_homology")
    assert HomologyDataModule(data="real", root=tmp_path / "other").as_published is False


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: write_class_folders(root) or CifarDataModule(data="real", root=root), False),
        (lambda root: write_trees(root) or ListOpsDataModule(root=root, **FEW), False),
        (lambda root: ListOpsDataModule(root=root), None),
        (lambda root: MnistDataModule(root=root), None),
        (lambda root: MnistDataModule(data="real", root=root), True),
        (lambda root: HomologyDataModule(root=root), None),
    ],
)
def test_other_forms_are_not_the_published_files(make: Any, expected: bool | None, tmp_path: Path) -> None:
    assert make(tmp_path).as_published is expected


def test_fetch_says_that_other_files_lie_where_the_published_ones_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, gzipped=False)
    fetch = ["fetch", "mnist", "--data-root", str(tmp_path)]
    done = CliRunner().invoke(app, fetch)
    assert done.exit_code == 2
    assert "expected the published files or none, got four IDX files in MNIST's form" in done.stderr.replace("\n", " ")
    pin_mnist(tmp_path, monkeypatch)
    assert CliRunner().invoke(app, fetch).exit_code == 0


def test_a_file_that_changes_within_its_size_and_time_has_another_checksum(tmp_path: Path) -> None:
    """In one process, as a notebook or a bench that goes on for days has it."""
    path = tmp_path / "domains.fa"
    path.write_bytes(b"first")
    times, first = path.stat(), remembered_checksum(path)
    time.sleep(0.05)
    path.write_bytes(b"other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert remembered_checksum(path) != first
    (tmp_path / "third").write_bytes(b"third")
    os.utime(tmp_path / "third", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "third").replace(path)
    assert remembered_checksum(path) == file_checksum(path)


def leak(root: Path, copies: int) -> TaskDataModule:
    """Write 100 images to train on and 20 to test on, of which `copies` stand in training."""
    write_class_folders(root)
    for number in range(20):
        name = CLASSES[number // 2]
        pixels = np.full((32, 32, 3), 10 * (number // 2) if number < copies else 200 + number, dtype=np.uint8)
        pixels[0, 0] = 0 if number < copies else number
        pixels[0, 1] = 7
        Image.fromarray(pixels).save(root / "test" / name / f"{number % 2:04}.png")
        if number < copies:
            Image.fromarray(pixels).save(root / "train" / name / f"{number % 2:04}.png")
    return CifarDataModule(data="real", root=root)


@pytest.mark.parametrize("copies", [20, 2])
def test_test_images_that_stand_in_training_are_an_error(copies: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test: expected examples that do not stand in (train|validation), got"):
        require_sound(leak(tmp_path, copies))


def test_a_handful_of_test_images_in_training_is_a_note(tmp_path: Path) -> None:
    module = leak(tmp_path, 1)
    require_sound(module)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["inspect", "cifar", "--data", "real", "--data-root", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "note: 1 examples of the headline test set also stand in training" in done.stdout


def test_what_was_held_read_and_left_out_is_in_the_record_and_printed(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    for split, count in ((TRAIN, 10), (TEST, 2)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                pixels = np.full((32, 32, 3), 10 * label + number + (100 if split == TEST else 0), dtype=np.uint8)
                pixels[0, 0] = 1 if split == TEST else 0
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number:04}.png")
    (tmp_path / TRAIN / "cat" / "._0001.png").touch()
    module = CifarDataModule(data="real", root=tmp_path)
    record = describe_data(module, module.fingerprint())
    assert record.records is not None
    assert (record.records[TRAIN].held, record.records[TRAIN].read) == (91, 90)
    assert record.records[TRAIN].left_out == {"hidden": 1}
    assert record.splits == {TRAIN: 90, VALIDATION: 10, TEST: 20}
    assert (record.classes, record.as_published, record.test_in_training) == (10, False, 0)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["inspect", "cifar", "--data", "real", "--data-root", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "records of train: 91, of which 90 read; left out: 1 hidden" in done.stdout
    assert "examples: train 90, validation 10, test 20; 10 classes" in done.stdout


class Short(CifarDataModule):
    """Reads less than its folder holds."""

    def record_counts(self) -> dict[str, RecordCounts]:
        counts = dict(super().record_counts())
        return counts | {TRAIN: RecordCounts(counts[TRAIN].held + 1, counts[TRAIN].left_out)}


def test_records_that_are_neither_read_nor_left_out_are_an_error(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    with pytest.raises(ValueError, match=r"got 120 examples of train: 91 held, 91 read; validation: 10 held"):
        require_sound(Short(data="real", root=tmp_path))
