"""Real MNIST and CIFAR-10 read from every format they come in, and what broken files say."""

import gzip
import io
import pickle
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts
from datamodules.images.cifar import CIFAR_ARCHIVE, TEST_BATCH, TRAIN_BATCHES, CifarDataModule, CifarLraDataModule
from datamodules.images.image_files import read_idx
from datamodules.images.mnist import MNIST_FILES, MnistDataModule
from datamodules.sources.downloads import RemoteFile, fetch

GENERATOR = np.random.default_rng(0)


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(header + values.tobytes()) if path.suffix == ".gz" else header + values.tobytes())


def write_mnist(folder: Path, gzipped: bool) -> dict[str, NDArray[np.uint8]]:
    """Write a small MNIST of 120 and 50 digits, and return the arrays by file name."""
    arrays = {}
    for file in MNIST_FILES:
        count = 120 if file.name.startswith("train") else 50
        drawn = GENERATOR.integers(0, 256, (count, 28, 28)) if "images" in file.name else np.arange(count) % 10
        arrays[file.name] = drawn.astype(np.uint8)
        write_idx(folder / (file.name if gzipped else file.name.removesuffix(".gz")), arrays[file.name])
    return arrays


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did, with which CIFAR-10's batches were made."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_cifar_batches(folder: Path) -> dict[str, Any]:
    """Write six batches of 20 images as CIFAR-10's authors pickled them, and return them by name."""
    batches = {}
    folder.mkdir(parents=True)
    for name in (*TRAIN_BATCHES, TEST_BATCH):
        pixels = GENERATOR.integers(0, 256, (20, 3072)).astype(np.uint8)
        batches[name] = {"data": pixels, "labels": [i % 10 for i in range(20)], "batch_label": name}
        (folder / name).write_bytes(python2_pickle(batches[name]))
    return batches


