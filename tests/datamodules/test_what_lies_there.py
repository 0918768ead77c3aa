"""Real data that lie there are read, or refused with the reason, whatever names and folders they have."""

import gzip
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.contract import TEST, TRAIN, VALIDATION, TaskDataModule
from datamodules.images.cifar import CIFAR_ARCHIVE
from datamodules.listops.listops import ListOpsDataModule
from datamodules.proteins.homology import TAPE, HomologyDataModule
from datamodules.sources.caches import cache_root
from datamodules.sources.quotes import QUOTED
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.resolve import make_datamodule, resolve_data
from tests.datamodules.images.test_image_files import write_cifar_batches, write_class_folders, write_mnist
from tests.datamodules.proteins.test_homology import ROWS, records_of, write_json

FEW = {"train_examples": 4, "validation_examples": 2, "test_examples": 2}


def write_trees(
    folder: Path, end: str = "\n", header: bool = True, files: tuple[str, ...] = (TRAIN, "val", TEST)
) -> None:
    """Write the three published files, with trees of 603 and more tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    for offset, split in enumerate((TRAIN, "val", TEST)):
        rows = [f"[SM {'1 ' * (601 + 10 * offset + row)}]\t{(1 + row) % 10}" for row in range(5)]
        if split in files:
            content = end.join([*(["Source\tTarget"] if header else []), *rows, ""])
            (folder / f"basic_{split}.tsv").write_bytes(content.encode())


def chosen(task: str, root: Path, data: str = "real", **arguments: object) -> TaskDataModule:
    """Return the datamodule that a run gets."""
    at = Workspace(root / "runs", root, offline=True)
    spec = RunSpec(task=task, data=data, data_arguments=arguments)  # type: ignore[arg-type]
    return make_datamodule(resolve_data(spec, at)[0], at)


FOUND: dict[str, Callable[[Path], object]] = {
    "in its folder": lambda root: write_trees(root / "listops"),
    "as the release unpacks": lambda root: write_trees(root / "lra_release" / "lra_release" / "listops-1000"),
    "in a folder of its own name": lambda root: write_trees(root / "my trees"),
    "at the root": write_trees,
    "beside an unfinished copy": lambda root: (
        write_trees(root / "listops", files=(TRAIN,)),
        write_trees(root / "other"),
    ),
    "ends of Windows": lambda root: write_trees(root, "\r\n"),
    "ends of Windows, made twice": lambda root: write_trees(root, "\r\r\n"),
    "empty lines between": lambda root: write_trees(root, "\n\n"),
}


@pytest.mark.parametrize("case", FOUND)
def test_published_trees_are_read_where_they_lie(case: str, tmp_path: Path) -> None:
    FOUND[case](tmp_path)
    for data in ("real", "auto"):
        module = chosen("listops", tmp_path, data, **FEW)
        assert "basic_{train,val,test}.tsv" in module.source
        assert [len(module.examples(split)) for split in (TRAIN, VALIDATION, TEST)] == [4, 2, 2]
        assert [len(tree) for tree in module.examples(TEST).sequences] == [623, 624]  # type: ignore[attr-defined]
        held = {name: (counts.held, counts.read) for name, counts in (module.record_counts() or {}).items()}
        assert held == {"basic_train.tsv": (5, 4), "basic_val.tsv": (5, 2), "basic_test.tsv": (5, 2)}


UNREAD: dict[str, tuple[str, Callable[[Path], object], dict[str, object], str]] = {
    "trees of other lengths are asked for": (
        "listops", write_trees, {"min_length": 5, "max_length": 20},
        r"hold trees of over 500 and under 2,000 tokens, and this run asks for min_length=5, max_length=20\. Pass "
        r"--data-arguments min_length=500 --data-arguments max_length=2000 to read them",
    ),
    "nested trees are asked for": ("listops", write_trees, {"min_depth": 4}, "this run asks for min_depth=4"),
    "one of three is missing": (
        "listops", lambda root: write_trees(root / "listops", files=(TRAIN, "val")), {},
        r"listops holds basic_train.tsv, basic_val.tsv and lacks basic_test.tsv\. Copy it there",
    ),
    "one of three alone, deep": (
        "listops", lambda root: write_trees(root / "a" / "b", files=(TEST,)), {}, "b holds basic_test.tsv and lacks",
    ),
    "trees under other names": (
        "listops", lambda root: (root / "listops.tsv").touch(), {}, r"in one folder\. In .* lie: listops.tsv\.",
    ),
    "no trees": ("listops", lambda _: None, {}, r"in one folder\. The folder .* is empty"),
    "fewer trees than are asked for": ("listops", write_trees, {}, "expected 96000 expressions, got 5"),
    "trees without a first line": (
        "listops", lambda root: write_trees(root, header=False), {},
        r"expected a first line 'Source Target', got '\[SM 1 .*\.\.\.\. Put that line first",
    ),
    "trees with ends of old Macs": ("listops", lambda root: write_trees(root, "\r"), {}, "expected a first line"),
    "one of four files of digits is missing": (
        "mnist", lambda root: (write_mnist(root / "raw", True), (root / "raw/t10k-labels-idx1-ubyte.gz").unlink()), {},
        "raw lacks t10k-labels-idx1-ubyte.gz",
    ),
    "one of six batches is missing": (
        "cifar", lambda root: (write_cifar_batches(root / "cifar-10-batches-py"),
                               (root / "cifar-10-batches-py" / "test_batch").unlink()), {},
        "cifar-10-batches-py lacks test_batch",
    ),
    "images to validate on for those to test on": (
        "cifar", lambda root: (write_class_folders(root), (root / "test").rename(root / "val")), {},
        "holds images to train on, and none in test/<class>/",
    ),
    "class folders that are split by nobody": (
        "cifar", lambda root: (root / "cat").mkdir() or (root / "cat" / "0.png").touch(), {}, r"lie: cat, cat/0\.png\.",
    ),
    "proteins to test on alone": (
        "homology", lambda root: (root / "test.csv").write_text("seq,label\nMK,3\n"), {}, r"lie: test\.csv\.",
    ),
    "no folder": ("homology", lambda root: root.rmdir(), {}, "is not there"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREAD)
def test_real_data_that_are_not_read_are_never_replaced(case: str, tmp_path: Path) -> None:
    task, write, arguments, message = UNREAD[case]
    root = tmp_path / "data"
    root.mkdir()
    write(root)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as caught:
        chosen(task, root, **arguments).examples(TEST)
    assert all(len(line) < 900 for line in str(caught.value).splitlines())


def test_what_replaces_files_that_lie_there_is_said(tmp_path: Path) -> None:
    write_trees(tmp_path, files=(TRAIN,))
    small = {"min_length": 5, "max_length": 20}
    kind, warning = ListOpsDataModule.choose_kind("auto", tmp_path, True, small)
    assert kind == "real"
    assert "files are not read, so examples are generated" in str(warning)
    assert ListOpsDataModule.choose_kind("embedded", tmp_path, True, small) == ("real", None)


def as_kaggle(root: Path, nested: bool, suffix: str = "") -> None:
    write_mnist(root, gzipped=False)
    for path in list(root.iterdir()):
        name = path.name.replace("-idx", ".idx")
        content = path.read_bytes()
        path.unlink()
        (root / name).mkdir() if nested else None
        place = root / name / name if nested else root / f"{name}{suffix}"
        place.write_bytes(gzip.compress(content) if suffix else content)


@pytest.mark.parametrize(("nested", "suffix"), [(False, ""), (False, ".gz"), (True, "")])
def test_digits_are_read_under_kaggles_names(nested: bool, suffix: str, tmp_path: Path) -> None:
    as_kaggle(tmp_path, nested, suffix)
    assert len(chosen("mnist", tmp_path).examples(TEST)) == 50


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_folder_to_validate_on_is_the_validation_set(name: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    for number, folder in enumerate(sorted((tmp_path / "test").iterdir())):
        (tmp_path / name / folder.name).mkdir(parents=True)
        for row in range(3):
            pixels = np.full((32, 32, 3), 200 + 3 * number + row, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / folder.name / f"{row}.png")
    module = chosen("cifar", tmp_path)
    assert module.source == "images in class folders: 100 in train, 30 in validation, 20 in test"
    assert [len(module.examples(split)) for split in module.splits] == [100, 30, 20]
    assert {split: c.held for split, c in (module.record_counts() or {}).items()} == {
        TRAIN: 100,
        VALIDATION: 30,
        TEST: 20,
    }
    (tmp_path / "val2").mkdir()
    other = "valid" if name != "valid" else "val"
    (tmp_path / name / "cat").rename(tmp_path / "val2" / "cat")
    (tmp_path / "val2").rename(tmp_path / other)
    with pytest.raises(ValueError, match="expected one folder of images to validate on"):
        chosen("cifar", tmp_path)


def tar(path: Path, folder: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, name)


@pytest.mark.parametrize("place", [TAPE.name, f"homology/{TAPE.name}"])
def test_another_archive_under_a_downloads_name_is_read_and_stays(place: str, tmp_path: Path) -> None:
    write_json(tmp_path / "made")
    root = tmp_path / "data"
    tar(root / place, tmp_path / "made", "remote_homology")
    module = chosen("homology", root)
    assert module.source == "proteins in the form of TAPE's remote homology (json), by no checksum TAPE's own files"
    assert len(module.examples(TEST)) == len(ROWS[TEST])
    assert (root / place).is_file()
    assert not list(root.rglob("*.wrong-hash"))
    (tmp_path / "made" / "remote_homology_test_fold_holdout.json").write_text(json.dumps(records_of([("MKV", 0)])))
    tar(root / place, tmp_path / "made", "remote_homology")
    assert len(chosen("homology", root).examples(TEST)) == 1, "another archive under the same name"


def test_another_archive_of_images_is_read(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "made")
    tar(tmp_path / "data" / CIFAR_ARCHIVE.name, tmp_path / "made", "cifar")
    module = chosen("cifar", tmp_path / "data")
    assert module.source == "images in class folders: 100 in train, 20 in test"


def test_caches_lie_elsewhere_where_the_data_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the system says of access: whoever runs tests may be allowed everything."""
    root, users = tmp_path / "data", tmp_path / "cache"
    write_trees(root)
    write_json(root / "remote_homology")
    before = sorted(root.rglob("*"))
    allowed = os.access
    monkeypatch.setattr("os.access", lambda path, how: not Path(path).is_relative_to(root) and allowed(path, how))
    monkeypatch.setenv("XDG_CACHE_HOME", str(users))
    assert len(ListOpsDataModule(root=root, **FEW).examples(TEST)) == 2
    assert len(HomologyDataModule(data="real", root=root).examples(TEST)) == len(ROWS[TEST])
    assert sorted(root.rglob("*")) == before
    assert cache_root(root) == users / "fpt_bench"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert cache_root(root).name == f"fpt_bench-{os.getuid()}"


