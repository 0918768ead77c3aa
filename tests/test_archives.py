"""Archives: what they give, and what hostile or broken ones do not."""

import hashlib
import io
import tarfile
import zipfile
from gzip import compress
from pathlib import Path

import pytest

from datamodules.sources import unpack


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _zip(path: Path, name: str, content: bytes, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        packed.writestr(member, content)
    return path


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tgz", "set.zip"])
def test_unpack_gives_the_files(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    if name.endswith("zip"):
        _zip(archive, "inner/a.txt", b"words")
    else:
        _tar(archive, (_member("inner", tarfile.DIRTYPE), b""), (_member("inner/a.txt"), b"words"))
    assert unpack(archive, tmp_path / "set") == tmp_path / "set"
    assert (tmp_path / "set" / "inner" / "a.txt").read_bytes() == b"words"


def test_unpack_gives_a_gzipped_file_its_name(tmp_path: Path) -> None:
    (tmp_path / "table.csv.gz").write_bytes(compress(b"1,2"))
    assert (unpack(tmp_path / "table.csv.gz", tmp_path / "set") / "table.csv").read_bytes() == b"1,2"


def test_unpack_keeps_an_existing_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert unpack(tmp_path / "not-there.tar", tmp_path / "set") == tmp_path / "set"


HOSTILE = {
    "symbolic link": _member("a", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": _member("a", tarfile.LNKTYPE, "../secret"),
    "device": _member("a", tarfile.CHRTYPE),
    "parent": _member("inner/../../outside"),
    "absolute": _member("/tmp/outside"),
    "folder outside": _member("../outside", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("member", HOSTILE.values(), ids=HOSTILE)
def test_unpack_refuses_hostile_tar_members(tmp_path: Path, member: tarfile.TarInfo) -> None:
    archive = _tar(tmp_path / "set.tar", (_member("first.txt"), b"harmless"), (member, b""))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=rf"set\.tar: expected .*{member.name}"):
        unpack(archive, tmp_path / "set")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / ".set.lock"])


@pytest.mark.parametrize(("name", "mode"), [("../outside", 0o100644), ("a\\..\\b", 0o100644), ("link", 0o120777)])
def test_unpack_refuses_hostile_zip_members(tmp_path: Path, name: str, mode: int) -> None:
    archive = _zip(tmp_path / "set.zip", name, b"/etc/passwd", mode)
    with pytest.raises(ValueError, match=r"set\.zip: expected"):
        unpack(archive, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.lock", "set.zip"]


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.zip", "set.gz"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_unpack_refuses_broken_archives(tmp_path: Path, name: str, damage: str) -> None:
    archive = tmp_path / name
    noise = hashlib.shake_256(b"noise").digest(50_000)
    if name.endswith("zip"):
        _zip(archive, "a.txt", noise)
    elif name == "set.gz":
        archive.write_bytes(compress(noise))
    else:
        _tar(archive, (_member("a.txt"), noise))
    whole = archive.read_bytes()
    archive.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"<html>" * 200, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"expected .* archive"):
        unpack(archive, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.lock", name]


def test_unpack_refuses_a_zip_whose_content_changed(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "set.zip", "a.txt", b"words and words")
    archive.write_bytes(archive.read_bytes().replace(b"words and words", b"swords or sword"))
    with pytest.raises(ValueError, match="a broken one"):
        unpack(archive, tmp_path / "set")
