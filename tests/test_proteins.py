"""Remote homology: TAPE's files and broken ones, ASTRAL's, and evolved families with a k-mer baseline."""

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
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.evolution import AMINO_ACIDS, Chain, FamilyRules, draw_ancestor, evolve
from datamodules.examples import SequenceExamples
from datamodules.homology_scope import HomologyScopeDataModule, read_astral
from datamodules.protein_files import TAPE_SPLITS, VOCABULARY_SIZE, encode_residues, load_plain_pickle, read_tape
from datamodules.proteins import HomologyDataModule

SMALL = {"folds": 4, "superfamilies": 3, "min_residues": 30, "max_residues": 60}
ROWS = {
    TRAIN: [("MKTAYIAKQ", 17), ("ACDEFGHIK" * 150, 3), ("acxjBZ", 0)],
    VALIDATION: [("MKV", 3)],
    TEST: [("GGGG", 1194), ("MK", 2)],
    "test-superfamily": [("LLL", 17)],
    "test-family": [("PPPPP", 17)],
}
PINNED_FINGERPRINT = "cb3f0a7f6424ea6022632ed52f9b558aef20b525286ab649051b452961ed1e2f"
DOCUMENTED = {1: [0.158, 0.173, 0.204, 0.300], 2: [0.133, 0.114, 0.215, 0.543], 3: [0.483, 0.486, 0.791, 0.980]}
"""Accuracy of the nearest training protein by k, on validation and the three test sets: as in the docstring."""


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


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> HomologyDataModule:
    return HomologyDataModule(root=tmp_path_factory.mktemp("data"))


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
    assert module.splits == (TRAIN, VALIDATION, TEST, "test-superfamily", "test-family")
    train = module.examples(TRAIN)
    assert train.labels.tolist() == [[17], [0]]
    assert train.sequences[0].tolist() == [12, 10, 19, 1, 24, 9, 1, 10, 16]
    assert module.left_out == {TRAIN: 1, VALIDATION: 0, TEST: 0, "test-superfamily": 0, "test-family": 0}
    assert module.examples(TEST).labels.tolist() == [[1194], [2]]
    assert "TAPE" in module.source


def test_max_length_keeps_every_protein(tape: Path) -> None:
    module = HomologyDataModule(data="real", root=tape, max_length=5)
    assert module.task.max_length == 5
    assert [len(sequence) for sequence in module.examples(TRAIN).sequences] == [5, 5, 5]
    assert set(module.left_out.values()) == {0}
    (tape / "remote_homology" / "remote_homology_valid.json").write_text(json.dumps(records_of([("M" * 1025, 1)])))
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
    with pytest.raises(ImportError, match=r"pip install fpt_bench\[lmdb\]"):
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
    assert not list((tape / "homology").glob("*.npz"))


def test_missing_files_are_named(tape: Path, tmp_path: Path) -> None:
    (tape / "remote_homology" / "remote_homology_valid.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected also remote_homology_valid \(.json or .lmdb\)"):
        HomologyDataModule(data="real", root=tape).examples(TRAIN)
    assert HomologyDataModule.real_data_at(tmp_path / "nowhere") is None
    with pytest.raises(FileNotFoundError, match=r"remote_homology.tar.gz"):
        HomologyDataModule(data="real", root=tmp_path / "nowhere").examples(TRAIN)