LONG = "Q" * 5000
QUOTES: dict[str, Callable[[Path], object]] = {
    "a symbol of an expression": lambda root: (
        write_trees(root), (root / "basic_val.tsv").write_text(f"Source\tTarget\n[MAX {LONG} ]\t1\n"),
        ListOpsDataModule(root=root, **FEW).examples(TEST),
    ),
    "a value": lambda root: (
        write_trees(root), (root / "basic_val.tsv").write_text(f"Source\tTarget\n[SM {'1 ' * 600}]\t{LONG}\n"),
        ListOpsDataModule(root=root, **FEW).examples(TEST),
    ),
    "a first line": lambda root: (
        write_trees(root), (root / "basic_val.tsv").write_text(LONG),
        ListOpsDataModule(root=root, **FEW).examples(TEST),
    ),
    "bytes that are no text": lambda root: (
        write_trees(root), (root / "basic_val.tsv").write_bytes(b"\xff" * 5000),
        ListOpsDataModule(root=root, **FEW).examples(TEST),
    ),
    "columns": lambda root: (
        [(root / f"{name}.csv").write_text(f"{LONG},label\nMK,3\n") for name in ("train", "valid", "test")],
        HomologyDataModule(data="real", root=root).examples(TEST),
    ),
    "a fold": lambda root: (
        [(root / f"{name}.csv").write_text(f"seq,label\nMK,{LONG}\n") for name in ("train", "valid", "test")],
        HomologyDataModule(data="real", root=root).examples(TEST),
    ),
    "a record": lambda root: (
        write_json(root / "homology"),
        (root / "homology" / "remote_homology_train.json").write_text(json.dumps([{"sequence": LONG}])),
        HomologyDataModule(data="real", root=root).examples(TEST),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", QUOTES)
def test_no_more_than_eighty_characters_of_a_file_are_quoted(case: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        QUOTES[case](tmp_path)
    said = str(caught.value).replace(str(tmp_path), "")
    assert said.count("Q") <= QUOTED
    assert len(said) < 500
