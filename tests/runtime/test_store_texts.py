"""Texts that go into the bounded files of a store: refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, trio_store

from gradus_convert.publishing.collect import collect
from gradus_convert.publishing.publish import publish_version
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import UsageError
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"
BAD = {
    "too long": "x" * 201,
    "much too long": "x" * 5_000,
    "too many bytes": "\U0001f600" * 201,
    "700 Japanese characters": "\u65e5" * 700,
    "a line break": "ops\nforged",
    "a carriage return": "ops\rforged",
    "a line separator": "ops\u2028forged",
    "an escape code": "\x1b[2Kforged",
    "a zero": "ops\0",
    "a lone surrogate": "ops\udc80",
    "text that runs backwards": "ops\u202eforged",
    "nothing but blanks": "   ",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trio_store(tmp_path / "trio", pinned=OLD)


def files(store: Store) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in store.path.iterdir() if p.is_file() and p.name != ".lock"}


def contents(folder: Path) -> dict[str, bytes]:
    listed = parse((folder / "manifest.json").read_bytes()).files
    return {entry.name: (folder / entry.name).read_bytes() for entry in listed}


WRITERS: dict[str, Callable[[Store, str], object]] = {
    "pin": lambda store, actor: store.pin(NEW, actor=actor),
    "rollback": lambda store, actor: store.rollback(NEW, actor=actor),
    "gc": lambda store, actor: collect(store.path, keep=0, keep_pinned=0, actor=actor),
    "publish": lambda store, actor: publish_version(
        store.path.parent / "new",
        parse((OLDER_TRIO / "manifest.json").read_bytes()),
        contents(OLDER_TRIO),
        {},
        actor,
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("writer", WRITERS)
def test_an_actor_that_would_break_a_line_or_a_bound_is_refused_before_writing(
    writer: str, kind: str, store: Store
) -> None:
    before = files(store)
    rule = r"an actor must be a text of 1 to 200 printable characters, at most 800 bytes of UTF-8"
    with pytest.raises(UsageError, match=rule) as caught:
        WRITERS[writer](store, BAD[kind])
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    assert files(store) == before
    assert not (store.path.parent / "new").exists()


@pytest.mark.parametrize(
    "actor", ["x" * 200, "\u65e5\u672c" * 100, "\U0001f600" * 200, "Jo O'Neil <jo@x.org>"]
)
def test_an_actor_within_the_bounds_is_recorded_as_it_is(actor: str, store: Store) -> None:
    for version in (NEW, OLD):
        assert main(["pin", version, "--store", str(store.path), "--actor", actor]) == 0
    pin = store.pin_state()
    assert pin is not None
    assert (pin.actor, store.history()[-1].actor) == (actor, actor)


@pytest.mark.parametrize("variable", ["GRADUS_ACTOR", "LOGNAME"])
def test_an_actor_from_the_environment_never_bricks_the_store(
    variable: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADUS_ACTOR", raising=False)
    for text in BAD.values():
        if "\0" in text:
            continue
        monkeypatch.setenv(variable, text)
        code = main(["pin", NEW, "--store", str(store.path)])
        assert code == (2 if variable == "GRADUS_ACTOR" else 0)
        assert main(["history", "--store", str(store.path)]) == 0
        monkeypatch.setenv(variable, "ops")
        assert main(["pin", OLD, "--store", str(store.path)]) == 0


def test_history_prints_what_others_wrote_on_one_line(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.path / "history.jsonl"
    path.write_text(path.read_text().replace('"test"', r'"x\n2030-01-01T00:00:00Z  pin\u001b[2K"'))
    assert main(["history", "--store", str(store.path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 1 + len(store.history())


def test_the_texts_of_a_build_are_bounded_too(store: Store) -> None:
    manifest = parse((TRIO / "manifest.json").read_bytes())
    for facts in ({"imported_from": "x\ny.zip"}, {"note": "x" * 5_000}, {"note": "\x1b[2K"}):
        with pytest.raises(UsageError, match="a fact of the build must be a text of"):
            publish_version(store.path.parent / "new", manifest, contents(TRIO), facts, "ops")
    assert not (store.path.parent / "new").exists()


@pytest.mark.parametrize("command", ["convert", "import"])
def test_convert_and_import_refuse_an_actor_before_they_begin(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr("gradus_convert.runs.check_gate", lambda run: None)
    monkeypatch.setattr("gradus_convert.runs.read", never)
    monkeypatch.setattr("gradus_convert.pickles.run.import_pickles", never)
    (tmp_path / "model.pkl").write_bytes(b"")
    what = {"convert": ["--run", str(tmp_path)], "import": [str(tmp_path / "model.pkl")]}[command]
    assert main([command, *what, "--store", str(tmp_path / "store"), "--actor", "a\nb"]) == 2
    assert "an actor must be a text" in capsys.readouterr().err
