"""Where studies are kept: a journal file, or a database that several machines share."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from gradus_runtime.errors import EnvironmentFailedError, UsageError

__all__ = ["open_storage"]

_DRIVERS = {"postgresql://": "postgresql+psycopg://", "mysql://": "mysql+pymysql://"}


def open_storage(place: str) -> BaseStorage:
    """Open a database by its URL, or a journal by its path.

    A journal is one file that any number of processes of one machine may share. A plain `postgresql://` or
    `mysql://` is opened by the driver that `gradus-train[sql]` brings.

    Raises:
        UsageError: The URL is not one.
        EnvironmentFailedError: The driver is missing, or the database does not answer.
    """
    if "://" not in place:
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    url = place
    for plain, driver in _DRIVERS.items():
        if place.startswith(plain):
            url = driver + place.removeprefix(plain)
    try:
        return RDBStorage(url)
    except (ArgumentError, NoSuchModuleError) as e:
        raise UsageError(
            "--storage must be a path, or a database URL such as postgresql://user@host/name",
            place="--storage",
            cause=str(e),
        ) from None
    except ImportError as e:
        raise EnvironmentFailedError(
            "the database's driver must be installed",
            place="--storage",
            cause=str(e),
            hint="Run: pip install 'psycopg[binary]' pymysql.",
        ) from None
    except SQLAlchemyError as e:
        raise EnvironmentFailedError(
            "the database must answer", place="--storage", cause=str(e).splitlines()[0]
        ) from None
