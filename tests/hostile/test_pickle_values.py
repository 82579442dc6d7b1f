"""Allowed names with arguments that do not fit: each builder refuses by itself."""

import numpy as np
import pytest

from gradus_convert.pickles.allowlist import Treatment, treatment
from gradus_convert.pickles.inert import BrokenPickleError, Global, Inert, UnsafePickleError
from gradus_convert.pickles.numpy_values import BUILDERS, DtypeBox, build_array, is_key

F8 = DtypeBox(np.dtype("f8"))
OBJECTS = DtypeBox(np.dtype("O"))
SCALAR = ("numpy._core.multiarray", "scalar")
BUFFER = ("numpy._core.numeric", "_frombuffer")


def build(name, *arguments):
    return BUILDERS[name](arguments, "place")


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        (("_codecs", "encode"), ("\xe9", "latin1"), b"\xe9"),
        (("builtins", "bytes"), (), b""),
        (("builtins", "bytes"), (b"x",), b"x"),
        (("builtins", "bytearray"), (b"x",), bytearray(b"x")),
        (("builtins", "bytearray"), ("x", "latin-1"), bytearray(b"x")),
        (("builtins", "complex"), (1.0, 2.0), 1 + 2j),
        (("builtins", "set"), ([1, 2],), {1, 2}),
        (("builtins", "frozenset"), ([1],), frozenset({1})),
        (("collections", "OrderedDict"), (), {}),
        (("collections", "OrderedDict"), ([["a", 1]],), {"a": 1}),
        (("collections", "defaultdict"), (Global("builtins", "list"),), {}),
        (SCALAR, (F8, b"\x00" * 8), 0.0),
        (SCALAR, (F8, "\x00" * 8), 0.0),
    ],
)
def test_a_value_is_what_python_itself_would_have_made(name, arguments, value):
    got = build(name, *arguments)
    assert got == value


def test_arrays_keep_order_and_dtype():
    X = np.arange(6.0).reshape(2, 3)
    got = build(BUFFER, X.tobytes("F"), F8, (2, 3), "F")
    np.testing.assert_array_equal(got, X)
    got = build_array((1, (2, 3), F8, True, X.tobytes("F")), "place")
    np.testing.assert_array_equal(got, X)
    items = build_array((1, (2,), OBJECTS, False, ["a", None]), "place")
    assert items.tolist() == ["a", None]


@pytest.mark.parametrize("code", ["f8", "<f4", ">i2", "|b1", "U3", "S2", "V16", "O8", "float32", "?"])
def test_a_dtype_is_numpys(code):
    assert build(("numpy", "dtype"), code, False, True).dtype == np.dtype(code)


def test_a_dtype_may_be_named_by_its_class_and_turned_around():
    box = build(("numpy", "dtype"), Global("numpy", "float64"))
    assert box.dtype == np.float64
    box.set_state((3, ">", None, None, None, -1, -1, 0), "place")
    assert box.dtype == np.dtype(">f8")


def test_a_record_dtype_has_its_fields():
    box = DtypeBox(np.dtype("V12"))
    box.set_state(
        (3, "|", None, ("a", "b"), {"a": (F8, 0), "b": (DtypeBox(np.dtype("i4")), 8)}, 12, 1, 16), "place"
    )
    assert box.dtype.names == ("a", "b")
    assert box.dtype["b"] == np.int32


REFUSED = [
    (("_codecs", "encode"), ("x", "rot13"), "only turn Latin-1 text into bytes"),
    (("_codecs", "encode"), ("\u20ac", "latin1"), "must be Latin-1"),
    (("builtins", "bytes"), (10**12,), "only turn Latin-1"),
    (("builtins", "complex"), (1, 2), "two parts"),
    (("builtins", "set"), ([[1]],), "a list of plain values"),
    (("builtins", "set"), ([1], [2]), "a list of plain values"),
    (("collections", "OrderedDict"), ({},), "pairs with plain keys"),
    (("collections", "OrderedDict"), ([["a"]],), "pairs with plain keys"),
    (("numpy", "dtype"), (), "a short code"),
    (("numpy", "dtype"), ("f8,f8",), "a short code"),
    (("numpy", "dtype"), ("Y9",), "one that numpy knows"),
    (("numpy", "dtype"), ("M8",), "numbers, text or objects"),
    (
        ("numpy._core.multiarray", "_reconstruct"),
        (Global("os", "system"), (0,), b"b"),
        "an empty numpy.ndarray",
    ),
    (("numpy._core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (9,), b"b"), "an empty"),
    (SCALAR, (F8,), "a dtype and a value"),
    (SCALAR, (OBJECTS, b""), "a dtype without objects"),
    (SCALAR, (F8, b"x"), "as many bytes"),
    (BUFFER, (b"",), "bytes, dtype, shape and order"),
    (BUFFER, (b"", F8, (0,), "Z"), "C or Fortran order"),
    (BUFFER, (b"", F8, [0], "C"), "at most 8 sizes"),
    (BUFFER, (b"", F8, (True,), "C"), "at most 8 sizes"),
    (BUFFER, (b"", F8, (0,) * 9, "C"), "at most 8 sizes"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), REFUSED)
def test_arguments_that_do_not_fit_are_refused(name, arguments, message):
    with pytest.raises(BrokenPickleError, match=message):
        build(name, *arguments)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((3, "<"), "numpy's state"),
        ((3, "<", ("f8", (3,)), None, None), "a subarray"),
        ((3, "x", None, None, None), "a byte order"),
        ((3, "|", None, ["a"], {}), "64 named fields"),
        ((3, "|", None, ("a",) * 65, {}), "64 named fields"),
        ((3, "|", None, ("a",), {}), "describe each field"),
        ((3, "|", None, ([],), {}), "describe each field"),
        ((3, "|", None, ("a",), {"a": ("f8", 0)}), "a plain number at an offset"),
        ((3, "|", None, ("a",), {"a": (OBJECTS, 0)}), "a plain number at an offset"),
        ((3, "|", None, ("a",), {"a": (F8, 900)}), "consistent"),
    ],
)
def test_the_state_of_a_dtype_is_checked(state, message):
    with pytest.raises(BrokenPickleError, match=message):
        DtypeBox(np.dtype("V8")).set_state(state, "place")


@pytest.mark.parametrize(
    ("state", "message"),
    [((1, (0,)), "numpy's state"), ((1, (3,), OBJECTS, False, ["a"]), "as many items")],
)
def test_the_state_of_an_array_is_checked(state, message):
    with pytest.raises(BrokenPickleError, match=message):
        build_array(state, "place")


def test_keys_are_plain():
    assert all(map(is_key, (None, 1, "a", b"a", 1.5, (1, "a"), np.float64(1), Inert(Global("a", "B")))))
    assert not any(map(is_key, ([], {}, ((1,),), np.zeros(2), set())))


def test_a_container_shows_its_class_and_its_slots_as_attributes():
    value = Inert(Global("team", "Ensemble"), state=({"a": 1, 2: 3}, {"slot": 4}))
    assert repr(value) == "<team.Ensemble object>"
    assert value.attributes == {"a": 1, "slot": 4}


def test_every_allowed_value_has_a_builder_and_every_name_a_treatment():
    for module, name in BUILDERS:
        assert treatment(module, name, place="p")[1] is Treatment.VALUE
    with pytest.raises(UnsafePickleError, match="a plain identifier in a module"):
        treatment("a..b", "C", place="p")