def kmer_frequencies(examples: SequenceExamples, k: int) -> NDArray[np.float32]:
    """Square roots of how often each of 20**k k-mers occurs, scaled to length 1: (N, 20**k)."""
    place = np.zeros(VOCABULARY_SIZE, dtype=np.int64)
    place[encode_residues(AMINO_ACIDS)] = np.arange(20)
    rows = np.zeros((len(examples), 20**k), dtype=np.float32)
    for row, sequence in zip(rows, examples.sequences, strict=True):
        count = len(sequence) - k + 1
        codes = sum(place[sequence[start : start + count]] * 20**start for start in range(k))
        row[:] = np.bincount(codes, minlength=20**k)
    rows = np.sqrt(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest_accuracies(module: HomologyDataModule, k: int) -> dict[str, float]:
    """Give the accuracy of the label of the training protein with the most similar k-mers, by split."""
    train = module.examples(TRAIN)
    known = kmer_frequencies(train, k)
    accuracies = {}
    for split in module.splits[1:]:
        examples = module.examples(split)
        nearest = (kmer_frequencies(examples, k) @ known.T).argmax(axis=1)
        accuracies[split] = float(np.mean(train.labels[nearest] == examples.labels))
    return accuracies


def lengths_of(examples: SequenceExamples) -> NDArray[np.int64]:
    return np.array([len(sequence) for sequence in examples.sequences])


def test_kmer_baseline_is_as_documented(evolved: HomologyDataModule) -> None:
    found = {k: nearest_accuracies(evolved, k) for k in DOCUMENTED}
    for k, accuracies in DOCUMENTED.items():
        assert [found[k][split] for split in evolved.splits[1:]] == pytest.approx(accuracies, abs=0.005)
    assert 0.2 < found[3][VALIDATION] < 0.6
    assert 0.2 < found[3][TEST] < 0.6
    assert found[1][TEST] > 2 * evolved.task.floor, "composition alone says something, and the docstring says so"


def test_floor_is_the_commonest_fold(evolved: HomologyDataModule) -> None:
    assert evolved.task.floor == 1 / 20
    for split in evolved.splits:
        counts = np.bincount(evolved.examples(split).labels[:, 0], minlength=20)
        assert set(counts / counts.sum()) == {evolved.task.floor}


def test_length_alone_says_little(evolved: HomologyDataModule) -> None:
    train, test = evolved.examples(TRAIN), evolved.examples(TEST)
    nearest = np.abs(lengths_of(test)[:, None] - lengths_of(train)).argmin(axis=1)
    assert np.mean(train.labels[nearest] == test.labels) == pytest.approx(0.128, abs=0.005)


def test_evolved_proteins_are_as_asked(evolved: HomologyDataModule) -> None:
    sizes = {split: len(evolved.examples(split)) for split in evolved.splits}
    assert sizes == {TRAIN: 1600, VALIDATION: 640, TEST: 640, "test-superfamily": 800, "test-family": 400}
    sequences = [sequence for split in evolved.splits for sequence in evolved.examples(split).sequences]
    assert len({sequence.tobytes() for sequence in sequences}) == len(sequences)
    lengths = np.array([len(sequence) for sequence in sequences])
    assert 60 <= lengths.min() < 80
    assert 300 < lengths.max() <= 400 == evolved.task.max_length
    assert set(np.concatenate(sequences)) == set(encode_residues(AMINO_ACIDS))
    assert evolved.left_out == dict.fromkeys(evolved.splits, 0)
    assert "synthetic" in evolved.source


def test_evolved_proteins_are_the_same_everywhere(tmp_path: Path) -> None:
    first, second = (
        HomologyDataModule(root=tmp_path / name, seed=seed, **SMALL) for name, seed in (("a", 0), ("b", 4))
    )
    assert first.fingerprint() == second.fingerprint() == PINNED_FINGERPRINT


def test_small_settings_and_batches(tmp_path: Path) -> None:
    module = HomologyDataModule(root=tmp_path, batch_size=6, max_length=40, **SMALL)
    assert (module.task.num_classes, module.task.max_length) == (4, 40)
    batch = module.training_batch(2)
    assert batch.inputs.shape[0] == 6
    assert batch.inputs.shape[1] <= 40
    assert (batch.inputs > 0).equal(batch.mask)
    assert batch.labels.shape == (6, 1)
    assert [len(list(loader)) for loader in module.test_dataloader()] == [2, 1, 1]
    with pytest.raises(ValueError, match="expected one of the splits"):
        module.examples("test-fold")


def test_change_follows_distance_and_rate() -> None:
    rules = FamilyRules(min_residues=4000, max_residues=4000)  # no room for insertions and deletions
    parent = Chain(np.full(4000, AMINO_ACIDS.index("L")), np.repeat([0, 3], 2000))
    child = evolve(parent, 0.3, rules, 0, "test")
    kept = [float(np.mean(child.residues[child.rates == rate] == AMINO_ACIDS.index("L"))) for rate in (0, 3)]
    # By BLOSUM62 a change of leucine gives leucine again in 33.6 %: 1 - 0.664 * (1 - exp(-0.3 * rate)).
    assert kept == pytest.approx([0.973, 0.661], abs=0.03)
    after = np.bincount(evolve(parent, 50.0, rules, 0, "test").residues, minlength=20)
    assert after[AMINO_ACIDS.index("I")] > 3 * after[AMINO_ACIDS.index("D")], "leucine turns into isoleucine"
    assert (evolve(parent, 0.0, rules, 0, "test").residues == parent.residues).all()


def test_insertions_and_deletions_change_length_within_bounds() -> None:
    rules = FamilyRules(min_residues=60, max_residues=120)
    ancestors = [draw_ancestor(rules, number, "test") for number in range(200)]
    descendants = [evolve(ancestor, 2.0, rules, 0, "test", number) for number, ancestor in enumerate(ancestors)]
    before, after = ([len(chain.residues) for chain in chains] for chains in (ancestors, descendants))
    assert after == [len(chain.rates) for chain in descendants]
    assert 60 <= min(before) < 65
    assert 110 < max(before) <= 120
    assert 60 <= min(after) < max(after) <= 120
    changes = np.subtract(after, before)
    assert min((changes > 0).mean(), (changes < 0).mean()) > 0.25


def domain_lines(fold: str, superfamily: int, copies: int) -> list[str]:
    lines = []
    for copy in range(copies):
        text = "".join(AMINO_ACIDS[(ord(fold[0]) + superfamily * 5 + copy * place + place) % 20] for place in range(20))
        lines += [f">d{fold.replace('.', '')}{superfamily}{copy}_ {fold}.{superfamily}.1 (A:) Made up", text.lower()]
    return lines


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Folds a.1 and b.1 with 4 superfamilies, c.1 with 3, d.1 with 2."""
    lines = []
    for fold, count in (("b.1", 4), ("a.1", 4), ("c.1", 3), ("d.1", 2)):
        for superfamily in range(1, count + 1):
            lines += domain_lines(fold, superfamily, 3)
    path = tmp_path / "astral-made-up.fa"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scope_holds_out_whole_superfamilies(fasta: Path) -> None:
    module = HomologyScopeDataModule(root=fasta.parent, num_folds=3)
    assert module.task.num_classes == 3
    assert "astral-made-up.fa" in module.source
    classes = json.loads((module.folder / "classes.json").read_text())
    assert list(classes["folds"]) == ["a.1", "b.1", "c.1"]
    domains = {domain.residues.tobytes(): domain for domain in read_astral(fasta)}
    sizes = {}
    for split in module.splits:
        examples = module.examples(split)
        sizes[split] = len(examples)
        for sequence, label in zip(examples.sequences, examples.labels[:, 0], strict=True):
            domain = domains[sequence.tobytes()]
            assert list(classes["folds"])[label] == domain.fold
            assert domain.superfamily in classes["folds"][domain.fold][split]
    assert sizes == {TRAIN: 15, VALIDATION: 9, TEST: 9}
    for held in classes["folds"].values():
        assert len({name for names in held.values() for name in names}) == sum(map(len, held.values()))
    others = {
        HomologyScopeDataModule(root=fasta.parent, num_folds=3, split_seed=seed).fingerprint() for seed in range(4)
    }
    assert len(others) > 1
    assert module.fingerprint() in others


def test_scope_takes_the_file_that_is_named(fasta: Path, tmp_path: Path) -> None:
    moved = fasta.rename(tmp_path / "mine.fasta")
    module = HomologyScopeDataModule(root=tmp_path / "root", fasta=str(moved), num_folds=2)
    assert len(module.examples(TRAIN)) == 12
    with pytest.raises(FileNotFoundError, match=r"astral\*.fa is missing"):
        HomologyScopeDataModule(root=tmp_path / "root").examples(TRAIN)


def test_scope_keeps_identical_sequences_once(fasta: Path) -> None:
    whole = HomologyScopeDataModule(root=fasta.parent, num_folds=3)
    lines = fasta.read_text().splitlines()
    twin = fasta.with_name("twin.fa")
    twin.write_text("\n".join([*lines, ">dcopy_ c.1.9.1 (A:) Of another superfamily", lines[1].upper(), ""]))
    again = HomologyScopeDataModule(root=fasta.parent, fasta=twin, num_folds=3)
    assert again.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a FASTA file"),
        ("no header\nacd\n", "expected a FASTA file"),
        (">d1dlwa_\nacd\n", r"expected a header such as .* got '>d1dlwa_'"),
        (">d1dlwa_ a.1.1 (A:)\nacd\n", r"got '>d1dlwa_ a.1.1 \(A:\)'"),
        (
            ">d1 a.1.1.1 x\nacd\n>d2 a.1.1.1 x\n>d3 a.1.1.1 x\nacd\n",
            "d2: expected a sequence of residues",
        ),
        (">d1 a.1.1.1 x\nac5\n", "d1: expected residues as letters A to Z, got '5'"),
        (">d1 a.1.1.1 x\nacd\n>d1 a.1.1.1 x\nace\n", "expected each domain once, got 'd1' again"),
        (">d1 a.1.1.1 x\nacd\n", "expected 2 folds of at least 3 superfamilies, got 0"),
    ],
)
def test_broken_fasta_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "astral.fa"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        HomologyScopeDataModule(root=tmp_path, num_folds=2).examples(TRAIN)
    assert str(path) in str(caught.value)
    assert not [found for found in (tmp_path / "homology-scope").glob("*") if not found.name.endswith(".lock")]


def test_full_disk_leaves_nothing(fasta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    modules = [
        lambda: HomologyScopeDataModule(root=fasta.parent, num_folds=2),
        lambda: HomologyDataModule(root=fasta.parent, **SMALL),
    ]
    for make in modules:
        with monkeypatch.context() as patch:
            patch.setattr(np, "savez", full)
            with pytest.raises(OSError, match="no space left"):
                make().examples(TRAIN)
        assert not [found for found in fasta.parent.rglob("*") if found.suffix in (".npz", ".json")]
        assert len(make().examples(TRAIN))
        for found in fasta.parent.rglob("*.npz"):
            found.unlink()
        for found in fasta.parent.rglob("*.json"):
            found.unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HomologyDataModule(data="elsewhere"), "expected data to be one of"),  # type: ignore[arg-type]
        (lambda: HomologyDataModule(max_length=0), "expected max_length of at least 1, or none, got 0"),
        (lambda: HomologyDataModule(folds=1), "expected at least 2 folds"),
        (lambda: HomologyDataModule(superfamilies=0), "'superfamilies': 0"),
        (lambda: HomologyDataModule(min_residues=50, max_residues=40), "min_residues=50 and max_residues=40"),
        (lambda: HomologyScopeDataModule(data="embedded"), "expected data to be one of real"),
        (lambda: HomologyScopeDataModule(num_folds=1), "num_folds=1"),
        (lambda: HomologyScopeDataModule(min_superfamilies=2), "min_superfamilies=2"),
        (lambda: HomologyScopeDataModule(max_length=-1), "got -1"),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
