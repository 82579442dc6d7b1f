"""A pickle machine that only builds inert values.

It executes the opcodes of protocols 0 to 5 as Python's own does, with these differences: a name is looked up
in `policy` and never imported, a call makes a value of `builders` or an `Inert` container, and opcodes that
Python 3 never writes for models are refused (INST, OBJ, EXT1/2/4, PERSID, BINPERSID, NEXT_BUFFER,
READONLY_BUFFER).
"""

from __future__ import annotations

import io
import pickletools
from typing import Any

import numpy as np

from gradus_convert.pickles import numpy_values
from gradus_convert.pickles.allowlist import Treatment, check_call, treatment
from gradus_convert.pickles.inert import BrokenPickleError, Global, Inert, UnsafePickleError

__all__ = ["MAX_OPCODES", "load"]

MAX_OPCODES = 5_000_000
MAX_TUPLE_KEYS = 10_000
"""Tuples with one hash are easily made (-1 and -2 have the same): a mapping of them is quadratic."""
COPIES = 8
"""What is built from bytes of the file (text to bytes, bytes to an array) may be so many times the file."""
_MAX_STREAMS = 16
_ARRAY_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_MARK = object()
_SIZED = (str, bytes, bytearray, list, tuple, dict)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = (
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
)
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_LITERALS = frozenset({*_NUMBERS, *_TEXTS, *_BYTES})


def load(stream: io.BytesIO, *, place: str, depth: int = 0, budget: _Budget | None = None) -> Any:
    """Read one pickle from a stream, as inert values.

    Args:
        stream: At the first byte of a pickle; left behind its STOP. joblib's arrays lie between opcodes.
        place: How errors name the file.
        depth: How many streams this one is nested in.
        budget: Of the stream that this one is nested in.

    Raises:
        UnsafePickleError: The pickle names or calls something that models do not need, or is out of bounds.
        BrokenPickleError: The stream is not a whole pickle.
    """
    if depth > _MAX_STREAMS:
        raise UnsafePickleError(f"streams must be nested at most {_MAX_STREAMS} deep", place=place)
    machine = _Machine(stream, place, depth, budget or _Budget(len(stream.getbuffer())))
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if count >= MAX_OPCODES:
                raise UnsafePickleError(f"a pickle must have at most {MAX_OPCODES} opcodes", place=place)
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument, position)
    except (OverflowError, TypeError, ValueError) as e:
        raise BrokenPickleError("a file must be a complete pickle", place=place, cause=str(e)) from None
    # genops raises before this, at the end of a pickle without STOP.
    raise BrokenPickleError("a pickle must end with STOP", place=place)  # pragma: no cover


class _Budget:
    """How much may be built from the bytes of a file: a memo entry costs two bytes and may be a megabyte."""

    def __init__(self, size: int) -> None:
        self.left = COPIES * size + (1 << 20)
        self.tuple_keys = MAX_TUPLE_KEYS

    def spend(self, size: int, place: str) -> None:
        self.left -= size
        if self.left < 0:
            raise UnsafePickleError(
                f"what a pickle builds must be at most {COPIES} times its size", place=place
            )

    def spend_key(self, key: object, place: str) -> None:
        self.tuple_keys -= isinstance(key, tuple)
        if self.tuple_keys < 0:
            raise UnsafePickleError(f"at most {MAX_TUPLE_KEYS} keys may be tuples", place=place)


