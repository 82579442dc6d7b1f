"""What is read takes time and memory by the size of the file, whatever the file says."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.support import limited
from tests.support.limited import MIB

from gradus_runtime.contracts import npz_file
from gradus_runtime.errors import DataError, GradusError, IntegrityError
from gradus_runtime.serving.golden_replay import read_golden

GOLDEN = Path(__file__).parents[1] / "golden" / "trio" / "2026.11.21"


def nested(depth, width=2):
    """A list of lists that name the one below again and again: small, but its text is exponential."""
    value = [1]
    for _ in range(depth):
        value = [value] * width
    return value


class Loud:
    """A value whose text is longer than memory."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


@pytest.mark.parametrize(
    "value",
    [
        nested(40),
        {"a": nested(40)},
        (nested(40), nested(40)),
        {1: tuple(nested(40))},
        np.array([None, nested(40)], dtype=object),
        [0] * 10_000_000,
        "x" * 50_000_000,
        b"x" * 50_000_000,
        1 << 10_000_000,
        dict.fromkeys(range(1_000_000)),
        set(range(1_000_000)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_an_error_shows_any_value_in_bounded_time_and_length(value):
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1
        assert steps < 20_000

    sys.setprofile(count)
    try:
        text = str(GradusError("a rule must hold", place="p" * 10_000, value=value, hint="h" * 10_000))
    finally:
        sys.setprofile(None)
    assert len(text) < 2_000
    assert "a rule must hold, but got " in text


@pytest.mark.parametrize(
    "value",
    [
        "a", 1, 1.5, -0.0, True, (1,), (), [], {}, {"a": [1, (2, None)]}, [b"x", "y"], {3}, frozenset({"k"}),
        set(), np.float32(1.5), Path("x"), {"a": {"b": [1.0, 2.0]}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_short_value_is_shown_as_python_shows_it(value):
    assert str(GradusError("r", value=value)) == f"r, but got {value!r}"


@pytest.mark.parametrize("value", [list(range(100)), "x" * 200, {i: i for i in range(90)}])
def test_a_long_value_is_cut_where_it_always_was(value):
    assert str(GradusError("r", value=value)) == f"r, but got {repr(value)[:117]}..."


def test_a_value_of_another_class_is_shown_by_its_own_text_cut():
    assert str(GradusError("r", value=Loud("y" * 500))) == f"r, but got {'y' * 117}..."


BAD_MANIFESTS = {
    "levels": [{} for _ in range(300_000)],
    "features": [0 for _ in range(400_000)],
    "classes": ["" for _ in range(250_000)],
    "files": [[] for _ in range(300_000)],
}


@pytest.mark.parametrize("key", sorted(BAD_MANIFESTS))
def test_validating_a_manifest_with_an_error_at_every_byte_takes_little_memory(tmp_path, key):
    manifest = json.loads((GOLDEN / "manifest.json").read_text())
    manifest[key] = BAD_MANIFESTS[key]
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest, separators=(",", ":")))
    assert path.stat().st_size < MIB
    done = limited.gradus("validate", str(path), memory=700 * MIB)
    assert done.returncode == 1, done.stderr[-500:]
    assert "more than 200 errors" in done.stdout + done.stderr


def bomb(**arrays):
    """An npz whose arrays are compressed."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def overlapping(count):
    """A stored npz whose directory names one array many times."""
    file = io.BytesIO()
    np.savez(file, features=np.zeros((1000, 100), np.float32))
    data = file.getvalue()
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, tail = data[at:end], bytearray(data[end:])
    name = entry.index(b"features.npy")
    entries = b"".join(entry[:name] + b"f%07d.npy" % i + entry[name + 12 :] for i in range(count))
    tail[8:12] = 2 * count.to_bytes(2, "little")
    tail[12:16] = len(entries).to_bytes(4, "little")
    return data[:at] + entries + bytes(tail)


def test_golden_rows_that_unpack_to_more_than_their_file_are_refused_before_they_are_read():
    data = bomb(features=np.zeros((5_000_000, 10), np.float32))
    assert len(data) < 2 * MIB
    with pytest.raises(IntegrityError, match=r"g\.npz: an npz file must hold at most \d+ bytes of arrays"):
        read_golden(data, "g.npz")


def test_golden_rows_that_name_one_array_many_times_are_refused_before_they_are_read():
    data = overlapping(5_000)
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[4_999].file_size > 400_000
    with pytest.raises(IntegrityError, match="an npz file must hold at most"):
        read_golden(data, "g.npz")


def test_a_reloading_bot_takes_little_memory_whatever_its_golden_rows_unpack_to(tmp_path):
    path = tmp_path / "g.npz"
    path.write_bytes(bomb(features=np.zeros((50_000_000, 10), np.float32)))
    code = (
        "import sys; from pathlib import Path; from gradus_runtime.serving.golden_replay import read_golden\n"
        "try: read_golden(Path(sys.argv[1]).read_bytes(), 'g.npz')\n"
        "except Exception as e: print(type(e).__name__)"
    )
    done = limited.run(["-c", code, str(path)], memory=900 * MIB)
    assert done.stdout == "IntegrityError\n", done.stderr[-500:]


def test_arrays_are_read_as_they_were_written():
    file = io.BytesIO()
    wanted = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(["x", "yy"])}
    np.savez(file, **wanted)
    found = npz_file.read(file.getvalue(), place="x.npz")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    compressed = npz_file.read(bomb(**wanted), place="x.npz", max_bytes=1000)
    np.testing.assert_array_equal(compressed["a"], wanted["a"])


def spoilt(change):
    file = io.BytesIO()
    np.savez(file, a=np.arange(6, dtype=np.float32))
    data = bytearray(file.getvalue())
    change(data)
    return bytes(data)


def with_member(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK", "an npz file must be readable"),
        (spoilt(lambda d: d.__setitem__(slice(60, 70), bytes(10))), "an npz file must be readable"),
        (spoilt(lambda d: d.__setitem__(185, 255)), "an npz file must be readable"),
        (with_member("a.npy", b"not an array"), "an npz file must be readable"),
        (with_member("a.txt", b"x"), "an npz file must hold arrays NAME.npy alone"),
        (with_member("a.npy", npy(np.zeros(4))[:-8]), "an array must have as many bytes as its shape asks"),
        (with_member("a.npy", npy(np.zeros(4)) + b"more"), "an array must have as many bytes as its shape"),
        (with_member("a.npy", npy(np.array([{}], dtype=object))), "an array must hold plain values"),
    ],
)  # fmt: skip
def test_what_is_no_plain_npz_is_refused_by_rule(data, message):
    with pytest.raises(DataError, match=message):
        npz_file.read(data, place="x.npz", max_bytes=1 << 20)


def test_a_cause_follows_a_colon_in_one_line_and_is_bounded() -> None:
    error = DataError("a file must be readable", place="x.csv", cause="Is a\ndirectory.", hint="Name a file.")
    assert str(error) == "x.csv: a file must be readable: Is a directory. Name a file."
    assert len(str(DataError("a rule must hold", cause="x" * 10_000))) < 400
