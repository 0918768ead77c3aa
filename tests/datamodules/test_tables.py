"""Data sets as hubs carry them: Parquet tables of images and of proteins, whole or in numbered parts."""

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts
from datamodules.images.cifar import CifarDataModule
from datamodules.images.image_tables import read_image_tables
from datamodules.images.mnist import MnistDataModule
from datamodules.proteins.homology import HomologyDataModule

PROTEINS = {
    "train": [("MKTAYIAKQ", 17), ("ACDEFGHIK" * 150, 3), ("acxjBZ", 0), ("MKV", 3)],
    "validation": [("MKV", 3)],
    "test": [("GGGG", 0), ("MK", 17)],
}


def write_table(path: Path, columns: dict[str, list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


def write_proteins(folder: Path, names: tuple[str, str] = ("sequence", "label"), parts: int = 1) -> None:
    for split, rows in PROTEINS.items():
        for part in range(parts):
            chosen = rows[part::parts] or rows[:0]
            name = f"{split}-{part:05}-of-{parts:05}.parquet"
            columns = {names[0]: [text for text, _ in chosen], names[1]: [label for _, label in chosen]}
            write_table(folder / name, columns)  # type: ignore[arg-type]


def png(pixels: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def pictures(count: int, side: int, colours: tuple[int, ...], first: int) -> list[bytes]:
    chance = np.random.default_rng(first)
    return [png(chance.integers(0, 256, (side, side, *colours))) for _ in range(count)]


def write_images(
    folder: Path,
    side: int = 32,
    colours: tuple[int, ...] = (3,),
    column: str = "img",
    splits: Sequence[str] = ("train", "test"),
) -> dict[str, list[bytes]]:
    written = {}
    for number, split in enumerate(splits):
        count = 40 if split == "train" else 20
        written[split] = pictures(count, side, colours, number)
        images = [{"bytes": content, "path": None} for content in written[split]]
        write_table(
            folder / f"{split}-00000-of-00001.parquet",
            {column: images, "label": [i % 10 for i in range(count)]},  # type: ignore[dict-item]
        )
    return written


@pytest.mark.parametrize("place", ["", "data", "homology", "homology/data", "remote_homology"])
@pytest.mark.parametrize("names", [("sequence", "label"), ("seq", "label"), ("primary", "fold_label")])
def test_tables_of_proteins_are_read(place: str, names: tuple[str, str], tmp_path: Path) -> None:
    write_proteins(tmp_path / place, names)
    assert HomologyDataModule.choose_kind("auto", tmp_path, offline=True) == ("real", None)
    module = HomologyDataModule(data="real", root=tmp_path)
    assert module.source == "proteins in the form of TAPE's remote homology (parquet), by no checksum TAPE's own files"
    assert module.splits == (TRAIN, VALIDATION, TEST)
    assert module.record_counts()[TRAIN] == RecordCounts(4, {"longer than 1,024 residues": 1})
    assert module.examples(TRAIN).labels.tolist() == [[17], [0], [3]]
    assert module.examples(TEST).sequences[1].tolist() == [12, 10]


def test_parts_of_a_table_are_read_in_their_order(tmp_path: Path) -> None:
    write_proteins(tmp_path / "two", parts=2)
    module = HomologyDataModule(data="real", root=tmp_path / "two")
    assert module.examples(TRAIN).labels.tolist() == [[17], [0], [3]]
    (tmp_path / "two" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(
        ValueError, match=r"expected all parts of train, each once, got .'train-00000-of-00002\.parquet'"
    ):
        HomologyDataModule(data="real", root=tmp_path / "two")


@pytest.mark.parametrize("place", ["", "data", "cifar10", "cifar10/plain_text", "plain_text"])
@pytest.mark.parametrize("column", ["img", "image"])
def test_tables_of_photographs_are_read(place: str, column: str, tmp_path: Path) -> None:
    written = write_images(tmp_path / place, column=column)
    assert CifarDataModule.choose_kind("auto", tmp_path, offline=True) == ("real", None)
    module = CifarDataModule(data="real", root=tmp_path)
    assert module.source == "images in Parquet tables: 40 in train, 20 in test"
    assert module.as_published is False
    assert [len(module.examples(split)) for split in module.splits] == [36, 4, 20]
    assert [counts.held for counts in module.record_counts().values()] == [36, 4, 20]
    expected = np.array(Image.open(io.BytesIO(written["test"][3])))
    assert (module.examples(TEST).images.pixels[3] == expected).all()
    assert module.examples(TEST).images.labels.tolist() == [i % 10 for i in range(20)]
    assert MnistDataModule.real_data_at(tmp_path) is None or place in ("", "data", "plain_text")


@pytest.mark.parametrize("place", ["", "mnist", "mnist/mnist", "mnist/data"])
def test_tables_of_digits_are_read(place: str, tmp_path: Path) -> None:
    written = write_images(tmp_path / place, 28, (), "image", ("train", "validation", "test"))
    module = MnistDataModule(data="real", root=tmp_path)
    assert module.source == "images in Parquet tables: 40 in train, 20 in test"
    assert {split: c.held for split, c in module.record_counts().items()} == {TRAIN: 40, VALIDATION: 20, TEST: 20}
    expected = np.array(Image.open(io.BytesIO(written["validation"][3])))
    assert (module.examples(VALIDATION).images.pixels[3, 2:-2, 2:-2, 0] == expected).all()


def test_a_tables_validation_set_is_cut_from_training_where_it_has_none(tmp_path: Path) -> None:
    write_images(tmp_path, 28, (), "image")
    module = MnistDataModule(data="real", root=tmp_path)
    assert [len(module.examples(split)) for split in module.splits] == [37, 3, 20]
    assert [counts.held for counts in module.record_counts().values()] == [37, 3, 20]


PICTURE = png(np.zeros((32, 32, 3)))
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a label too high": (lambda path: write_table(path, {"img": [PICTURE], "label": [10]}), "row 0: expected a label"),
    "no label": (lambda path: write_table(path, {"img": [PICTURE, PICTURE], "label": [1, None]}), "row 1: .* got None"),
    "a name for a label": (lambda path: write_table(path, {"img": [PICTURE], "label": ["cat"]}), "row 0: .* got 'cat'"),
    "a path alone": (
        lambda path: write_table(path, {"img": [{"bytes": None, "path": "0.png"}], "label": [1]}),
        "row 0: expected the bytes of an image, got {'bytes': None, 'path': '0.png'}",
    ),
    "another size": (
        lambda path: write_table(path, {"img": [png(np.zeros((28, 28)))], "label": [1]}),
        "row 0: expected 32 x 32 pixels",
    ),
    "other columns": (
        lambda path: write_table(path, {"img": [PICTURE], "fine_label": [1]}), "expected one column called label",
    ),
    "two columns": (
        lambda path: write_table(path, {"img": [PICTURE], "image": [PICTURE], "label": [1]}), "called img or image",
    ),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "expected a Parquet table"),
    "joined": (lambda path: path.write_bytes(path.read_bytes() + b"more"), "expected a Parquet table"),
    "two tables": (lambda path: path.write_bytes(path.read_bytes() * 2), "expected one Parquet table, got one behind"),
    "no rows": (lambda path: write_table(path, {"img": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}),
                "expected images, got none"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables_are_named(case: str, tmp_path: Path) -> None:
    write_images(tmp_path)
    path = tmp_path / "test-00000-of-00001.parquet"
    damage, message = WRONG[case]
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        read_image_tables(tmp_path, 32, 3)
    assert str(path) in str(caught.value)


def test_two_forms_of_a_splits_table_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "test.parquet").write_bytes((tmp_path / "test-00000-of-00001.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"in one form, got test.parquet and test-\*.parquet. Move one away"):
        CifarDataModule(data="real", root=tmp_path)


def test_missing_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_proteins(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FileNotFoundError, match=r"pip install fpt_bench\[parquet\]"):
        HomologyDataModule(data="real", root=tmp_path)