class _Machine:
    """Stack and memo of one stream."""

    def __init__(self, stream: io.BytesIO, place: str, depth: int, budget: _Budget) -> None:
        self.stream = stream
        self.file = place
        self.place = place
        self.depth = depth
        self.budget = budget
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.keys: dict[int, list[int]] = {}

    def step(self, name: str, argument: Any, position: int | None) -> None:
        """Execute one opcode."""
        self.place = f"{self.file}, byte {position}"
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name not in ("PROTO", "FRAME"):
            handler = getattr(self, f"op_{name.lower()}", None)
            if handler is None:
                raise UnsafePickleError(
                    "a pickle of models must not use this opcode", place=self.place, value=name
                )
            if argument is None:
                handler()
            else:
                handler(argument)

    def broken(self, rule: str) -> BrokenPickleError:
        return BrokenPickleError(rule, place=self.place)

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise self.broken("an opcode must find its operands on the stack")
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while self.stack:
            value = self.stack.pop()
            if value is _MARK:
                return items[::-1]
            items.append(value)
        raise self.broken("an opcode must find its mark on the stack")

    # Stack and memo

    def op_mark(self) -> None:
        self.stack.append(_MARK)

    def op_pop(self) -> None:
        if not self.stack:
            raise self.broken("an opcode must find its operands on the stack")
        self.stack.pop()

    def op_pop_mark(self) -> None:
        self.pop_to_mark()

    def op_dup(self) -> None:
        self.stack.append(self.top())

    def op_put(self, key: int) -> None:
        value = self.top()
        self.memo[key] = value
        if isinstance(value, np.ndarray) or (isinstance(value, Inert) and value.kind == _ARRAY_WRAPPER):
            self.keys.setdefault(id(value), []).append(key)

    op_binput = op_long_binput = op_put

    def op_memoize(self) -> None:
        self.op_put(len(self.memo))

    def op_get(self, key: int) -> None:
        if key not in self.memo:
            raise self.broken("a memo entry must exist before it is used")
        self.stack.append(self.memo[key])

    op_binget = op_long_binget = op_get

    def replace_top(self, value: Any) -> None:
        """Put the finished value where its empty beginning stands: on the stack and in the memo."""
        unfinished = self.pop()
        for key in self.keys.pop(id(unfinished), ()):  # once: the next array may have this one's id
            if self.memo.get(key) is unfinished:
                self.memo[key] = value
        self.stack.append(value)

    # Containers

    def op_empty_list(self) -> None:
        self.stack.append([])

    def op_empty_dict(self) -> None:
        self.stack.append({})

    def op_empty_set(self) -> None:
        self.stack.append(set())

    def op_list(self) -> None:
        self.stack.append(self.pop_to_mark())

    def op_tuple(self) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def op_tuple1(self) -> None:
        self.stack.append((self.pop(),))

    def op_tuple2(self) -> None:
        last, first = self.pop(), self.pop()
        self.stack.append((first, last))

    def op_tuple3(self) -> None:
        last, middle, first = self.pop(), self.pop(), self.pop()
        self.stack.append((first, middle, last))

    def op_dict(self) -> None:
        items = self.pop_to_mark()
        self.stack.append({})
        self.set_items(items)

    def op_frozenset(self) -> None:
        self.stack.append(frozenset(self.checked_keys(self.pop_to_mark())))

    def op_append(self) -> None:
        self.append([self.pop()])

    def op_appends(self) -> None:
        self.append(self.pop_to_mark())

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if isinstance(target, Inert):
            target.entries.extend(items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise self.broken("items must be appended to a list")

    def op_additems(self) -> None:
        items = self.checked_keys(self.pop_to_mark())
        target = self.top()
        if not isinstance(target, set):
            raise self.broken("items must be added to a set")
        target.update(items)

    def op_setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def op_setitems(self) -> None:
        self.set_items(self.pop_to_mark())

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if len(items) % 2:
            raise self.broken("keys and values must come in pairs")
        keys = self.checked_keys(items[::2])
        if isinstance(target, Inert):
            target.entries.extend(zip(keys, items[1::2], strict=True))
        elif isinstance(target, dict):
            target.update(zip(keys, items[1::2], strict=True))
        else:
            raise self.broken("items must be set in a mapping")

    def checked_keys(self, keys: list[Any]) -> list[Any]:
        if not all(map(numpy_values.is_key, keys)):
            raise self.broken("a key must be a number, text or a short flat tuple of them")
        for key in keys:
            self.budget.spend_key(key, self.place)
        return keys

    # Names, calls, state

    def op_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(treatment(module, name, place=self.place)[0])

    def op_stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise self.broken("a name must be text")
        self.stack.append(treatment(module, name, place=self.place)[0])

    def op_reduce(self) -> None:
        arguments, target = self.pop(), self.pop()
        self.stack.append(self.call(target, arguments))

    def op_newobj(self) -> None:
        arguments, target = self.pop(), self.pop()
        self.stack.append(self.create(target, arguments))

    def op_newobj_ex(self) -> None:
        keywords, arguments, target = self.pop(), self.pop(), self.pop()
        if keywords:
            raise self.broken("an object must be created without keyword arguments")
        self.stack.append(self.create(target, arguments))

    def call(self, target: Any, arguments: Any) -> Any:
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise self.broken("a call must name what it calls and give a tuple")
        if (target.module, target.name) == ("copyreg", "_reconstructor"):
            return self.reconstruct(arguments)
        if treatment(target.module, target.name, place=self.place)[1] is Treatment.VALUE:
            self.budget.spend(sum(len(a) for a in arguments if isinstance(a, _SIZED)), self.place)
            return numpy_values.BUILDERS[(target.module, target.name)](arguments, self.place)
        check_call(target, place=self.place)
        return Inert(target, arguments)

    def create(self, target: Any, arguments: Any) -> Any:
        if isinstance(target, Global) and (target.module, target.name) in numpy_values.BUILDERS:
            return self.call(target, arguments)
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise self.broken("a new object must name its class and give a tuple")
        check_call(target, place=self.place)
        return Inert(target, arguments)

    def reconstruct(self, arguments: tuple[Any, ...]) -> Inert:
        if len(arguments) != 3 or not isinstance(arguments[1], Global):
            raise self.broken("copyreg._reconstructor must get class, base and state")
        made: Inert = self.create(arguments[0], ())
        self.budget.spend(len(arguments[2]) if isinstance(arguments[2], _SIZED) else 0, self.place)
        if isinstance(arguments[2], list):
            made.entries.extend(arguments[2])
        elif isinstance(arguments[2], dict):
            made.entries.extend(arguments[2].items())
        return made

    def op_build(self) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, numpy_values.DtypeBox):
            target.set_state(state, self.place)
        elif isinstance(target, np.ndarray):
            data = state[-1] if isinstance(state, tuple) and state else None
            self.budget.spend(len(data) if isinstance(data, _SIZED) else 0, self.place)
            self.replace_top(numpy_values.build_array(state, self.place))
        elif isinstance(target, dict) and isinstance(state, dict):
            pass  # attributes of an OrderedDict: nothing of ours is in them
        elif isinstance(target, Inert) and target.state is None:
            target.state = state
            if target.kind == _ARRAY_WRAPPER:
                self.replace_top(self.read_array(target.attributes))
        else:
            raise self.broken("state must be given once, to an object")

    def read_array(self, wrapper: dict[str, Any]) -> Any:
        """Read the array that joblib wrote behind its wrapper."""
        dtype, shape = wrapper.get("dtype"), wrapper.get("shape")
        if not isinstance(dtype, numpy_values.DtypeBox) or not isinstance(shape, tuple):
            raise self.broken("joblib's wrapper must give dtype and shape")
        if dtype.dtype.hasobject:
            return load(self.stream, place=self.place, depth=self.depth + 1, budget=self.budget)
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.stream.read(int.from_bytes(self.stream.read(1), "little"))
        size = numpy_values.count_items(shape, self.place) * dtype.dtype.itemsize
        left = self.stream.getbuffer().nbytes - self.stream.tell()
        if size > left:
            raise self.broken(f"an array of {size} bytes must lie within the {left} bytes left in the file")
        order = "F" if wrapper.get("order") == "F" else "C"
        return numpy_values.array_from_bytes(self.stream.read(size), dtype, shape, order, self.place)
