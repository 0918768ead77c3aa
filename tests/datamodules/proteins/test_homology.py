"""Remote homology: residues, TAPE's files as JSON and LMDB, and broken or hostile ones."""

import errno
import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts
from datamodules.proteins.homology import HomologyDataModule
from datamodules.proteins.homology_scope import HomologyScopeDataModule
from datamodules.proteins.protein_files import (
    TAPE_SPLITS,
    encode_residues,
    load_plain_pickle,
    read_tape,
    require_one_form,
)
from datamodules.sources.packages import MissingPackageError
from tests.datamodules.unseen_edits import edit_unseen

SMALL = {"folds": 4, "superfamilies": 3, "min_residues": 30, "max_residues": 60}


KEPT_FINGERPRINT = "821f34cb804a250803a53570171e9c5344f3dc7ee8874e0a9dd8c118c72f19f1"
ROWS = {
    TRAIN: [("MKTAYIAKQ", 17), ("ACDEFGHIK" * 150, 3), ("acxjBZ", 0)],
    VALIDATION: [("MKV", 3)],
    TEST: [("GGGG", 0), ("MK", 3)],
    "test-superfamily": [("LLL", 17)],
    "test-family": [("PPPPP", 17)],
}


def records_of(rows: list[tuple[str, int]]) -> list[dict[str, object]]:
    return [{"id": f"d{number}", "primary": text, "fold_label": label} for number, (text, label) in enumerate(rows)]


