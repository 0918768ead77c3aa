"""Images as others bring them: orders of axes, pickles saved again, deep, clear and turned pictures, hidden files."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from datamodules.contract import TEST, TRAIN, RecordCounts
from datamodules.images.cifar import TEST_BATCH, TRAIN_BATCHES, CifarDataModule
from datamodules.images.image_decoding import read_image
from datamodules.images.image_folders import list_images
from datamodules.images.image_orders import images_of
from tests.datamodules.images.test_image_files import CLASSES, write_class_folders

Save = Callable[[NDArray[np.uint8], list[int]], bytes]
"""Turns images (N, 32, 32, 3) and labels into a batch's bytes."""

RAMP = np.add.outer(np.arange(32), 4 * np.arange(32)).astype(np.uint8)
"""A smooth picture whose rows and columns differ."""


def smooth_images(count: int) -> NDArray[np.uint8]:
    """Return (count, 32, 32, 3): smooth, each of another brightness, its colours far apart."""
    shades = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return RAMP[None, :, :, None] // 2 + shades + np.array([0, 60, 120], dtype=np.uint8)


def write_batches(folder: Path, save: Save) -> NDArray[np.uint8]:
    """Write six batches of 20 images by `save`, and return the images of the test batch."""
    folder.mkdir()
    for number, name in enumerate((*TRAIN_BATCHES, TEST_BATCH)):
        images = smooth_images(20) + np.uint8(20 * (number % 2))
        images[:, 0, 0] = np.arange(20, dtype=np.uint8)[:, None] + np.uint8(20 * number)
        (folder / name).write_bytes(save(images, [i % 10 for i in range(20)]))
    return images


