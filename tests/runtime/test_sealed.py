"""A sealed model: what was verified is what is parsed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradus_runtime.sealed import SealedModel

sealed_files = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="this system has no sealed files; the bytes are used as they are"
)


@sealed_files
def test_a_sealed_model_holds_the_bytes_and_nobody_can_change_them() -> None:
    data = os.urandom(3_000_000)
    with SealedModel(data) as model:
        assert isinstance(model.source, str)
        assert Path(model.source).read_bytes() == data
        with pytest.raises(PermissionError):
            Path(model.source).write_bytes(b"x")
        with pytest.raises(PermissionError):
            os.truncate(model.source, 0)
        assert Path(model.source).read_bytes() == data


@sealed_files
def test_closing_a_sealed_model_leaves_no_descriptor() -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with SealedModel(b"graph"):
        assert len(list(descriptors.iterdir())) == before + 1
    assert len(list(descriptors.iterdir())) == before


@pytest.mark.parametrize("broken", ["memfd_create", "write"])
def test_without_sealed_files_the_bytes_themselves_are_parsed(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("not here")

    monkeypatch.setattr(os, broken, refuse, raising=False)
    with SealedModel(b"graph") as model:
        assert model.source == b"graph"


def test_a_system_that_knows_no_sealed_files_parses_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with SealedModel(b"graph") as model:
        assert model.source == b"graph"
