"""Archives: what they give, and what hostile or broken ones do not."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from datamodules.sources.caches import unpack


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


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tgz"])
def test_unpack_gives_the_files(tmp_path: Path, name: str) -> None:
    archive = _tar(tmp_path / name, (_member("inner", tarfile.DIRTYPE), b""), (_member("inner/a.txt"), b"words"))
    assert unpack(archive, tmp_path / "set") == tmp_path / "set"
    assert (tmp_path / "set" / "inner" / "a.txt").read_bytes() == b"words"


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
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_unpack_refuses_broken_archives(tmp_path: Path, name: str, damage: str) -> None:
    archive = _tar(tmp_path / name, (_member("a.txt"), hashlib.shake_256(b"noise").digest(50_000)))
    whole = archive.read_bytes()
    archive.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"<html>" * 200, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"expected .* archive"):
        unpack(archive, tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == [name]
