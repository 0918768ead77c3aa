"""Data sources: local folders, downloads from a server on this machine, and what is said when they fail."""

import errno
import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from datamodules.bits import BitXorDataModule
from datamodules.contract import TaskDataModule
from datamodules.sources import downloads, transfers
from datamodules.sources.downloads import RemoteFile, data_root, fetch
from datamodules.sources.unfinished import own_name

CONTENT = bytes(range(256)) * 2000


CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files`; drops the connection after `cut` bytes of a path, once; remembers what was asked.

    `/drip` sends a byte every hundredth of a second, `/hang` no answer, `/flood` bytes without end and
    without a length; `/long` says that it has twice the bytes.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/good": CONTENT, "/wrong": b"x" + CONTENT[1:]}
        self.cut: dict[str, int] = {}
        self.ranges = True
        self.seconds = self.pause = 0.0
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        self.sent = 0

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
        if self.path in ("/drip", "/flood", "/long"):
            self._send_badly()
            return
        if self.path == "/hang":
            self.server.over.wait(20)
            return
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
        content = content[start : self.server.cut.pop(self.path, None)]
        for first in range(0, len(content), 65_536):
            self.wfile.write(content[first : first + 65_536])
            time.sleep(self.server.pause)

    def _send_badly(self) -> None:
        self.send_response(200)
        if self.path != "/flood":
            self.send_header("Content-Length", str(len(CONTENT) * (2 if self.path == "/long" else 1)))
        self.end_headers()
        try:
            while not self.server.over.is_set():
                self.wfile.write(CONTENT[self.server.sent :][:1] if self.path == "/drip" else CONTENT)
                self.server.sent += 1 if self.path == "/drip" else len(CONTENT)
                time.sleep(0.01)
        except OSError:
            return  # the client has gone

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(autouse=True)
def as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port may be used again: let no test know of another's failures."""
    monkeypatch.setattr(downloads, "_failed", {})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
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


@pytest.mark.parametrize("offline", [False, True])
def test_fetch_leaves_another_file_of_the_name_where_it_is(server: Server, tmp_path: Path, offline: bool) -> None:
    (tmp_path / "data.bin").write_bytes(b"the user's own")
    with pytest.raises(FileNotFoundError, match=r"data\.bin is another file .* it stays as it is\. Move it away"):
        fetch(server.file("/good"), tmp_path, offline=offline)
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == b"the user's own"
    assert server.asked == []


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


def test_fetch_explains_a_full_disk_and_keeps_the_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_name: str, _url: str, part: Path, *_: object) -> int:
        part.write_bytes(CONTENT[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("datamodules.sources.transfers._transfer", fill)
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


def test_two_processes_that_know_nothing_of_each_other_both_get_the_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on two machines: with one name for both, each would append to what the other writes."""
    server.pause = 0.05
    monkeypatch.setattr(downloads, "earlier_here", lambda *_: [])

    def fetched(delay: float) -> bytes:
        time.sleep(delay)
        return fetch(server.file("/good"), tmp_path, offline=False).read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetched, [0.0, 0.15])) == [CONTENT, CONTENT]
    assert len(server.asked) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_a_part_of_a_killed_process_is_gone_on_with_and_one_of_a_living_process_is_left_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, dead = own_name(tmp_path / "data.bin", "part"), own_name(tmp_path / "data.bin", "part")
    dead = dead.with_name(dead.name.replace(f"-{os.getpid()}-", f"-{_pid_of_nobody()}-"))
    living.write_bytes(b"?" * 2000)
    dead.write_bytes(CONTENT[:1000])
    monkeypatch.setattr(downloads, "FLOOR_SECONDS", 0.2)
    assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=1000-")]
    assert sorted(tmp_path.iterdir()) == [living, tmp_path / "data.bin"]


def test_what_an_earlier_process_gives_up_is_gone_on_with_by_the_one_that_waited_for_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "FLOOR_SECONDS", 0.5)
    with ThreadPoolExecutor(1) as pool:
        earlier = pool.submit(fetch, server.file("/drip"), tmp_path, offline=False)
        while server.sent == 0:
            time.sleep(0.01)
        assert fetch(server.file("/good"), tmp_path, offline=False).read_bytes() == CONTENT
        assert "fewer than" in str(earlier.exception())
    assert [path for path, _ in server.asked] == ["/drip", "/good"]
    assert server.asked[1][1], "what dripped is gone on with"
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_a_process_leaves_that_ends_while_it_is_waited_for_is_gone_on_with(
    server: Server, tmp_path: Path, is_killed: bool
) -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
    process.start()
    part = own_name(tmp_path / "data.bin", "part")
    part = part.with_name(part.name.replace(f"-{os.getpid()}-", f"-{process.pid}-"))
    part.write_bytes(CONTENT[:1000])
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(fetch, server.file("/good"), tmp_path, offline=False)
        time.sleep(0.2)
        if not is_killed:
            part.replace(tmp_path / "data.bin.part")
        process.kill()
        process.join()
        assert later.result().read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=1000-")]
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def _pid_of_nobody() -> int:
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


@pytest.mark.parametrize("checksum", [CHECKSUM, None], ids=["hashed", "not hashed"])
@pytest.mark.parametrize("path", ["/flood", "/long"])
def test_fetch_takes_no_more_bytes_than_the_file_has(
    server: Server, tmp_path: Path, path: str, checksum: str | None
) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected at most 512,000 bytes, the server has [0-9,]+ or more"):
        fetch(server.file(path, checksum=checksum), tmp_path, offline=False)
    assert server.sent < 50 * len(CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_fetch_takes_no_more_than_a_stated_maximum_of_a_file_of_unknown_size(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "MOST_BYTES", 600_000)
    file = RemoteFile("data.bin", (server.url("/flood"),), CHECKSUM, None)
    with pytest.raises(FileNotFoundError, match="expected at most 600,000 bytes"):
        fetch(file, tmp_path, offline=False)


def test_fetch_gives_a_mirror_up_that_drips_and_goes_on_to_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfers, "FLOOR_SECONDS", 0.2)
    assert fetch(server.file("/drip", "/good"), tmp_path, offline=False).read_bytes() == CONTENT
    assert "fewer than 10 kB/s over 0.2 s" in capsys.readouterr().err.replace("\n", " ")
    assert server.asked[1][1], "what dripped is gone on with"


def test_fetch_gives_a_mirror_up_after_a_while_however_fast_it_is(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "MOST_SECONDS", 0.2)
    with pytest.raises(FileNotFoundError, match="not whole after"):
        fetch(server.file("/drip"), tmp_path, offline=False)


def test_fetch_gives_a_mirror_up_that_cuts_every_connection_after_a_few_bytes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cutting(dict[str, int]):
        def pop(self, *_: object) -> int:  # type: ignore[override]
            return 10_000 * len(server.asked)

    server.cut = Cutting()
    server.ranges, server.seconds = False, 0.05
    monkeypatch.setattr(transfers, "FLOOR_SECONDS", 0.2)
    monkeypatch.setattr(transfers, "FLOOR_BYTES_A_SECOND", 10**8)
    with pytest.raises(FileNotFoundError, match="fewer than"):
        fetch(server.file("/good"), tmp_path, offline=False)


def test_fetch_gives_a_mirror_up_that_hangs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "SILENT_SECONDS", 0.2)
    assert fetch(server.file("/hang", "/good"), tmp_path, offline=False).read_bytes() == CONTENT


def test_mirrors_that_failed_are_not_tried_again_by_the_same_process(server: Server, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        with pytest.raises(FileNotFoundError, match="HTTP 404") as caught:
            fetch(server.file("/gone", "/missing"), tmp_path / folder, offline=False)
    assert "tried before by this process" in str(caught.value)
    assert [path for path, _ in server.asked] == ["/gone", "/missing"]
    (tmp_path / "second" / "data.bin").write_bytes(CONTENT)
    assert fetch(server.file("/gone", "/missing"), tmp_path / "second", offline=False).read_bytes() == CONTENT


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


def test_choose_kind_tries_a_download_once_for_all_runs_of_a_grid(
    remote_task: Any, server: Server, tmp_path: Path
) -> None:
    del server.files["/good"]
    kinds = [remote_task.choose_kind("auto", tmp_path, offline=False)[0] for _ in range(5)]
    assert kinds == ["embedded"] * 5
    assert len(server.asked) == 1


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
