"""A folder of work is held by one process at a time, and free again after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradus_runtime.errors import UsageError
from gradus_train.training.folder_lock import held
from gradus_train.walk import walk


def test_a_held_folder_is_refused_with_the_rule_and_the_way_out(tmp_path: Path) -> None:
    out = tmp_path / "new" / "walks"
    with (
        held(out, "one walk at a time", out=out),
        pytest.raises(UsageError, match=r"walks: one walk at a time.*--out"),
        held(out, "one walk at a time", out=out),
    ):
        pytest.fail("two hold it")
    with held(out, "one walk at a time", out=out):
        assert (out / "lock").is_file()


def test_a_walk_refuses_the_folder_of_a_walk_that_goes_on(tmp_path: Path) -> None:
    with (
        walk._held(tmp_path),
        pytest.raises(UsageError, match="one process may walk in a folder at a time"),
        walk._held(tmp_path),
    ):
        pytest.fail("two hold it")


def test_a_walk_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(UsageError, match=r"--out must be new, empty, or a walk's folder.*thesis"),
        walk._held(tmp_path),
    ):
        pytest.fail("it is held")