def write_json(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, rows in ROWS.items():
        (folder / f"remote_homology_{TAPE_SPLITS[split]}.json").write_text(json.dumps(records_of(rows)))


def write_lmdb(path: Path, records: list[object], count: object = None) -> None:
    with lmdb.open(str(path), map_size=1 << 20) as database, database.begin(write=True) as transaction:
        transaction.put(b"num_examples", pickle.dumps(len(records) if count is None else count))
        for number, record in enumerate(records):
            data = record if isinstance(record, bytes) else pickle.dumps(record)
            transaction.put(str(number).encode(), data)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A data root with small files in TAPE's form."""
    write_json(tmp_path / "remote_homology")
    return tmp_path


def test_residues_have_fixed_ids() -> None:
    assert encode_residues("ABCDEFGHIKLMNOPQRSTUVWXYZ").tolist() == list(range(1, 26))
    assert encode_residues("jmkJ").tolist() == [23, 12, 10, 23]
    for text, message in (("", "an empty one"), ("MK-A", "got '-'"), ("M K", "got ' '"), ("MKé", "got 'é'")):
        with pytest.raises(ValueError, match=message):
            encode_residues(text)


def test_tape_json(tape: Path) -> None:
    module = HomologyDataModule(data="real", root=tape)
    task = module.task
    assert (task.input_size, task.num_classes, task.max_length) == (26, 1195, 1024)
    assert task.trivial == {"guess": 1 / 1195}
    assert module.splits == (TRAIN, VALIDATION, TEST, "test-superfamily", "test-family")
    train = module.examples(TRAIN)
    assert train.labels.tolist() == [[17], [0]]
    assert train.sequences[0].tolist() == [12, 10, 19, 1, 24, 9, 1, 10, 16]
    counts = module.record_counts()
    assert counts[TRAIN] == RecordCounts(3, {"longer than 1,024 residues": 1})
    assert {split: (found.held, found.read) for split, found in counts.items()} == {
        TRAIN: (3, 2), VALIDATION: (1, 1), TEST: (2, 2), "test-superfamily": (1, 1), "test-family": (1, 1)
    }  # fmt: skip
    assert module.examples(TEST).labels.tolist() == [[0], [3]]
    assert "TAPE" in module.source


def test_max_length_keeps_every_protein(tape: Path) -> None:
    module = HomologyDataModule(data="real", root=tape, max_length=5)
    assert module.task.max_length == 5
    assert [len(sequence) for sequence in module.examples(TRAIN).sequences] == [5, 5, 5]
    assert all(found.read == found.held for found in module.record_counts().values())
    (tape / "remote_homology" / "remote_homology_valid.json").write_text(json.dumps(records_of([("M" * 1025, 3)])))
    with pytest.raises(ValueError, match=r"homology, validation: .* Pass max_length"):
        HomologyDataModule(data="real", root=tape).examples(TRAIN)


def test_lmdb_gives_what_json_gives(tape: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other" / "remote_homology"
    folder.mkdir(parents=True)
    for split, rows in ROWS.items():
        write_lmdb(folder / f"remote_homology_{TAPE_SPLITS[split]}.lmdb", list(records_of(rows)))
    module = HomologyDataModule(data="real", root=tmp_path / "other")
    assert module.fingerprint() == HomologyDataModule(data="real", root=tape).fingerprint()
    as_file = (folder / "remote_homology_valid.lmdb" / "data.mdb").rename(folder / "one-file.lmdb")
    assert read_tape(as_file).labels.tolist() == [[3]]


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_numpy_in_a_pickle_is_read_without_numpy(protocol: int, tmp_path: Path) -> None:
    def pickled(label: object) -> bytes:
        return pickle.dumps({"primary": "MK", "fold_label": label, "evolutionary": np.ones((2, 20))}, protocol)

    labels = [7, np.int64(7), np.int32(7), np.array(7), np.array([7], dtype=np.uint8)]
    write_lmdb(tmp_path / "x.lmdb", [pickled(label) for label in labels])
    assert read_tape(tmp_path / "x.lmdb").labels.tolist() == [[7]] * len(labels)
    write_lmdb(tmp_path / "y.lmdb", [pickled(np.array([7, 8]))])
    with pytest.raises(ValueError, match="expected 'fold_label' to be an integer"):
        read_tape(tmp_path / "y.lmdb")


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def test_hostile_pickle_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = Hostile(f"touch {mark}")
    records = {"in the label": {"primary": "MK", "fold_label": hostile}, "instead of a record": hostile}
    for name, record in records.items():
        path = tmp_path / f"{name}.lmdb"
        write_lmdb(path, [record])
        with pytest.raises(ValueError, match=r"asks for (posix|nt)\.system: refused") as caught:
            read_tape(path)
        assert f"{path}, record 0" in str(caught.value)
    write_lmdb(tmp_path / "count.lmdb", [], count=hostile)
    with pytest.raises(ValueError, match=r"num_examples.*refused"):
        read_tape(tmp_path / "count.lmdb")
    assert not mark.exists()
    pickle.loads(pickle.dumps(hostile))
    assert mark.exists(), "the trap works, so that its silence means something"


@pytest.mark.parametrize("name", ["builtins.eval", "numpy.load", "numpy.frombuffer", "builtins.getattr", "os.system"])
def test_only_named_constructors_are_known(name: str) -> None:
    module, _, function = name.rpartition(".")
    with pytest.raises(ValueError, match=f"asks for {name}: refused"):
        load_plain_pickle(f"c{module}\n{function}\n.".encode(), "here")


def test_broken_lmdb_is_named(tmp_path: Path) -> None:
    def broken(name: str, message: str, records: list[object], count: object = None) -> None:
        path = tmp_path / f"{name}.lmdb"
        write_lmdb(path, records, count)
        with pytest.raises(ValueError, match=message) as caught:
            read_tape(path)
        assert str(path) in str(caught.value)

    good = records_of(ROWS[TRAIN])
    broken("cut-pickle", "record 0: expected a whole pickle", [pickle.dumps(good[0])[:-3]])
    broken("too-few", "record 3: expected a pickled value, got none", list(good), count=4)
    broken("no-number", "expected num_examples to be an integer, got 'many'", list(good), count="many")
    broken("none", "expected proteins, got an empty file", [])
    broken("no-record", "record 0: expected a record with", [3])
    path = tmp_path / "cut.lmdb"
    write_lmdb(path, list(good) * 200)
    content = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"expected \d+ pages"):
        read_tape(path)
    (path / "data.mdb").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(ValueError, match="expected an LMDB"):
        read_tape(path)


def test_missing_lmdb_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lmdb(tmp_path / "x.lmdb", list(records_of(ROWS[TRAIN])))
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingPackageError, match=r"pip install fpt_bench\[lmdb\]"):
        read_tape(tmp_path / "x.lmdb")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"expected '\[' first"),
        ("[]", "expected proteins, got an empty file"),
        ('{"a": 1}', r"expected '\[' first"),
        ('[{"primary": "MK", "fold_label": 3}', "expected a whole JSON list"),
        ('[{"primary": "MK", "fold_la', "expected a whole JSON list"),
        ('[{"primary": "MK"}]', "record 0: expected a record with 'primary' and 'fold_label'"),
        ('[{"primary": "MK", "fold_label": 3}, {"primary": "MK", "fold_label": 1195}]', "record 1: .* got 1195"),
        ('[{"primary": "MK", "fold_label": -1}]', "got -1"),
        ('[{"primary": "MK", "fold_label": true}]', "got True"),
        ('[{"primary": "MK", "fold_label": "3"}]', "got '3'"),
        ('[{"primary": 5, "fold_label": 3}]', "expected 'primary' to be text, got int"),
        ('[{"primary": "", "fold_label": 3}]', "record 0: expected a sequence of residues, got an empty one"),
        ('[{"primary": "M2", "fold_label": 3}]', "got '2'"),
    ],
)
def test_broken_json_is_named(tape: Path, content: str, message: str) -> None:
    path = tape / "remote_homology" / "remote_homology_test_family_holdout.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        HomologyDataModule(data="real", root=tape).examples(TRAIN)
    assert str(path) in str(caught.value)
    assert not list((tape / "homology").glob("*"))


