"""Artifacts made to do harm: names that lead elsewhere, files that are none, bombs. All are refused."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.stores import SAMPLE_FILES, manifest_for, write_folder, write_version

from gradus_convert.publishing.export import import_artifact
from gradus_runtime.contracts import strict_json
from gradus_runtime.contracts.names import is_artifact_name, is_file_name
from gradus_runtime.errors import EnvironmentFailedError, GradusError, IntegrityError, ManifestError
from gradus_runtime.store import Store, open_artifact
from gradus_runtime.store.bundle import zip_bytes

VERSION = "2026.1.4"
NAMES = [
    "",
    ".",
    "..",
    "../level1.onnx",
    "../../etc/passwd",
    "/etc/passwd",
    "//server/share/level1.onnx",
    "C:level1.onnx",
    "C:\\level1.onnx",
    "\\\\?\\C:\\level1.onnx",
    "sub/level1.onnx",
    "sub\\level1.onnx",
    "./level1.onnx",
    "level1.onnx/",
    "level1.onnx\0",
    "level1\0.onnx",
    "level1.onnx\n",
    "level1.onnx ",
    "level1.onnx.",
    " level1.onnx",
    "level1.onnx::$DATA",
    "level1.onnx:stream",
    "-level1.onnx",
    "~level1.onnx",
    "$HOME.onnx",
    "`id`.onnx",
    "%2e%2e%2flevel1.onnx",
    ".level1.onnx",
    "level1.ONNX",
    "level1.pkl",
    "level1.onnx.pkl",
    "level1.py",
    "__init__.py",
    "con.onnx",
    "NUL.onnx",
    "com1.onnx",
    "LPT9.onnx",
    "lével1.onnx",
    "level1\u202e.onnx",
    "ｌevel1.onnx",
    "a" * 65 + ".onnx",
    "manifest.json",
    "manifest.sha256",
    "build.json",
    "pin.json",
    "history.jsonl",
    "Golden.npz",
    "level 1.onnx",
    "level1.onnx;x",
    "level*.onnx",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_in_a_manifest_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_file_name(name)
    value = strict_json.parse(manifest_for(SAMPLE_FILES).to_bytes(), place="x")
    value["files"][1]["name"] = name
    write_folder(tmp_path / VERSION, strict_json.canonical_bytes(value), SAMPLE_FILES)
    with pytest.raises(ManifestError, match=r"files\[1\].name: a file must be a graph NAME.onnx"):
        open_artifact(tmp_path / VERSION)


def test_the_names_that_are_meant_are_accepted() -> None:
    assert all(
        is_file_name(n) for n in ("level1.onnx", "a-b_C9.onnx", "golden.npz", "card.md", "report.html")
    )
    assert is_artifact_name("btc-jpy")
    assert not any(is_artifact_name(n) for n in ("", "a--b", "-a", "a-", "A", "a_b", "../a", "a/b", "a\n"))


@pytest.mark.parametrize(
    "version", [n for n in NAMES if n] + ["2026.1.4/../2026.1.4", "2026.1.4\n", "２026.1.4"]
)
def test_a_hostile_version_is_never_a_path(tmp_path: Path, version: str) -> None:
    write_version(tmp_path, VERSION)
    store = Store(tmp_path)
    for call in (store.open, store.pin, store.rollback):
        with pytest.raises(GradusError, match="a version must be a calendar version"):
            call(version)


def _link_a_file(folder: Path) -> None:
    (folder / "level1.onnx").rename(folder.parent / "elsewhere")
    (folder / "level1.onnx").symlink_to(folder.parent / "elsewhere")


def _link_a_file_hard(folder: Path) -> None:
    os.link(folder / "level1.onnx", folder.parent / "second-name")


def _link_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "elsewhere")
    (folder / "manifest.json").symlink_to(folder.parent / "elsewhere")


def _pipe(folder: Path) -> None:
    (folder / "level1.onnx").unlink()
    os.mkfifo(folder / "level1.onnx")


def _socket(folder: Path) -> None:
    (folder / "level1.onnx").unlink()
    here = Path.cwd()
    os.chdir(folder)  # the name of a socket may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind("level1.onnx")
    finally:
        os.chdir(here)


def _folder(folder: Path) -> None:
    (folder / "level1.onnx").unlink()
    (folder / "level1.onnx").mkdir()


def _extra(folder: Path) -> None:
    (folder / "level3.onnx").write_bytes(b"x")


def _extra_hidden(folder: Path) -> None:
    (folder / ".hidden").write_bytes(b"x")


def _case_clash(folder: Path) -> None:
    (folder / "LEVEL1.onnx").write_bytes(b"x")


def _many(folder: Path) -> None:
    for i in range(70):
        (folder / f"x{i}").touch()


def _sparse(folder: Path) -> None:
    os.truncate(folder / "level1.onnx", 1 << 40)


def _huge_manifest(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1 << 40)


def _huge_seal(folder: Path) -> None:
    os.truncate(folder / "manifest.sha256", 1 << 40)


def _no_seal(folder: Path) -> None:
    (folder / "manifest.sha256").unlink()


def _no_graph(folder: Path) -> None:
    (folder / "level2.onnx").unlink()


FOLDERS: list[tuple[Callable[[Path], None], str]] = [
    (_link_a_file, "a file must be a regular file, not a link"),
    (_link_the_manifest, "a file must be a regular file, not a link"),
    (_pipe, "a file must be a regular file, but got 'prw"),
    (_socket, "a file must be a regular file, not a link or a socket"),
    (_folder, "a file must be a regular file, but got 'drwx"),
    (_extra, "level3.onnx is not in the manifest"),
    (_extra_hidden, ".hidden is not in the manifest"),
    (_case_clash, "LEVEL1.onnx is not in the manifest"),
    (_many, "a version must have at most 64 files"),
    (_huge_manifest, "a file must be at most 1048576 bytes"),
    (_huge_seal, "a file must be at most 80 bytes"),
    (_no_seal, "manifest.sha256 must exist"),
]


def test_a_second_name_changes_nothing_about_what_a_file_must_be(tmp_path: Path) -> None:
    folder = write_version(tmp_path, VERSION)
    _link_a_file_hard(folder)
    with open_artifact(tmp_path, VERSION) as artifact:
        artifact.verify()
    (folder / "level1.onnx").write_bytes(b"X" * 220)
    with open_artifact(tmp_path, VERSION) as artifact, pytest.raises(IntegrityError, match="SHA-256"):
        artifact.verify()


DAMAGED: list[tuple[Callable[[Path], None], str]] = [
    (_sparse, "level1.onnx: a file must have 220 bytes, as the manifest says, but got 1099511627776"),
    (_no_graph, "level2.onnx: a file of the manifest must exist"),
]


@pytest.mark.parametrize(("spoil", "message"), DAMAGED)
def test_a_folder_with_a_damaged_file_opens_but_is_neither_proved_nor_pinned(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = write_version(tmp_path, VERSION)
    spoil(folder)
    with open_artifact(tmp_path, VERSION) as artifact, pytest.raises(IntegrityError, match=message):
        artifact.verify()
    with pytest.raises(IntegrityError, match=message):
        Store(tmp_path).pin(VERSION)
    assert Store(tmp_path).pin_state() is None


@pytest.mark.parametrize(("spoil", "message"), FOLDERS)
def test_a_hostile_folder_is_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    folder = write_version(tmp_path, VERSION)
    open_artifact(tmp_path, VERSION).verify()
    spoil(folder)
    with pytest.raises(IntegrityError, match=message):
        open_artifact(tmp_path, VERSION)
    with pytest.raises(IntegrityError, match=message):
        Store(tmp_path).pin(VERSION)
    assert Store(tmp_path).pin_state() is None


def test_a_version_that_is_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere = write_version(tmp_path / "elsewhere", VERSION)
    write_version(tmp_path / "store", "2026.1.5")
    (tmp_path / "store" / "versions" / VERSION).symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match="a version must be a folder, not a link"):
        Store(tmp_path / "store").open(VERSION)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "versions").symlink_to(tmp_path / "store" / "versions")
    with pytest.raises(EnvironmentFailedError, match="a store must be readable"):
        Store(tmp_path / "other").versions()


@pytest.mark.parametrize("name", ["pin.json", "history.jsonl"])
def test_records_that_are_links_or_pipes_are_refused(tmp_path: Path, name: str) -> None:
    write_version(tmp_path, VERSION)
    store = Store(tmp_path)
    store.pin(VERSION, actor="test")
    (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(IntegrityError, match="a file must be a regular file"):
            store.pin_state() if name == "pin.json" else store.history()
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)


def test_a_version_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    write_version(tmp_path, VERSION).rename(tmp_path / "versions" / "2026.1.5")
    with pytest.raises(
        IntegrityError, match=r"a version must stand in the folder of its name, but got '2026.1.4'"
    ):
        Store(tmp_path).open("2026.1.5")


def good() -> dict[str, bytes]:
    manifest = manifest_for(SAMPLE_FILES)
    seal = f"{manifest.digest()}  manifest.json\n".encode()
    return {**SAMPLE_FILES, "manifest.json": manifest.to_bytes(), "manifest.sha256": seal}


def zipped(compression: int = zipfile.ZIP_STORED, **replaced: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as z:
        for name, data in sorted({**good(), **replaced}.items()):
            z.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def _edited(edit: Callable[[zipfile.ZipFile, dict[str, bytes]], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        edit(z, good())
    return buffer.getvalue()


def _twice(z: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    for name, data in [*files.items(), ("level1.onnx", b"other")]:
        z.writestr(name, data)


def _symlinks(z: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    info = zipfile.ZipInfo("level1.onnx")
    info.external_attr = 0o120777 << 16
    z.writestr(info, "/etc/passwd")


def _end_field(offset: int, code: str, value: int) -> bytes:
    """The good zip with a field of its end record replaced."""
    data = bytearray(zip_bytes(good()))
    struct.pack_into(code, data, len(data) - 22 + offset, value)
    return bytes(data)


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as t:
        info = tarfile.TarInfo("../../evil")
        info.size = 1
        t.addfile(info, io.BytesIO(b"x"))
    return buffer.getvalue()


def _with_manifest(text: bytes) -> bytes:
    seal = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
    return zip_bytes({**good(), "manifest.json": text, "manifest.sha256": seal})


def _overlapping() -> bytes:
    """Two records of the directory for the same bytes."""
    data = bytearray(zip_bytes(good()))
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    length = 46 + len("golden.npz")
    record = data[start : start + length]
    data[start + length : start + length] = record
    struct.pack_into(
        "<HHL", data, len(data) - 14, 6, 6, struct.unpack_from("<L", data, len(data) - 10)[0] + length
    )
    return bytes(data)


BUNDLES: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "a zip must be of a plausible size"),
    ("short", lambda: b"PK", "a zip must be of a plausible size"),
    ("text", lambda: b"no zip at all" * 9, "a zip must end with its directory"),
    ("tar", _tar, "a zip must end with its directory"),
    ("empty zip", lambda: _edited(lambda z, f: None), "a zip must be of a plausible size"),
    ("deflated", lambda: zipped(zipfile.ZIP_DEFLATED), "an entry must be stored plainly"),
    ("bomb", lambda: zipped(zipfile.ZIP_DEFLATED, **{"level1.onnx": bytes(50 << 20)}), "stored plainly"),
    ("lzma", lambda: zipped(zipfile.ZIP_LZMA), "an entry must be stored plainly"),
    ("another tool's", zipped, "an entry must be stored plainly"),
    ("twice", lambda: _edited(_twice), "an entry must be stored plainly"),
    ("a symlink", lambda: _edited(_symlinks), "an entry must be stored plainly"),
    ("trailing bytes", lambda: zip_bytes(good()) + b"x", "nothing after it"),
    ("a comment", lambda: _end_field(20, "<H", 5), "nothing after it"),
    ("leading bytes", lambda: b"#!/bin/sh\n" + zip_bytes(good()), "must fit its size"),
    ("many parts", lambda: _end_field(4, "<H", 1), "a zip must end with its directory"),
    ("many entries", lambda: _count(65535), "must fit its size"),
    ("fewer entries", lambda: _count(3), "nothing must stand between"),
    ("more entries", lambda: _count(9), "must hold its entries"),
    ("a directory elsewhere", lambda: _end_field(16, "<L", 0), "must fit its size"),
    ("a huge directory", lambda: _end_field(12, "<L", 0xFFFFFFFF), "must fit its size"),
    ("overlapping entries", _overlapping, "an entry must be stored plainly|entries must be sorted"),
    ("a path", lambda: zip_bytes({**good(), "../evil": b"x"}), "../evil is not in the manifest"),
    ("absolute", lambda: zip_bytes({**good(), "/etc/passwd": b"x"}), "/etc/passwd is not in the manifest"),
    ("a drive", lambda: zip_bytes({**good(), "C:\\x": b"x"}), "is not in the manifest"),
    ("a NUL", lambda: zip_bytes({**good(), "a\0b": b"x"}), "is not in the manifest"),
    ("a folder", lambda: zip_bytes({**good(), "x/": b""}), "x/ is not in the manifest"),
    ("case clash", lambda: zip_bytes({**good(), "Level1.onnx": b""}), "Level1.onnx is not in the manifest"),
    ("one more", lambda: zip_bytes({**good(), "run.py": b"x"}), "run.py is not in the manifest"),
    ("no manifest", lambda: zip_bytes(SAMPLE_FILES), "manifest.json must exist"),
    ("build.json", lambda: zip_bytes({**good(), "build.json": b"{}"}), "build.json is not in the manifest"),
    (
        "other size",
        lambda: zip_bytes({**good(), "level1.onnx": b"x"}),
        "level1.onnx: a file must have 220 bytes, as the manifest says, but got 1",
    ),
    ("other bytes", lambda: zip_bytes({**good(), "level1.onnx": b"x" * 220}), "must have the SHA-256"),
    ("oversize", lambda: _with_manifest(b" " * (2 << 20)), "a file must be at most 1048576 bytes"),
    ("deep", lambda: _with_manifest(b"[" * 100_000), "JSON must be nested at most 32 deep"),
    (
        "keys twice",
        lambda: _with_manifest(b'{"format_version": 1, "format_version": 1}'),
        "a key must occur once",
    ),
    ("bytes after", lambda: _with_manifest(good()["manifest.json"] + b"{}"), "a file must be JSON"),
    ("not UTF-8", lambda: _with_manifest(b"\xff\xfe{}"), "a file must be UTF-8"),
    ("infinite", lambda: _with_manifest(b'{"format_version": 1e999}'), "a number must be finite"),
    ("a future format", lambda: _with_manifest(b'{"format_version": 99}'), "format_version must be 1"),
    ("a list", lambda: _with_manifest(b"[]"), "format_version must be 1"),
]


def _count(count: int) -> bytes:
    data = bytearray(zip_bytes(good()))
    struct.pack_into("<HH", data, len(data) - 14, count, count)
    return bytes(data)


@pytest.mark.parametrize(("make", "message"), [(m, t) for _, m, t in BUNDLES], ids=[n for n, _, _ in BUNDLES])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_bundle_is_refused_and_nothing_is_written(
    tmp_path: Path, make: Callable[[], bytes], message: str
) -> None:
    (tmp_path / "a.zip").write_bytes(make())
    with pytest.raises((IntegrityError, ManifestError), match=message):
        import_artifact(tmp_path / "a.zip", tmp_path / "store")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_the_bundle_that_the_hostile_ones_are_made_of_is_good(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes(good()))
    open_artifact(tmp_path / "a.zip").verify()


def test_a_source_that_is_nothing_is_refused(tmp_path: Path) -> None:
    for source in ("nowhere", tmp_path, "a\0b", "gradus-artifact-../x", str(tmp_path / "x.zip")):
        with pytest.raises(GradusError, match="an artifact must be"):
            open_artifact(source)
