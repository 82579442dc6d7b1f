"""What documents say of versions, tolerances and counts is what the code and the configuration have.

`STATED` lists the statements: where, the sentence with its figures marked, and where the figures come from. A
sentence that is reworded must be found again here. Figures that were measured stand beside the command that
makes them, and examples are run (`test_blocks.py`); no list has those.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gradus_convert.artifact import golden_rows
from gradus_convert.graphs.treeops import NEEDS_ONNXRUNTIME
from gradus_convert.parity import model_proof, proof
from gradus_convert.pickles import machine, pickle_files, run
from gradus_runtime.contracts import feature_order, strict_json
from gradus_runtime.contracts.manifest import CLOSE
from gradus_runtime.journal import folder
from gradus_runtime.serving import retry
from gradus_runtime.store import write_lock
from gradus_train.walk import outages, totals, week

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted({*PROJECT.glob("*.md"), *PROJECT.glob("*/README.md"), *PROJECT.glob("docs/*.md")})
RUNTIME = tomllib.loads((PROJECT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"]


def pythons() -> tuple[str, ...]:
    first, beyond = re.findall(r"3\.(\d+)", RUNTIME["requires-python"])
    return f"3.{first}", f"3.{int(beyond) - 1}"


def lowest() -> tuple[str, ...]:
    (found,) = [need for need in RUNTIME["dependencies"] if need.startswith("onnxruntime")]
    (lowest,) = re.findall(r">=([0-9.]+)", found)
    return (lowest,)


def needs_of_treeops5() -> tuple[str, ...]:
    return (NEEDS_ONNXRUNTIME["treeops5"],)


def excluded() -> tuple[str, ...]:
    (found,) = [need for need in RUNTIME["dependencies"] if need.startswith("onnxruntime")]
    return tuple(sorted(re.findall(r"!=([0-9.]+)", found), reverse=True))


def features_of_levels() -> tuple[str, ...]:
    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    sizes = {group.name: len(group.features) for group in order.groups}
    return tuple(str(sum(sizes[name] for name in level.groups)) for level in order.levels)


def tolerance(value: float) -> Callable[[], tuple[str, ...]]:
    return lambda: (f"{value:g}".replace("e-0", "e-"),)


PYTHON = r"Python (3\.\d+) (?:to|から) (3\.\d+)"
STATED: tuple[tuple[str, str, Callable[[], tuple[str, ...]]], ...] = (
    ("README.md", PYTHON, pythons),
    ("README.ja.md", PYTHON, pythons),
    ("runtime/README.md", PYTHON, pythons),
    ("docs/exactness.md", r"on every onnxruntime from ([0-9.]+),", lowest),
    ("docs/encodings.md", r"`compact` \(default\) \|[^|]*\| onnxruntime ([0-9.]+) ", lowest),
    ("docs/encodings.md", r"`treeops` \|[^|]*\| onnxruntime ([0-9.]+) ", lowest),
    (
        "docs/encodings.md",
        r"`treeops5` \|[^|]*\| onnxruntime ([0-9.]+) ",
        lambda: (NEEDS_ONNXRUNTIME["treeops5"],),
    ),
    (
        "docs/security.md",
        r"onnxruntime ([0-9.]+) is excluded: [^.]*\. ([0-9.]+) computes",
        excluded,
    ),
    (
        "docs/exactness.md",
        r"agree with the library's within (\S+) and the label",
        tolerance(proof.PROOF_TOLERANCE),
    ),
    (
        "docs/exactness.md",
        r"\*\*Probabilities\*\* of the level within (\S+) and",
        tolerance(proof.PROOF_TOLERANCE),
    ),
    ("docs/exactness.md", r"those of others within (\S+)\.\n", tolerance(golden_rows.GOLDEN_TOLERANCE)),
    ("docs/exactness.md", r'a member without trees \| `"(\S+)"`', lambda: (CLOSE,)),
    ("docs/exactness.md", r'an artifact of format 1 \| `"(\S+)"`', lambda: (CLOSE,)),
    (
        "docs/runtime.md",
        r"else within the manifest's tolerance \((\S+)\)",
        tolerance(golden_rows.GOLDEN_TOLERANCE),
    ),
    ("docs/models.md", r"values within (\S+) of what the leaves", tolerance(model_proof.RELATIVE)),
    (
        "docs/migrating.md",
        r"same probabilities within (\S+), for rows of float32",
        tolerance(proof.PROOF_TOLERANCE),
    ),
    ("docs/upgrading.md", r'and bits `"(\S+)"`', lambda: (CLOSE,)),
    (
        "README.md",
        r"level 1 on (\d+) features,\s+level 2 without the outside APIs \((\d+)\), level 3 [^(]*\((\d+)\)",
        features_of_levels,
    ),
    (
        "README.ja.md",
        r"レベル 1 は (\d+) 特徴量、\s*レベル 2 は外部 API なしの (\d+)、レベル 3 は[^\d]*の (\d+)、",
        features_of_levels,
    ),
)


LIMITS: tuple[tuple[str, str, Callable[[], tuple[str, ...]]], ...] = (
    ("docs/migrating.md", r"bounded memory \((\d+) GiB,", lambda: (str(run._MEMORY >> 30),)),
    ("docs/migrating.md", r"and time \((\d+) minutes,", lambda: (f"{run._SECONDS / 60:g}",)),
    (
        "docs/migrating.md",
        r"Sizes are bounded: (\d+) GiB for a file",
        lambda: (str(pickle_files.MAX_BYTES >> 30),),
    ),
    (
        "docs/migrating.md",
        r"`--max-bytes`\), (\d+) million opcodes",
        lambda: (str(machine.MAX_OPCODES // 1_000_000),),
    ),
    (
        "docs/runtime.md",
        r"tried again: after (\d+) s, then 2, 4, 8, 16 and (\d+) minutes",
        lambda: (f"{retry.FIRST_PAUSE:g}", f"{retry.LONGEST_PAUSE / 60:g}"),
    ),
    (
        "docs/runtime.md",
        r"level that served for (\d+) minutes starts with (\d+) s again",
        lambda: (f"{retry.LONGEST_PAUSE / 60:g}", f"{retry.FIRST_PAUSE:g}"),
    ),
    (
        "docs/security.md",
        r"`manifest.json` \(at most (\d+) MiB\)",
        lambda: (str(strict_json.MAX_BYTES >> 20),),
    ),
    (
        "docs/validation.md",
        r"UTF-8, at most (\d+) MiB, at most (\d+) deep",
        lambda: (str(strict_json.MAX_BYTES >> 20), str(strict_json.MAX_DEPTH)),
    ),
    (
        "docs/journal.md",
        r"a new file each day \(UTC\) and after (\d+) MiB",
        lambda: (str(folder.MAX_BYTES >> 20),),
    ),
    (
        "docs/store.md",
        r"They wait up to a (minute)",
        lambda: ("minute" if write_lock.LOCK_SECONDS == 60 else "",),
    ),
    ("docs/walk.md", r"at random places of each week, (\d+) times", lambda: (str(week._DRAWS),)),
    ("docs/walk.md", r"in stretches of (\d+) bars on average", lambda: (str(outages._MEAN_BARS),)),
    ("docs/walk.md", r"bootstrap over blocks of (\d+) days", lambda: (str(totals.BLOCK_DAYS),)),
)
"""What is stated of limits and settings, and the constants that they are."""

STATED += LIMITS


@pytest.mark.parametrize(
    ("document", "sentence", "source"),
    STATED,
    ids=[f"{document}-{sentence[:40]}" for document, sentence, _ in STATED],
)
def test_a_stated_figure_is_that_of_the_code(
    document: str, sentence: str, source: Callable[[], tuple[str, ...]]
) -> None:
    found = re.findall(sentence, (PROJECT / document).read_text("utf-8"))
    assert found, f"{document} does not say this any more: {sentence}"
    for figures in found:
        assert ((figures,) if isinstance(figures, str) else tuple(figures)) == source()


def test_every_range_of_pythons_and_every_lowest_onnxruntime_is_listed() -> None:
    stated = {(document, sentence) for document, sentence, _ in STATED}
    for path in DOCUMENTS:
        name, text = path.relative_to(PROJECT).as_posix(), path.read_text("utf-8")
        if name == "CHANGELOG.md":
            continue
        for pattern in (PYTHON, r"every onnxruntime from ([0-9.]+)"):
            for match in re.finditer(pattern, text):
                listed = [s for document, s in stated if document == name and re.search(s, text)]
                assert any(
                    other.start() <= match.start() <= other.end()
                    for s in listed
                    for other in re.finditer(s, text)
                ), f"{name}: list this statement in STATED: {match[0]}"