def huge_png() -> bytes:
    """Return the first bytes of a PNG that says it is 100,000 x 100,000 pixels: reading it would fill the memory."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def write_class_folders(folder: Path, images: int = 10, suffix: str = "png") -> None:
    for split, count in (("train", images), ("test", 2)):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((32, 32, 3), 10 * label + number, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number:04}.{suffix}")


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("subfolder", ["MNIST/raw", "mnist/MNIST/raw", "mnist", "."])
def test_mnist_reads_the_files_of_torchvision(tmp_path: Path, gzipped: bool, subfolder: str) -> None:
    arrays = write_mnist(tmp_path / subfolder, gzipped)
    module = MnistDataModule(data="real", root=tmp_path)
    assert MnistDataModule.choose_kind("auto", tmp_path, offline=True) == ("real", None)
    assert [len(module.examples(split)) for split in (TRAIN, VALIDATION, TEST)] == [110, 10, 50]
    test = module.examples(TEST).images
    assert (test.pixels[:, 2:-2, 2:-2, 0] == arrays["t10k-images-idx3-ubyte.gz"]).all()
    assert (test.labels == arrays["t10k-labels-idx1-ubyte.gz"]).all()
    assert np.bincount(module.examples(VALIDATION).images.labels).tolist() == [1] * 10


def test_idx_files_that_are_broken_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t10k-images-idx3-ubyte"
    write_idx(path, np.zeros((2, 28, 28), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte: expected 1,568 values .* got 1,563"):
        read_idx(path)
    for start in (b"", b"<html>", whole[:9]):
        path.write_bytes(start)
        with pytest.raises(ValueError, match=r"ubyte: expected an idx file"):
            read_idx(path)
    axes = b"\x00\x01\x00\x00"  # 65,536; of four the product is 0 in 64 bits
    for count, message in ((4, "expected 18,446,744,073,709,551,616 values"), (5, "expected at most 4 axes, got 5")):
        path.write_bytes(b"\x00\x00\x08" + bytes([count]) + axes * count)
        with pytest.raises(ValueError, match=f"ubyte: {message}"):
            read_idx(path)
    zipped = tmp_path / "labels.gz"
    zipped.write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(ValueError, match=r"labels\.gz: expected a whole gzip file"):
        read_idx(zipped)


def test_mnist_refuses_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_mnist(tmp_path, gzipped=False)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(49, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"t10k-images.*got shapes \(50, 28, 28\) and \(49,\)"):
        MnistDataModule(data="real", root=tmp_path).examples(TEST)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.full(50, 10, dtype=np.uint8))
    with pytest.raises(ValueError, match="labels up to 10"):
        MnistDataModule(data="real", root=tmp_path).examples(TEST)


@pytest.mark.parametrize("module_class", [MnistDataModule, CifarDataModule, CifarLraDataModule])
def test_real_data_that_is_not_available_is_an_error(module_class: Any, tmp_path: Path) -> None:
    module = module_class(data="real", root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tar\.gz|ubyte\.gz") as caught:
        module.examples(TRAIN)
    assert "MB) is missing" in str(caught.value)
    assert module_class.remote_files[0].urls[0] in str(caught.value)
    assert module_class.choose_kind("auto", tmp_path, offline=True)[0] == "embedded"


@pytest.mark.parametrize("subfolder", [".", "cifar", "cifar10"])
def test_cifar_reads_the_batches_of_torchvision(tmp_path: Path, subfolder: str) -> None:
    batches = write_cifar_batches(tmp_path / subfolder / "cifar-10-batches-py")
    module = CifarDataModule(data="real", root=tmp_path)
    assert module.source == "six batches in CIFAR-10's form, by their checksums not CIFAR-10's own"
    assert [len(module.examples(split)) for split in (TRAIN, VALIDATION, TEST)] == [90, 10, 20]
    picture = module.examples(TEST).images.pixels[4]
    assert (picture == batches[TEST_BATCH]["data"][4].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    assert module.examples(TEST).images.labels[4] == 4


def test_cifar_unpacks_the_archive_that_was_put_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar_batches(tmp_path / "made" / "cifar-10-batches-py")
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / CIFAR_ARCHIVE.name, "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    unhashed = RemoteFile(CIFAR_ARCHIVE.name, CIFAR_ARCHIVE.urls, None, None)
    monkeypatch.setattr("datamodules.images.cifar.CIFAR_ARCHIVE", unhashed)
    assert len(CifarLraDataModule(data="real", root=root).examples(TEST)) == 20
    assert fetch(unhashed, root, offline=True).exists()
    assert CifarDataModule.real_data_at(root) == root / "cifar-10-python" / "cifar-10-batches-py"


class Hostile:
    """What an attacker puts in a pickle: a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_cifar_batches_run_no_code_and_are_named_when_broken(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    batch = write_cifar_batches(folder)[TEST_BATCH]
    mark = tmp_path / "ran"
    contents = {
        "getattr: refused": python2_pickle({"data": Hostile(mark), "labels": []}),
        "EOFError": b"",
        "UnpicklingError": b"<html>",
        "truncated": python2_pickle(batch)[:500],
        "KeyError": python2_pickle({"data": batch["data"]}),
        "expected a dictionary, got list": python2_pickle([1, 2]),
        "from 0 to 9": python2_pickle({"data": batch["data"], "labels": [10] * 20}),
        "and 19 labels": python2_pickle({"data": batch["data"], "labels": [1] * 19}),
        "float64": python2_pickle({"data": batch["data"] / 2, "labels": [1] * 20}),
    }
    for said, content in contents.items():
        (folder / TEST_BATCH).write_bytes(content)
        with pytest.raises(ValueError, match=r"test_batch: expected") as caught:
            CifarDataModule(data="real", root=tmp_path).examples(TEST)
        assert said in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize("subfolder", [".", "cifar", "cifar10"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cifar_reads_class_folders(tmp_path: Path, subfolder: str, suffix: str) -> None:
    write_class_folders(tmp_path / subfolder, suffix=suffix)
    (tmp_path / subfolder / "train" / "cat" / ".hidden").touch()
    module = CifarDataModule(data="real", root=tmp_path)
    assert CifarDataModule.choose_kind("auto", tmp_path, offline=True) == ("real", None)
    assert module.source == "images in class folders: 100 in train, 20 in test"
    assert np.bincount(module.examples(TRAIN).images.labels).tolist() == [9] * 10
    assert np.bincount(module.examples(VALIDATION).images.labels).tolist() == [1] * 10
    (tmp_path / subfolder / "test" / f"lost.{suffix}").touch()
    (tmp_path / subfolder / "test" / "cat" / f"._0001.{suffix}").touch()
    counts = module.record_counts()
    assert (counts[TRAIN].held, counts[VALIDATION].held) == (90, 10)
    assert counts[TEST] == RecordCounts(22, {"hidden": 1, "in no class folder": 1})
    test = module.examples(TEST).images
    assert test.labels[6] == CLASSES.index("cat")
    assert abs(int(test.pixels[6, 16, 16, 0]) - 30) <= 1


def test_class_folders_that_are_broken_are_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    cat = tmp_path / "test" / "cat"

    def error() -> str:
        with pytest.raises(ValueError, match="expected") as caught:
            CifarDataModule(data="real", root=tmp_path).examples(TEST)
        return str(caught.value)

    for content in (b"not an image", b""):
        (cat / "0002.png").write_bytes(content)
        assert str(cat / "0002.png") in error()
    (cat / "0002.png").unlink()
    (cat / "0002.png").write_bytes(huge_png())
    assert f"{cat / '0002.png'}: expected an image" in error()
    (cat / "0002.png").unlink()
    whole = (cat / "0001.png").read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(b"IDAT") + 10] ^= 0xFF
    for content in (whole[: len(whole) // 2], bytes(damaged)):
        (cat / "0001.png").write_bytes(content)
        assert str(cat / "0001.png") in error()
    (cat / "0001.png").unlink()
    Image.new("RGB", (64, 32)).save(cat / "0001.png")
    assert "0001.png: expected 32 x 32 pixels, got 64 x 32" in error()
    (cat / "0001.png").write_bytes(whole)
    (cat / "notes.txt").touch()
    assert "notes.txt: expected an image (.jpg, .jpeg, .png), got another file" in error()
    for path in cat.iterdir():
        path.unlink()
    assert f"{cat}: expected images" in error()
    cat.rename(tmp_path / "test" / "zebra")
    assert "the same ten class folders in train and test" in error()
