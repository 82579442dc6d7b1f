"""Records behave as the dataclasses that `dataclasses` makes of the same class, and compile nothing."""

from __future__ import annotations

import builtins
import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradus_runtime import records


class Plain:
    """A class with every kind of field."""

    a: int
    b: str
    c: tuple[str, ...] = ()
    d: dict[str, int] = records.field(default_factory=dict, repr=False)

    def twice(self) -> int:
        return 2 * self.a


class Checked:
    """A class that checks its fields."""

    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("below 0")


def both(cls: type, **options: bool) -> tuple[Any, Any]:
    def copied(**others: Any) -> type:
        return type(cls.__name__, (), dict(vars(cls)) | {"__qualname__": cls.__qualname__} | others)

    options = {"frozen": True, "slots": True} | options
    theirs = copied(d=dataclasses.field(default_factory=dict, repr=False)) if cls is Plain else copied()
    return records.dataclass(**options)(copied()), dataclasses.dataclass(**options)(theirs)


Record = records.dataclass(frozen=True, slots=True)(type("Record", (), {"__annotations__": {"a": int}}))
Record.__module__ = __name__


def outcome(call: Callable[[], Any]) -> str:
    try:
        return repr(call())
    except (TypeError, AttributeError, ValueError) as e:
        return type(e).__name__


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c(1, "x"),
        lambda c: c(1, b="x", c=("y",)),
        lambda c: c(1, "x", (), {"k": 2}),
        lambda c: c(1),
        lambda c: c(1, "x", a=2),
        lambda c: c(1, "x", other=2),
        lambda c: c(1, "x", (), {}, 5),
        lambda c: c(1, "x").twice(),
        lambda c: c(1, "x") == c(1, "x"),
        lambda c: c(1, "x") == c(2, "x"),
        lambda c: c(1, "x") == (1, "x", (), {}),
        lambda c: hash(c(1, "x")),
        lambda c: setattr(c(1, "x"), "a", 2),
        lambda c: delattr(c(1, "x"), "a"),
        lambda c: dataclasses.replace(c(1, "x"), a=5),
        lambda c: dataclasses.replace(c(1, "x"), e=5),
        lambda c: dataclasses.asdict(c(1, "x")),
        lambda c: [f.name for f in dataclasses.fields(c)],
        lambda c: copy.deepcopy(c(1, "x")),
        lambda c: c(1, "x").d is c(1, "x").d,
        lambda c: (c.__match_args__, c.__slots__),
    ],
)
def test_a_record_does_what_a_dataclass_does(call: Callable[[Any], Any]) -> None:
    record, dataclass = both(Plain)
    assert outcome(lambda: call(record)) == outcome(lambda: call(dataclass))


def test_a_record_without_eq_is_equal_to_itself_alone() -> None:
    for cls in both(Plain, eq=False):
        one = cls(1, "x")
        assert one == one
        assert one != cls(1, "x")
        assert isinstance(hash(one), int)


def test_a_record_checks_its_fields_after_they_are_set() -> None:
    for cls in both(Checked):
        assert cls(1).a == 1
        with pytest.raises(ValueError, match="below 0"):
            cls(-1)


def test_a_record_can_be_pickled_between_processes_and_hashed() -> None:
    assert pickle.loads(pickle.dumps(Record(3))) == Record(3)
    assert len({Record(3), Record(3), Record(4)}) == 2


def test_a_record_takes_no_attribute_that_is_no_field() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="new"):
        Record(3).new = 1


def test_what_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match=r"use dataclasses\.dataclass"):
        records.dataclass(frozen=False, slots=True)


@pytest.mark.parametrize("changes", [{}, {"a": 5}, {"b": "y", "d": {"k": 1}}, {"e": 5}])
def test_replacing_fields_is_what_dataclasses_does(changes: dict[str, Any]) -> None:
    record, _ = both(Plain)
    one = record(1, "x", ("y",))
    assert outcome(lambda: records.replace(one, **changes)) == outcome(
        lambda: dataclasses.replace(one, **changes)
    )
    assert outcome(lambda: one.__replace__(**changes)) == outcome(lambda: records.replace(one, **changes))


def test_a_field_of_dataclasses_is_refused() -> None:
    odd = type("Odd", (), {"__annotations__": {"a": list[int]}, "a": dataclasses.field(default_factory=list)})
    with pytest.raises(TypeError, match=r"made by records\.field, a is not"):
        records.dataclass(frozen=True, slots=True)(odd)


def test_the_types_of_fields_are_those_that_dataclasses_has() -> None:
    for cls in both(Plain):
        assert records.types_of(cls) == {field.name: field.type for field in dataclasses.fields(cls)}
    assert records.types_of(Plain) is None


def test_a_process_that_decides_does_not_import_dataclasses() -> None:
    program = (
        "import sys, numpy, onnxruntime; before = 'dataclasses' in sys.modules\n"
        "from gradus_runtime import Predictor; bot = Predictor.open(sys.argv[1])\n"
        "bot.decide(dict.fromkeys(bot.feature_names_in_, 0.5))\n"
        "print('dataclasses' in sys.modules and not before)"
    )
    trio = Path(__file__).parents[1] / "golden" / "trio" / "2026.11.21"
    done = subprocess.run([sys.executable, "-c", program, trio], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_defining_a_record_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    plain = builtins.exec

    def count(source: object, *arguments: Any) -> None:
        compiled.append(source)
        plain(source, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sys.modules["dataclasses"], "exec", count, raising=False)
    record = records.dataclass(frozen=True, slots=True)
    record(type("A", (), {"__annotations__": {"a": int}}))
    assert compiled == []
    dataclasses.dataclass(frozen=True, slots=True)(type("B", (), {"__annotations__": {"a": int}}))
    assert compiled


def test_a_record_with_a_base_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a record has no base class, Child has: use dataclasses\.dataclass"):
        records.dataclass(frozen=True, slots=True)(type("Child", (Plain,), {"__annotations__": {"e": int}}))


@pytest.mark.parametrize("eq", [True, False])
def test_dataclasses_knows_a_record_for_one_of_its_own(eq: bool) -> None:
    record, dataclass = both(Plain, eq=eq)
    assert dataclasses.is_dataclass(record)
    for mine, theirs in zip(dataclasses.fields(record), dataclasses.fields(dataclass), strict=True):
        assert repr(mine) == repr(theirs)
    assert record.__dataclass_params__.frozen
    assert (record.__module__, record.__qualname__, record.__doc__) == (
        Plain.__module__,
        "Plain",
        Plain.__doc__,
    )
    assert not hasattr(record(1, "x"), "__dict__")
