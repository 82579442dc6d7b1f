"""`gradus init --upgrade`: a folder of format 1 becomes one of today, and means what it meant."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from gradus_runtime.cli.main import main
from gradus_runtime.contracts import feature_order
from gradus_runtime.errors import EnvironmentFailedError
from gradus_train import config as configuration
from gradus_train.evaluation import gates
from gradus_train.features.compilation import resolved
from gradus_train.init import upgrade, upgrade_folder

COMPAT = Path(__file__).resolve().parents[1] / "compat"
TRAINING = """\
# How our levels are trained.
format = "gradus-training/1"   # the first one
seed = 42

[labels]   # one hour ahead
horizon = 4          # bars
threshold = 0.005    # 0.5 %
classes = ["SELL", "HOLD", "BUY"]

[split]
folds = 5
gap = 6              # two more than needed
holdout = 0.15

[early_stopping]
rounds = 20
tail = 0.15
refit = true

[imbalance]
smote = false

[vote]
kind = "soft"
weights = "fixed"

[[members]]
name = "forest"
kind = "random_forest"
weight = 1.0
class_weight = 1.0
[members.parameters]
n_estimators = 200   # no more: memory
"""
GATES = """\
format = 'gradus-gates/1'
[[gates]]
level = "*"
metric = "f1_weighted"
at_least = 0.6    # agreed in spring
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "training.toml").write_text(TRAINING)
    (tmp_path / "gates.toml").write_text(GATES)
    order = (COMPAT / "feature-order-1" / "feature_order.json").read_bytes()
    (tmp_path / "feature_order.json").write_bytes(order)
    (tmp_path / "artifact.toml").write_text("# not ours to touch\n")
    return tmp_path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_file_has_the_format_of_today_and_the_meaning_of_before(folder: Path) -> None:
    before = configuration.load(folder / "training.toml")
    order, rules = feature_order.load(folder / "feature_order.json"), gates.load(folder / "gates.toml")
    assert main(["init", "--upgrade", str(folder)]) == 0
    after = configuration.load(folder / "training.toml")
    assert tomllib.loads((folder / "training.toml").read_text())["format"] == "gradus-training/2"
    assert {**after.to_json(), "table_reach": 4} == before.to_json()
    assert tomllib.loads((folder / "gates.toml").read_text())["format"] == "gradus-gates/2"
    assert gates.load(folder / "gates.toml") == rules
    upgraded = feature_order.load(folder / "feature_order.json")
    assert upgraded.format == "gradus-feature-order/2"
    assert (upgraded.names, upgraded.levels) == (order.names, order.levels)
    assert upgraded == resolved(order)


def test_no_line_is_lost_but_that_of_the_format(folder: Path) -> None:
    before = bytes_of(folder)
    main(["init", "--upgrade", str(folder)])
    after = bytes_of(folder)
    for name in ("training.toml", "gates.toml"):
        kept = iter(after[name].decode().splitlines())
        for line in before[name].decode().splitlines():
            due = line.replace("/1", "/2").replace("'", '"') if line.startswith("format") else line
            assert due in kept, line  # in the same order: `in` goes on where it stood
    assert after["artifact.toml"] == before["artifact.toml"]
    words = {f["name"]: f["definition"] for g in json.loads(before["feature_order.json"])["groups"]
             for f in g["features"]}  # fmt: skip
    found = {f["name"]: f.get("definition") for g in json.loads(after["feature_order.json"])["groups"]
             for f in g["features"]}  # fmt: skip
    assert found == words


def test_a_second_time_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "--upgrade", str(folder)])
    first, out = bytes_of(folder), capsys.readouterr().out
    for text in (
        "kind is fixed_horizon",
        "[policy] kind =",
        "label_reach",
        "always says HOLD",
        "expressions",
    ):
        assert text in out
    assert main(["init", "--upgrade", str(folder)]) == 0
    assert bytes_of(folder) == first
    assert "nothing was written" in capsys.readouterr().out


def test_a_folder_that_is_half_of_today_is_finished(folder: Path) -> None:
    main(["init", "--upgrade", str(folder)])
    due = bytes_of(folder)
    (folder / "gates.toml").write_text(GATES)
    assert [f.path.name for f in upgrade_folder(folder)] == ["gates.toml"]
    assert bytes_of(folder) == due


def test_lines_that_end_as_on_windows_still_do(folder: Path) -> None:
    (folder / "training.toml").write_bytes(TRAINING.replace("\n", "\r\n").encode())
    main(["init", "--upgrade", str(folder)])
    data = (folder / "training.toml").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 40


def test_a_section_of_data_keeps_its_keys(folder: Path) -> None:
    own = TRAINING.replace("[labels]", '[data] # ours\ntimezone = "Asia/Tokyo"\n\n[labels]')
    (folder / "training.toml").write_text(own)
    before = configuration.load(folder / "training.toml")
    main(["init", "--upgrade", str(folder)])
    after = configuration.load(folder / "training.toml")
    assert (after.data, after.data.bridge_bars) == (before.data, 0)


LABELS = TRAINING[TRAINING.index("[labels]") : TRAINING.index("[split]")]
DOTTED = 'labels.horizon = 4\nlabels.threshold = 0.005\nlabels.classes = ["SELL", "HOLD", "BUY"]\n'


@pytest.mark.parametrize(
    "training",
    [
        TRAINING.replace(LABELS, "").replace("seed = 42\n", f"seed = 42\n{DOTTED}"),
        TRAINING + 'criterion = """\n[policy]\n"""\n',
        TRAINING.replace("gap = 6", "gap = 3"),
    ],
    ids=["dotted keys", "a section in a text", "a broken rule"],
)
def test_what_cannot_be_edited_safely_leaves_every_file_as_it_was(
    folder: Path, training: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "training.toml").write_text(training)
    before = bytes_of(folder)
    code = main(["init", "--upgrade", str(folder)])
    assert (code, bytes_of(folder)) == (2, before)
    assert "training.toml" in capsys.readouterr().err


def test_a_disk_that_fails_half_way_leaves_every_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calls, whole = bytes_of(folder), [], upgrade.write_whole

    def fails(path: Path, data: bytes) -> None:
        calls.append(path.name)
        if len(calls) == 3:
            raise EnvironmentFailedError("a file must be writable", place=str(path))
        whole(path, data)

    monkeypatch.setattr(upgrade, "write_whole", fails)
    with pytest.raises(EnvironmentFailedError):
        upgrade_folder(folder)
    assert calls[:3] == ["training.toml", "feature_order.json", "gates.toml"]
    assert bytes_of(folder) == before


def test_a_folder_without_a_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--upgrade", str(tmp_path)]) == 2
    assert "training.toml, feature_order.json, gates.toml" in capsys.readouterr().err
    assert main(["init", "--upgrade", str(tmp_path), "--force"]) == 2
    assert "--from, --out and --force must not be given" in capsys.readouterr().err
