"""Data sources: local folders, downloads from a server on this machine, and what is said when they fail."""

import errno
import hashlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from datamodules.bits import BitXorDataModule
from datamodules.contract import TaskDataModule
from datamodules.sources.downloads import RemoteFile, data_root, fetch, made_once

CONTENT = bytes(range(256)) * 2000


CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files`; drops the connection after `cut` bytes of a path, once; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/good": CONTENT, "/wrong": b"x" + CONTENT[1:]}
        self.cut: dict[str, int] = {}
        self.ranges = True
        self.seconds = 0.0
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def file(self, *paths: str, checksum: str | None = CHECKSUM) -> RemoteFile:
        return RemoteFile("data.bin", tuple(self.url(path) for path in paths), checksum, len(CONTENT))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        time.sleep(self.server.seconds)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.cut.pop(self.path, None)])

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_data_root_prefers_argument_then_variable_then_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FPT_BENCH_DATA", str(tmp_path / "named"))
    assert data_root(tmp_path / "given") == tmp_path / "given"
    assert data_root(None) == tmp_path / "named"
    monkeypatch.setenv("FPT_BENCH_DATA", "")
    assert data_root(None) == tmp_path / "cache" / "fpt_bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root(None) == Path.home() / ".cache" / "fpt_bench"


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def test_made_once_makes_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.npz"
    assert made_once(path, lambda unfinished: _write(unfinished, "first")) == path
    made_once(path, lambda unfinished: pytest.fail(f"made {unfinished} again"))
    assert path.read_text() == "first"


@pytest.mark.parametrize("as_folder", [False, True])
def test_made_once_leaves_nothing_half_written(tmp_path: Path, as_folder: bool) -> None:
    def fail(unfinished: Path) -> None:
        if as_folder:
            unfinished.mkdir()
            unfinished /= "part"
        unfinished.write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        made_once(tmp_path / "data", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".data.lock"]


def test_made_once_explains_a_full_disk(tmp_path: Path) -> None:
    def write_to_full_disk(unfinished: Path) -> None:
        unfinished.symlink_to("/dev/full")
        unfinished.write_bytes(CONTENT)

    with pytest.raises(OSError, match=r"no space left.*--data-root or FPT_BENCH_DATA.*data") as caught:
        made_once(tmp_path / "data", write_to_full_disk)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == [".data.lock"]


def test_fetch_downloads_once(server: Server, tmp_path: Path) -> None:
    path = fetch(server.file("/good"), tmp_path / "new", offline=False)
    assert path == tmp_path / "new" / "data.bin"
    assert path.read_bytes() == CONTENT
    fetch(server.file("/good"), tmp_path / "new", offline=False)
    assert server.asked == [("/good", None)]


def test_fetch_shows_progress_on_standard_error_alone(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(server.file("/good"), tmp_path, offline=False)
    shown = capsys.readouterr()
    assert "data.bin" in shown.err
    assert shown.out == ""


def test_fetch_accepts_md5(server: Server, tmp_path: Path) -> None:
    md5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert fetch(server.file("/good", checksum=md5), tmp_path, offline=False).read_bytes() == CONTENT


def test_fetch_goes_on_to_the_next_mirror(server: Server, tmp_path: Path) -> None:
    assert fetch(server.file("/gone", "/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone", "/good"]


def test_fetch_resumes_a_cut_connection(server: Server, tmp_path: Path) -> None:
    server.cut = {"/good": 300_000}
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert server.asked == [("/good", None), ("/good", "bytes=300000-")]


def test_fetch_resumes_what_another_run_left(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=1000-")]


def test_fetch_starts_over_where_a_server_cannot_resume(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT


def test_fetch_starts_over_where_the_part_is_too_long(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"?" * (len(CONTENT) + 1))
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [f"bytes={len(CONTENT) + 1}-", None]


def test_fetch_trusts_no_part_without_a_checksum(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    assert fetch(server.file("/good", checksum=None), tmp_path, offline=False).read_bytes() == CONTENT
    assert server.asked == [("/good", None)]


def test_fetch_puts_a_wrong_file_aside(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fetch(server.file("/wrong", "/good"), tmp_path, offline=False)
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "data.bin.wrong-hash").read_bytes() == server.files["/wrong"]
    assert "data.bin.wrong-hash" in capsys.readouterr().err.replace("\n", "")


def test_fetch_replaces_a_damaged_local_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"damaged")
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert (tmp_path / "data.bin.wrong-hash").read_bytes() == b"damaged"


def test_fetch_says_what_to_do_when_every_mirror_fails(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        fetch(server.file("/gone", "/wrong"), tmp_path, offline=False)
    message = str(caught.value)
    assert f"{tmp_path / 'data.bin'} (0.5 MB) is missing" in message
    assert f"{server.url('/gone')}: HTTP 404" in message
    assert f"{server.url('/wrong')}: expected {CHECKSUM}" in message
    assert "data.bin.wrong-hash" in message
    assert "put it at" in message
    assert not (tmp_path / "data.bin").exists()


def test_fetch_names_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = RemoteFile("data.bin", ("http://127.0.0.1:9/data.bin",), CHECKSUM, None)
    with pytest.raises(FileNotFoundError, match=r"size unknown(.|\n)*127\.0\.0\.1:9/data\.bin: .*refused"):
        fetch(file, tmp_path, offline=False)


def test_fetch_offline_asks_nobody_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="offline"):
        fetch(server.file("/good"), tmp_path / "new", offline=True)
    assert server.asked == []
    assert not (tmp_path / "new").exists()


def test_fetch_offline_names_a_damaged_local_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError, match=r"data\.bin\.wrong-hash"):
        fetch(server.file("/good"), tmp_path, offline=True)
    assert server.asked == []


def test_fetch_explains_a_full_disk_and_keeps_the_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_arguments: object) -> int:
        (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("datamodules.sources.downloads._transfer", fill)
        with pytest.raises(OSError, match="no space left while writing"):
            fetch(server.file("/good"), tmp_path, offline=False)
    fetch(server.file("/good"), tmp_path, offline=False)
    assert server.asked == [("/good", "bytes=1000-")]


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    server.seconds = 0.3
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch, args=(server.file("/good"), tmp_path, False)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(server.asked) == 1
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.fixture
def remote_task(server: Server) -> type[TaskDataModule]:
    class RemoteTask(TaskDataModule):
        remote_files: ClassVar[tuple[RemoteFile, ...]] = (server.file("/good"),)

        @classmethod
        def real_data_at(cls, root: Path | None) -> Path | None:
            path = data_root(root) / "local.bin"
            return path if path.exists() else None

        @classmethod
        def fetch_real(cls, root: Path | None, offline: bool) -> Path:
            return fetch(cls.remote_files[0], data_root(root), offline)

    return RemoteTask


def test_choose_kind_takes_the_local_copy_first(remote_task: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "local.bin").touch()
    for data in ("auto", "real"):
        assert remote_task.choose_kind(data, tmp_path, offline=False) == ("real", None)
    assert remote_task.real_data(tmp_path, offline=True) == tmp_path / "local.bin"
    assert server.asked == []


def test_choose_kind_downloads_next(remote_task: Any, tmp_path: Path) -> None:
    assert remote_task.choose_kind("auto", tmp_path, offline=False) == ("real", None)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_choose_kind_falls_to_the_stand_in_and_says_so(remote_task: Any, tmp_path: Path) -> None:
    kind, warning = remote_task.choose_kind("auto", tmp_path, offline=True)
    assert kind == "embedded"
    assert warning is not None
    assert "embedded stand-in is used" in warning
    assert str(tmp_path / "data.bin") in warning
    assert "\n" not in warning


def test_choose_kind_never_replaces_real_data_that_was_asked_for(remote_task: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.bin"):
        remote_task.choose_kind("real", tmp_path, offline=True)


def test_choose_kind_gives_embedded_without_a_look(remote_task: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "local.bin").touch()
    assert remote_task.choose_kind("embedded", tmp_path, offline=False) == ("embedded", None)
    assert server.asked == []


@pytest.mark.parametrize("data", ["auto", "real", "embedded"])
def test_choose_kind_of_a_generated_task_is_real(data: Any, tmp_path: Path) -> None:
    assert BitXorDataModule.choose_kind(data, tmp_path, offline=True) == ("real", None)


def test_choose_kind_without_downloads_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        TaskDataModule.choose_kind("real", tmp_path, offline=False)


def test_choose_kind_refuses_other_words(remote_task: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 'auto', 'real' or 'embedded', got 'reel'"):
        remote_task.choose_kind("reel", tmp_path, offline=True)  # type: ignore[arg-type]
