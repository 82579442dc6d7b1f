"""Who may read and write what a command makes: whoever may with the folder that it is made in.

The umask of the one who happens to run a command decides nothing: a pin that root wrote under `umask 077`
would be unreadable for the bot. A new file has the folder's owner and group where the system lets us, and of
its own mode what the folder grants as well.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from gradus_runtime.errors import let_signals_through

__all__ = ["as_folder", "lock_mode"]

_READ, _WRITE, _SET_GROUP = 0o444, 0o222, 0o2000


def as_folder(descriptor: int, folder: int, mode: int) -> None:
    """Give a new file or folder to those whom the folder around it belongs to.

    Args:
        descriptor: Of what was made.
        folder: Descriptor of the folder around it.
        mode: The most that is granted; group and others get no more of it than the folder grants them.

    Raises:
        OSError: The system fails; not if it only does not let us.
    """
    around, status = os.fstat(folder), os.fstat(descriptor)
    granted = around.st_mode & (_READ | _WRITE)
    granted |= (granted & _READ) >> 2  # who may read may enter
    wanted = (mode & 0o700) | (mode & granted & 0o077) | (mode & around.st_mode & _SET_GROUP)
    owner = around.st_uid if os.geteuid() == 0 else -1
    if (owner not in (-1, status.st_uid)) or status.st_gid != around.st_gid:
        _if_allowed(lambda: os.fchown(descriptor, owner, around.st_gid))
    if status.st_mode & 0o7777 != wanted:
        _if_allowed(lambda: os.fchmod(descriptor, wanted))


def lock_mode(folder: int) -> int:
    """Return the mode of a lock that they alone can take who may write in the folder."""
    writers = os.fstat(folder).st_mode & _WRITE
    return 0o600 | ((writers | writers << 1) & 0o066)


def _if_allowed(change: Callable[[], None]) -> None:
    try:
        change()
    except OSError as e:
        let_signals_through(e)
        if e.errno not in (errno.EPERM, errno.ENOTSUP):
            raise
