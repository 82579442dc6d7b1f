"""The file system as the store uses it: relative to open folders, never through a link, synced when told.

Every operating-system call of the store is made here, so that a test can fail each of them. Folders are held
open and names are flat: nothing that happens to a path between two calls can lead a call elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradus_runtime.errors import EnvironmentFailedError, GradusError, IntegrityError, let_signals_through
from gradus_runtime.store import rights

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "absolute",
    "append_synced",
    "count_names",
    "cut",
    "exists",
    "failing",
    "folder_names",
    "identity",
    "identity_of",
    "is_file",
    "is_folder",
    "make_folder",
    "open_file",
    "open_folder",
    "open_lock",
    "own_copy",
    "plain",
    "read_exactly",
    "read_small",
    "remove_file",
    "remove_folder",
    "rename",
    "sync",
    "write_new",
]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MAY_WRITE = "Run it as the owner of the folder, or give this user the right to write there."
_MAY_READ = (
    "Run it as a user who may read there, or give this user the right to read it and to enter its folders."
)
_WAY_OUT = {
    errno.ENOSPC: "Free some space on the disk and run the command again.",
    errno.EDQUOT: "Free some of the quota and run the command again.",
    errno.EACCES: _MAY_WRITE,
    errno.EPERM: _MAY_WRITE,
    errno.EROFS: "The file system is mounted read-only; publish and pin where it can be written.",
    errno.EIO: "The disk reports a fault; check it before you trust this store.",
}


_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@contextmanager
def failing(what: str, place: str, *, reading: bool = False) -> Iterator[None]:
    """Turn an `OSError` into an `EnvironmentFailedError` that says what could not be done, and why.

    Args:
        what: What must be possible.
        place: Where.
        reading: Nothing is written: the right to read is what may be wanting.
    """
    try:
        yield
    except OSError as e:
        let_signals_through(e)
        if e.errno is None:
            raise  # it is no system call's: an alarm's `TimeoutError` is an `OSError` too
        hint = _WAY_OUT.get(e.errno)
        if reading and hint is _MAY_WRITE:
            hint = _MAY_READ
        raise EnvironmentFailedError(what, place=place, cause=e.strerror or str(e), hint=hint) from e


def exists(path: str | Path) -> bool:
    """Whether a path leads to something.

    Raises:
        OSError: The system cannot say. (`pathlib` answers no to some errors, an alarm's `ValueError` too.)
    """
    return _mode(path) is not None


def is_folder(path: str | Path) -> bool:
    """Whether a path leads to a folder; raises as `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_file(path: str | Path) -> bool:
    """Whether a path leads to a regular file; raises as `exists`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def _mode(path: str | Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except OSError as e:
        let_signals_through(e)
        if e.errno in _NOTHING_THERE:
            return None
        raise
    except ValueError as e:  # a name that no file can have
        let_signals_through(e)
        return None


def plain(path: str | Path) -> str:
    """A path as text, without slashes at its end."""
    text = os.fspath(path)
    return text.rstrip("/") or text[:1] or "."


def absolute(path: str) -> str:
    """A path that means the same after a change of directory.

    Raises:
        OSError: There is no current directory.
    """
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def open_folder(name: str | Path, parent: int | None = None) -> int:
    """Open a folder and return its descriptor; below `parent`, a link is refused (`ELOOP` or `ENOTDIR`)."""
    if parent is None:
        return os.open(name, _FOLDER)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)


def open_lock(name: str, folder: int) -> int:
    """Open, and create if need be, the file that writers lock: who may only read the folder cannot."""
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        rights.as_folder(descriptor, folder, rights.lock_mode(folder))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def count_names(descriptor: int) -> int:
    """How many names (hard links) an open file has."""
    return os.fstat(descriptor).st_nlink


def identity(descriptor: int) -> tuple[int, int]:
    """What tells an open file or folder from every other: device and inode."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def identity_of(name: str, folder: int) -> tuple[int, int] | None:
    """`identity` of what a name means now; None where it means nothing."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def folder_names(folder: int) -> list[str]:
    """Names in an open folder, sorted."""
    return sorted(os.listdir(folder))


def open_file(
    folder: int, name: str, *, place: str, error: type[GradusError] = IntegrityError
) -> tuple[int, int]:
    """Open a regular file for reading.

    Args:
        folder: Descriptor of its folder.
        name: A flat name.
        place: How errors name the folder.
        error: The type of error for what is no plain file.

    Returns:
        Descriptor and size in bytes.

    Raises:
        FileNotFoundError: There is none.
        GradusError: Of type `error`: a link, a device, a pipe, or a folder.
    """
    where = f"{place}/{name}"
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.ENXIO):
            raise error("a file must be a regular file, not a link or a socket", place=where) from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise error("a file must be a regular file", place=where, value=stat.filemode(status.st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def read_exactly(descriptor: int, size: int, offset: int = 0) -> bytes:
    """Read `size` bytes at `offset`; fewer only at the end of the file."""
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_small(
    folder: int,
    name: str,
    limit: int,
    *,
    place: str,
    error: type[GradusError] = IntegrityError,
) -> bytes | None:
    """Read a whole file of at most `limit` bytes; None where there is none.

    Raises:
        GradusError: Of type `error`: not a plain file, or oversize.
    """
    try:
        descriptor, size = open_file(folder, name, place=place, error=error)
    except FileNotFoundError:
        return None
    try:
        if size > limit:
            raise error(f"a file must be at most {limit} bytes", place=f"{place}/{name}", value=size)
        return read_exactly(descriptor, limit + 1)
    finally:
        os.close(descriptor)


def write_new(folder: int, name: str, data: bytes, mode: int = 0o444, *, as_folder: bool = True) -> None:
    """Create a file that did not exist, write it whole, and sync it.

    Args:
        folder: Descriptor of the folder.
        name: A flat name.
        data: All of it.
        mode: The most that is granted.
        as_folder: Who may read the folder may read it, as in a store; else the umask decides.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, mode & 0o700 if as_folder else mode, dir_fd=folder)
    try:
        if as_folder:
            rights.as_folder(descriptor, folder, mode)
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_copy(folder: int, name: str, temporary: str, mode: int = 0o666) -> None:
    """Where a file has a second name, give this one a copy of its own: what is written then stays here.

    Args:
        folder: Descriptor of the folder.
        name: The file; it may be absent.
        temporary: Name of the copy until it is whole.
        mode: As `write_new`.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        if count_names(descriptor) < 2:
            return
        data = read_exactly(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    write_new(folder, temporary, data, mode)
    rename(temporary, name, folder)
    sync(folder)


def append_synced(folder: int, name: str, data: bytes) -> None:
    """Append to a file, creating it, and sync it; on failure cut it back to its former size."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    created = False
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        descriptor, created = os.open(name, flags | os.O_CREAT, 0o600, dir_fd=folder), True
    try:
        if created:
            rights.as_folder(descriptor, folder, 0o666)
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def cut(folder: int, name: str, size: int) -> None:
    """Cut a file down to `size` bytes and sync it."""
    descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def make_folder(name: str, parent: int, *, exist_ok: bool = False, as_parent: bool = True) -> None:
    """Create a folder.

    Args:
        name: A flat name.
        parent: Descriptor of the folder around it.
        exist_ok: It may be there already; then it is left as it is.
        as_parent: Who may use the folder around it may use it; else the umask decides.
    """
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        if not exist_ok:
            raise
        return
    if as_parent:
        descriptor = open_folder(name, parent)
        try:
            rights.as_folder(descriptor, parent, 0o2777)
        finally:
            os.close(descriptor)


def rename(old: str, new: str, folder: int) -> None:
    """Rename within a folder, replacing a file of the new name, atomically."""
    os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)


def sync(folder: int) -> None:
    """Sync a folder: the names in it survive a loss of power."""
    os.fsync(folder)


def remove_file(name: str, folder: int) -> None:
    """Remove a file; it may be gone already."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def remove_folder(name: str, parent: int) -> None:
    """Remove a folder and the files in it, without following links; folders inside it are removed as well."""
    try:
        folder = open_folder(name, parent)
    except FileNotFoundError:
        return
    except OSError as e:
        let_signals_through(e)
        if e.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        remove_file(name, parent)
        return
    try:
        for entry in folder_names(folder):
            mode = os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                remove_folder(entry, folder)
            else:
                remove_file(entry, folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)