def test_missing_files_are_named(tape: Path, tmp_path: Path) -> None:
    (tape / "remote_homology" / "remote_homology_valid.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected also remote_homology_valid \(.json, .lmdb or .csv, or"):
        HomologyDataModule(data="real", root=tape).examples(TRAIN)
    assert HomologyDataModule.real_data_at(tmp_path / "nowhere") is None
    with pytest.raises(FileNotFoundError, match=r"remote_homology.tar.gz"):
        HomologyDataModule(data="real", root=tmp_path / "nowhere").examples(TRAIN)


def test_files_of_the_same_size_and_time_are_read_anew(tape: Path) -> None:
    assert HomologyDataModule(data="real", root=tape).examples(VALIDATION).labels.tolist() == [[3]]
    edit_unseen(tape / "remote_homology" / "remote_homology_valid.json", b'"fold_label": 3', b'"fold_label": 0')
    assert HomologyDataModule(data="real", root=tape).examples(VALIDATION).labels.tolist() == [[0]]


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="no space left") as caught:
            HomologyDataModule(root=tmp_path, **SMALL).examples(TRAIN)
    assert str(tmp_path) in str(caught.value)
    assert not [found for found in tmp_path.rglob("*.npz") if found.is_file()]
    assert len(HomologyDataModule(root=tmp_path, **SMALL).examples(TRAIN))


def test_the_families_of_kept_results_are_still_evolved(tmp_path: Path) -> None:
    """The fingerprint that results before `superfamily_distance` name."""
    module = HomologyDataModule(root=tmp_path, folds=10, superfamilies=10, min_residues=30, max_residues=60)
    assert module.fingerprint() == KEPT_FINGERPRINT


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HomologyDataModule(data="elsewhere"), "expected data to be one of"),  # type: ignore[arg-type]
        (lambda: HomologyDataModule(max_length=0), "expected max_length of at least 1, or none, got 0"),
        (lambda: HomologyDataModule(folds=1), "expected at least 2 folds"),
        (lambda: HomologyDataModule(superfamilies=0), "'superfamilies': 0"),
        (lambda: HomologyDataModule(min_residues=50, max_residues=40), "min_residues=50 and max_residues=40"),
        (lambda: HomologyDataModule(superfamily_distance=0.0), "superfamily_distance=0.0"),
        (lambda: HomologyDataModule(superfamily_distance=float("nan")), "superfamily_distance=nan"),
        (lambda: HomologyDataModule(superfamily_distance=1e17), "superfamily_distance=1e\\+17"),
        (lambda: HomologyScopeDataModule(data="embedded"), "expected data to be one of real"),
        (lambda: HomologyScopeDataModule(num_folds=1), "num_folds=1"),
        (lambda: HomologyScopeDataModule(min_superfamilies=2), "min_superfamilies=2"),
        (lambda: HomologyScopeDataModule(max_length=-1), "got -1"),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_files_of_two_makings_are_not_mixed(tmp_path: Path) -> None:
    splits, csv = ("train", "validation"), "primary,fold_label\nMK,1\n"
    for name in ("train.csv", "valid.csv"):
        (tmp_path / name).write_text(csv)
    require_one_form(tmp_path, splits)
    (tmp_path / "remote_homology_valid.csv").write_text(csv)
    with pytest.raises(
        ValueError, match=r"one table of validation, got remote_homology_valid\.csv and valid\.csv: move"
    ):
        require_one_form(tmp_path, splits)
    (tmp_path / "remote_homology_valid.csv").unlink()
    (tmp_path / "train-00000-of-00001.parquet").touch()
    with pytest.raises(ValueError, match=r"one table of train, got train\.csv and train-00000-of-00001\.parquet: move"):
        require_one_form(tmp_path, splits)
    (tmp_path / "remote_homology_train.json").write_text(json.dumps(records_of([("MK", 0)])))
    with pytest.raises(ValueError, match=r"in one form, got remote_homology_train\.json of train, valid\.csv of valid"):
        require_one_form(tmp_path, splits)
