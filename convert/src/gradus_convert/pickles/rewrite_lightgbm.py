"""Writes a LightGBM text model anew from checked values, so that the library parses only what we wrote.

Its parser trusts counts, offsets and node numbers. What is kept: objective, names, and of each tree features,
thresholds, decision types, children and leaf values, number by number as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from gradus_convert.pickles.inert import BrokenPickleError
from gradus_runtime.wording import counted

__all__ = ["rewrite"]

_MAX_CLASSES = 64
_MAX_COLUMNS = 1 << 20
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_OBJECTIVE = re.compile(r"[a-z_]+( [a-z_]+(:[-+.0-9e]+)?)*")
_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")

_END = ("end of trees", "", "parameters:", "end of parameters", "", "pandas_categorical:null", "")

_Need = Callable[[object, str], None]


def rewrite(text: str, place: str) -> str:
    """Return a model with the same trees.

    Raises:
        BrokenPickleError: A count or a node number does not hold, or a value is no number.
    """
    head, *blocks = text.split("\nTree=")

    def need(holds: object, rule: str, where: str = "header") -> None:
        if not holds:
            raise BrokenPickleError(rule, place=f"{place}: {where}")

    fields = _fields(head, need)
    classes = _whole(fields, "num_class", need)
    per_round = _whole(fields, "num_tree_per_iteration", need)
    columns = _whole(fields, "max_feature_idx", need) + 1
    need(1 <= classes <= _MAX_CLASSES, "a model must be of at most 64 classes")
    need(1 <= per_round <= _MAX_CLASSES, "a round must have 1 to 64 trees")
    need(len(blocks) % per_round == 0, "trees must come in whole rounds")
    need(1 <= columns <= _MAX_COLUMNS, "a model must have 1 to 1048576 columns")
    names = fields.get("feature_names", "").split(" ")
    need(len(names) == columns and all(n and n.isprintable() for n in names), "each column needs a name")
    objective = fields.get("objective", "none")
    need(_OBJECTIVE.fullmatch(objective), "the objective must be a word and its options")
    need(per_round == classes, f"a round must have a tree for each of the {classes} classes of the header")
    said = dict(option.partition(":")[::2] for option in objective.split(" ")[1:])
    need(
        said.get("num_class", str(classes)) == str(classes),
        f"the objective must be of as many classes as the header, {classes}",
    )
    version = fields.get("version", "v4")
    lines = ["tree", f"version={version if version in ('v2', 'v3', 'v4') else 'v4'}"]
    lines += [f"num_class={classes}", f"num_tree_per_iteration={per_round}", "label_index=0"]
    lines += [f"max_feature_idx={columns - 1}", f"objective={objective}"]
    lines += ["average_output"] if "average_output" in head.split("\n") else []
    lines += [f"feature_names={' '.join(names)}", f"feature_infos={' '.join(['none'] * columns)}", ""]
    for number, block in enumerate(blocks):
        where = f"tree {number}"
        body = block.split("\nend of trees")[0]
        lines += [f"Tree={number}", *_tree(body, columns, partial(need, where=where)), "", ""]
    return "\n".join(
        [*lines, "end of trees", "", "parameters:", "end of parameters", "", "pandas_categorical:null", ""]
    )


def _fields(block: str, need: _Need) -> dict[str, str]:
    need(not any(ord(c) < 32 and c not in "\n\t" for c in block), "a model must be plain text")
    pairs = [line.partition("=")[::2] for line in block.split("\n") if "=" in line]
    need(len({k for k, _ in pairs}) == len(pairs), "a key must occur once")
    return dict(pairs)


def _whole(fields: dict[str, str], key: str, need: _Need) -> int:
    text = fields.get(key, "")
    need(_WHOLE.fullmatch(text), f"{key} must be a whole number")
    return int(text)


def _tree(block: str, columns: int, need: _Need) -> list[str]:
    fields = _fields(block, need)
    leaves = _whole(fields, "num_leaves", need)
    need(fields.get("num_cat", "0") == "0", "splits must compare numbers, not categories")
    need(fields.get("is_linear", "0") == "0", "leaves must be constants")
    values = fields.get("leaf_value", "").split()
    need(leaves == len(values) > 0, f"num_leaves must be the number of leaf values, {len(values)}")
    need(all(map(_NUMBER.fullmatch, values)), "leaf values must be numbers")
    kept = {key: fields.get(key, "").split() if leaves > 1 else [] for key in _SPLITS}
    for key, items in kept.items():
        need(len(items) == leaves - 1, f"{key} must have {counted(leaves - 1, 'value')}")
        pattern = _NUMBER if key == "threshold" else _WHOLE
        need(all(map(pattern.fullmatch, items)), f"{key} must be numbers")
    need(
        all(0 <= int(f) < columns for f in kept["split_feature"]), "a split must look at a column that exists"
    )
    need(all(0 <= int(d) < 16 for d in kept["decision_type"]), "a decision type must be known")
    _children(kept["left_child"], kept["right_child"], leaves, need)
    zeros = {key: ["0"] * (leaves - 1) for key in ("split_gain", "internal_value", "internal_weight")}
    zeros["internal_count"] = zeros["split_gain"]
    lines = [f"num_leaves={leaves}", "num_cat=0"]
    lines += [f"{key}={' '.join(items)}" for key, items in (kept | zeros).items()]
    lines += [f"leaf_value={' '.join(values)}"]
    lines += [f"{key}={' '.join(['0'] * leaves)}" for key in ("leaf_weight", "leaf_count")]
    return [*lines, "is_linear=0", "shrinkage=1"]


def _children(left: Sequence[str], right: Sequence[str], leaves: int, need: _Need) -> None:
    """Splits stand behind their parent, leaf n is written as -n - 1, and each has one parent."""
    seen: set[int] = set()
    for parent, pair in enumerate(zip(left, right, strict=True)):
        for child in map(int, pair):
            known = parent < child < leaves - 1 or (child < 0 and -child <= leaves)
            need(known and child not in seen, "a child must stand behind its parent, and have one")
            seen.add(child)
    need(leaves == 1 or len(seen) == 2 * (leaves - 1), "a tree must reach each of its nodes")