def rows_of(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def saved(arrange: Callable[[NDArray[np.uint8]], object], protocol: int = 4, keys: type = str) -> Save:
    def save(images: NDArray[np.uint8], labels: list[int]) -> bytes:
        batch = {"data": arrange(images), "labels": labels}
        return pickle.dumps({k.encode() if keys is bytes else k: v for k, v in batch.items()}, protocol)

    return save


READ: dict[str, Save] = {
    "as published": saved(rows_of),
    "height, width, colour": saved(lambda images: images),
    "colour, height, width": saved(lambda images: images.transpose(0, 3, 1, 2)),
    "images last": saved(lambda images: images.transpose(1, 2, 3, 0)),
    "colour first, images last": saved(lambda images: images.transpose(3, 1, 2, 0)),
    "a column an image": saved(lambda images: rows_of(images).T),
    "written column by column": saved(lambda images: np.asfortranarray(rows_of(images))),
    **{f"protocol {protocol}": saved(rows_of, protocol) for protocol in range(6)},
    **{f"protocol {protocol}, keys of bytes": saved(rows_of, protocol, bytes) for protocol in (2, 5)},
}


@pytest.mark.parametrize("case", READ)
def test_cifar_batches_in_other_orders_and_pickles_are_the_same_images(case: str, tmp_path: Path) -> None:
    images = write_batches(tmp_path / "cifar-10-batches-py", READ[case])
    test = CifarDataModule(data="real", root=tmp_path).examples(TEST).images
    assert (test.pixels == images).all()
    assert test.labels.tolist() == [i % 10 for i in range(20)]


REFUSED: dict[str, tuple[Save, str]] = {
    "from 0 to 1": (saved(lambda images: images / 255), r"expected bytes .* got float64 from 0 to 0.8"),
    "wider integers": (saved(lambda images: images.astype(np.int64)), "expected bytes .* got int64 from 0 to 216"),
    "pixel by pixel in a row": (saved(lambda images: images.reshape(20, -1)), "expected each image colour by colour"),
    "half of each image": (saved(lambda images: images[:, :16]), r"in the shape .* got \(20, 16, 32, 3\)"),
    "grey": (saved(lambda images: images[..., 0]), r"in the shape .* got \(20, 32, 32\)"),
    "objects": (saved(lambda images: images.astype(object)), "expected 'data' to be an array of bytes"),
    "a key twice": (
        lambda i, said: pickle.dumps({b"data": rows_of(i), "data": 1, "labels": said}),
        "expected each key once",
    ),
    "more behind its end": (lambda i, said: saved(rows_of)(i, said) + b"more", "end of the file .* got 4 bytes more"),
    "a shape that is none": (
        lambda i, said: saved(rows_of)(i, said).replace(b"M\x00\x0c", b"M\x00\x0d"),
        "expected 'data' to be an array of bytes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_cifar_batches_that_cannot_be_told_are_refused(case: str, tmp_path: Path) -> None:
    save, message = REFUSED[case]
    write_batches(tmp_path / "cifar-10-batches-py", save)
    with pytest.raises(ValueError, match=message) as caught:
        CifarDataModule(data="real", root=tmp_path).examples(TEST)
    assert str(tmp_path / "cifar-10-batches-py" / "data_batch_1") in str(caught.value)


def test_a_shape_that_fits_several_orders_is_refused() -> None:
    with pytest.raises(ValueError, match=r"which axis is which, got \(4, 4, 4\) for 4 images"):
        images_of(np.zeros((4, 4, 4), dtype=np.uint8), 4, 4, 1, "here")


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(np.repeat(RAMP[..., None], 3, axis=2)), kind, exif=exif)


def translucent(mode: str, alpha: int) -> Image.Image:
    image = Image.fromarray(RAMP).convert(mode)
    image.putalpha(alpha)
    return image


def chunk_of_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a ramp")
    return info


GREY = Image.fromarray(RAMP)
SHOWN = {
    "8-bit grey": (encoded(GREY), RAMP),
    "16-bit grey": (encoded(Image.fromarray(RAMP.astype(np.uint16) * 257)), RAMP),
    "16-bit grey, lower bits of its own": (encoded(Image.fromarray(RAMP.astype(np.uint16) * 256 + 99)), RAMP),
    "16-bit black": (encoded(Image.fromarray(np.zeros((32, 32), dtype=np.uint16))), np.zeros_like(RAMP)),
    "1 bit": (encoded(GREY.convert("1", dither=Image.Dither.NONE)), 255 * (RAMP > 127).astype(np.uint8)),
    "palette": (encoded(GREY.convert("P")), RAMP),
    "grey with a full alpha": (encoded(translucent("L", 255)), RAMP),
    "colour with a full alpha": (encoded(translucent("RGB", 255)), RAMP),
    "turned by EXIF": (turned("PNG", 3), RAMP[::-1, ::-1]),
    "on its side by EXIF": (turned("PNG", 6), np.rot90(RAMP, -1)),
    "upright by EXIF": (turned("PNG", 1), RAMP),
    "with text in it": (encoded(GREY, pnginfo=chunk_of_text()), RAMP),
}


@pytest.mark.parametrize("case", SHOWN)
def test_pictures_are_read_as_they_are_seen(case: str) -> None:
    content, expected = SHOWN[case]
    for channels in (1, 3):
        assert (read_image(content, "here", 32, channels) == expected[..., None]).all()


def test_cmyk_and_turned_jpegs_are_read() -> None:
    colour = np.full((32, 32, 3), [200, 40, 90], dtype=np.uint8)
    cmyk = read_image(encoded(Image.fromarray(colour).convert("CMYK"), "JPEG", quality=100), "here", 32, 3)
    assert np.abs(cmyk.astype(int) - colour).max() < 6
    side = read_image(turned("JPEG", 8), "here", 32, 1)[..., 0]
    assert np.abs(side.astype(int) - np.rot90(RAMP)).max() < 12


def test_palettes_keep_their_colours() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert (read_image(encoded(image), "here", 32, 3) == [10, 200, 30]).all()
    with pytest.raises(ValueError, match="expected grey values, got colours"):
        read_image(encoded(image), "here", 32, 1)


WRONG = {
    "transparent": (encoded(translucent("RGB", 10)), "mode RGBA with transparent pixels"),
    "transparent grey": (encoded(translucent("L", 0)), "mode LA with transparent pixels"),
    "a transparent colour of a palette": (encoded(GREY.convert("P"), transparency=0), "mode P with transparent pixels"),
    "a transparent grey value": (encoded(GREY, transparency=0), "mode L with transparent pixels"),
    "8-bit values in 16 bits": (
        encoded(Image.fromarray(RAMP.astype(np.uint16))),
        "mode I;16 with values from 0 to 155",
    ),
    "fractions": (encoded(Image.fromarray(RAMP / np.float32(255)), "TIFF"), "mode F"),
    "32 bits": (encoded(Image.fromarray(RAMP.astype(np.int32) * 65536), "TIFF"), "mode I with values from 0"),
    "several pictures": (
        encoded(GREY, save_all=True, append_images=[GREY.transpose(Image.Transpose.ROTATE_90)]),
        "expected one picture, got 2 in one file",
    ),
    "another size": (encoded(GREY.resize((28, 28))), "expected 32 x 32 pixels, got 28 x 28"),
    "text": (b"<svg></svg>", "expected an image"),
}


@pytest.mark.parametrize("case", WRONG)
def test_pictures_that_would_be_others_are_refused(case: str) -> None:
    content, message = WRONG[case]
    with pytest.raises(ValueError, match=f"here: .*{message}"):
        read_image(content, "here", 32, 3)


LITTER: dict[str, tuple[str, dict[str, int]]] = {
    "AppleDouble": ("train/cat/._0000.png", {"hidden": 1}),
    "a hidden picture": ("train/cat/.0000.png", {"hidden": 1}),
    "a hidden file that is none": ("train/cat/.DS_Store", {}),
    "a system's preview": ("train/cat/Thumbs.db", {}),
    "a hidden folder": ("train/.cache/cat/0000.png", {"hidden": 1}),
    "a hidden folder in a class": ("train/cat/.thumbs/0000.png", {"hidden": 1}),
    "what a Mac's zip leaves": ("train/__MACOSX/cat/._0000.png", {"hidden": 1}),
    "beside the classes": ("train/0000.png", {"in no class folder": 1}),
    "no picture beside the classes": ("train/labels.txt", {}),
}


@pytest.mark.parametrize("case", LITTER)
def test_who_finds_counts_and_reads_images_sees_the_same_files(case: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    before = CifarDataModule(data="real", root=tmp_path)
    name, left_out = LITTER[case]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"nothing to be read")
    module = CifarDataModule(data="real", root=tmp_path)
    assert module.source == before.source
    assert module.fingerprint() == before.fingerprint()
    counts = module.record_counts()[TRAIN]
    assert {reason: count for reason, count in counts.left_out.items() if count} == left_out
    assert counts.read == len(module.examples(TRAIN))


def test_a_folder_of_hidden_images_alone_holds_none(tmp_path: Path) -> None:
    for split in (TRAIN, TEST):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "._0000.png").touch()
    assert CifarDataModule.real_data_at(tmp_path) is None
    assert list_images(tmp_path / TRAIN).count == 0
    assert RecordCounts(10, list_images(tmp_path / TRAIN).left_out).read == 0
