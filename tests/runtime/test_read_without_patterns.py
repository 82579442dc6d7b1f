"""Names, versions, JSON and headers are read without regular expressions: as these and numpy read them."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.lib import format as npy

from gradus_runtime.contracts import names, npz_file, strict_json
from gradus_runtime.errors import DataError, GradusError, ManifestError
from gradus_runtime.sessions.library import release_of
from gradus_runtime.store import history_file

ARTIFACT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
GRAPH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\.onnx")
VERSION = re.compile(
    r"(2[0-9]{3})\.([1-9]|1[0-2])\.([1-9]|[12][0-9]|3[01])"
    r"(?:rc(0|[1-9][0-9]{0,5}))?(?:\.post(0|[1-9][0-9]{0,5}))?"
)
RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*")
STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)

ODD = ["", "\n", "a\n", "é", "٣", "²", "a-", "-a", "a--b", "1_0", "_", ".", "a" * 64, "a" * 65, "a" * 129]
PIECES = st.lists(st.sampled_from([*"aZ09_-. \n", "é", "٣", ".onnx", "con", "a" * 63]), max_size=4).map(
    "".join
)
DAYS = st.lists(
    st.sampled_from(["2026", "02", "1", "31", "12", "0", ".", ".", "rc", ".post", "1000000", " ", "+1", "٣"]),
    max_size=9,
).map("".join)


def is_version(text: str) -> bool:
    try:
        names.parse_version(text)
    except GradusError:
        return False
    return True


def is_day(text: str) -> bool:
    found = VERSION.fullmatch(text)
    if found is None:
        return False
    try:
        np.datetime64(f"{int(found[1]):04}-{int(found[2]):02}-{int(found[3]):02}")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("holds", "pattern", "longest"),
    [(names.is_artifact_name, ARTIFACT, 64), (names.is_identifier, IDENTIFIER, math.inf)],
)
@given(text=st.sampled_from(ODD) | PIECES | st.text(max_size=5))
def test_a_name_is_what_the_pattern_allows(
    holds: Callable[[str], bool], pattern: re.Pattern[str], longest: float, text: str
) -> None:
    assert holds(text) == (len(text) <= longest and pattern.fullmatch(text) is not None)


@given(stem=st.sampled_from(ODD) | PIECES, ending=st.sampled_from(["", ".onnx", ".onnx\n", ".ONNX"]))
def test_a_graphs_file_is_what_the_pattern_allows_and_no_device(stem: str, ending: str) -> None:
    text = stem + ending
    device = re.fullmatch(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9])\.onnx", text) is not None
    allowed = GRAPH.fullmatch(text) is not None and not device
    if text not in ("golden.npz", "candles.npz", "card.md", "report.html"):
        assert names.is_file_name(text) == allowed


@given(text=DAYS)
def test_a_version_is_what_the_pattern_and_the_calendar_allow(text: str) -> None:
    assert is_version(text) == is_day(text)


@pytest.mark.parametrize(
    "text",
    ["2026.11.21", "2026.2.28rc0", "2026.1.1.post999999", "2026.12.31rc1.post2", "2000.1.1", "2999.12.31"],
)
def test_a_version_says_its_numbers(text: str) -> None:
    found = VERSION.fullmatch(text)
    assert found is not None
    year, month, day, candidate, post = (None if part is None else int(part) for part in found.groups())
    version = names.parse_version(text)
    assert (version.day.year, version.day.month, version.day.day) == (year, month, day)
    assert (version.candidate, version.post) == (candidate, post)


@pytest.mark.parametrize(
    "text",
    [
        "1999.1.1",
        "3000.1.1",
        "2026.2.30",
        "2026.02.3",
        "2026.1.1rc",
        "2026.1.1.post",
        "2026.1.1rc01",
        "2026.1.1.post1rc1",
        "2026.1.1rc1rc1",
        "2026.1.1.post1.post1",
        "2026.1.1rc1000000",
        "2026.1",
        "٢٠٢٦.1.1",
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    assert not is_version(text)


@example("1.27rc1.2")
@example("1.27.0+cpu.5")
@example("1..2")
@example("v1.2")
@given(text=st.lists(st.sampled_from(["1", "27", ".", "rc1", "+cpu", "٣", " "]), max_size=6).map("".join))
def test_a_release_is_its_leading_numbers(text: str) -> None:
    found = RELEASE.match(text)
    due = [int(part) for part in found[0].split(".")] if found else [0]
    assert release_of(text) == tuple((*due, 0, 0, 0)[:4])


@given(
    text=st.lists(st.sampled_from(['"', "\\", "[", "]", "{", "a", "\n", '\\"', "e999"]), max_size=12).map(
        "".join
    )
)
def test_a_bracket_in_a_string_does_not_count_and_one_outside_does(text: str) -> None:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    many = "[" * (strict_json.MAX_DEPTH - deepest)
    for data, deep in ((many + text, False), (many + "[" + text, True)):
        with pytest.raises(ManifestError) as e:
            strict_json.parse(data.encode(), place="x")
        assert ("nested" in str(e.value)) == (deep or (deepest == 0 and deep))


@example(['"generation": ', "0" * 18, ","])
@example(['"generation": ', "0" * 18, "1", ","])
@given(
    pieces=st.lists(
        st.sampled_from(['"generation": ', '"generation": 7}', "12", ",", "}", "\n", "0" * 18, "x", '\\"']),
        max_size=12,
    )
)
def test_the_highest_generation_of_a_history_is_the_one_that_the_pattern_finds(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    found = re.finditer(rb'"generation": ([0-9]{1,18})[,}]', data)
    due = max(found, key=lambda m: int(m[1]), default=None)
    assert max(history_file._generations(data), default=None) == (
        None if due is None else (int(due[1]), -due.start())
    )


def npz_of(header: bytes, body: bytes) -> bytes:
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body
    return npz_bytes({"a.npy": member})


def npz_bytes(entries: dict[str, bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<i8", "|b1", "|u1", ">f4", "<U3", "<M8[s]"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_read_as_numpy_reads_it(kind: str, shape: tuple[int, ...], order: str) -> None:
    array = np.arange(math.prod(shape)).astype(kind).reshape(shape, order=order)
    stream = io.BytesIO()
    npy.write_array(stream, array, version=(1, 0), allow_pickle=False)
    found = npz_file.read(npz_bytes({"a.npy": stream.getvalue()}), place="x")["a"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (02,), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,,), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1,), }\n",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }\n",
    "{'shape': (2,), 'descr': '<f4', 'fortran_order': False}\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}\n",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }x\n",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
    "",
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_any_form_is_read_as_numpy_reads_it_or_refused(header: str) -> None:
    body = np.array([1.5, 2.5], "<f4").tobytes()
    data = npz_of(header.encode("latin-1"), body)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            due = arrays["a"]
    except (ValueError, KeyError):
        with pytest.raises(DataError):
            npz_file.read(data, place="x")
    else:
        found = npz_file.read(data, place="x")["a"]
        assert (found.dtype, found.shape, found.tobytes()) == (due.dtype, due.shape, due.tobytes())


def test_json_whose_strings_hold_escapes_is_read() -> None:
    value = {"a[": 'x"]}\\', "b": ["\n", {"é": 1.5}]}
    assert strict_json.parse(json.dumps(value).encode(), place="x") == value
