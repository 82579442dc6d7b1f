"""From one line of JSON to the artifact: the features graph travels, held to what training computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.train.test_expressions_of_a_run import ORDER, TRAINING

from gradus_convert.comparison.schema_changes import compare_schemas, load_schema_view
from gradus_convert.graphs.feature_rules import check_features_graph
from gradus_runtime.candles import GoldenCandles, read_golden_candles
from gradus_runtime.cli.main import main
from gradus_runtime.contracts import features_graph
from gradus_runtime.contracts.feature_order import load as load_order
from gradus_runtime.contracts.features_graph import FeaturesGraph, changed_inputs
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import DataError, IntegrityError, ManifestError
from gradus_runtime.rows.moments import read_moment
from gradus_runtime.serving.golden_replay import read_golden
from gradus_runtime.sessions.features_session import FeaturesSession, replay_golden_candles
from gradus_runtime.store import open_artifact
from gradus_train.config import load as config_of
from gradus_train.data.dataset import load_dataset
from gradus_train.data.source import DataSource
from gradus_train.market import simulate

OWN = {
    **ORDER,
    "groups": [
        {
            "name": "price",
            "features": [
                {"name": "atr_return", "expression": "delta(close, 4) / wilder(width, 14, 544)"},
                {"name": "hour", "expression": "hour"},
                {"name": "slow", "expression": 'resample("4h", ema(close, 3, 20)) / close'},
            ],
        },
        {"name": "rates", "features": [{"name": "rate", "expression": "daily(usd_jpy / close)"}]},
    ],
}
ARTIFACT = """
format = "gradus-artifact/1"
name = "own"
aliases = {}
runtime = { minimum = "1.20.0", known_bad = [] }
[decision]
confidence_threshold = 0.35
fallback_action = "HOLD"
fallback_confidence = 0.5
fallback_probabilities = [0.25, 0.5, 0.25]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("travel")
    files = simulate(folder / "market", bars=2500)
    (folder / "order.json").write_text(json.dumps(OWN))
    (folder / "training.toml").write_text(TRAINING + '[service]\norder = "declared"\n')
    (folder / "artifact.toml").write_text(ARTIFACT)
    train = ["--candles", files.candles, "--daily", files.macro, "--feature-order", folder / "order.json"]
    train += ["--config", folder / "training.toml", "--out", folder / "run", "--no-gate", "--jobs", "1"]
    convert = ["--run", folder / "run", "--store", folder / "own", "--config", folder / "artifact.toml"]
    convert += ["--version", "2026.1.2", "--pin", "--no-third-opinion", "--no-gate"]
    assert main(["train", *map(str, train)]) == 0
    assert main(["convert", *map(str, convert)]) == 0
    return folder


def test_the_ranges_of_the_guard_are_those_of_the_rows_that_the_models_were_fitted_on(made: Path) -> None:
    found = json.loads((made / "run/training_metadata.json").read_text())["run"]["found"]["shipped"]
    config, market = config_of(made / "training.toml"), made / "market"
    source = DataSource(market / "candles.csv", market / "macro.csv", settings=config.data)
    data = load_dataset(source, load_order(made / "order.json"), config.labels)
    first, last = (read_moment(found[end]).timestamp() * 1000 for end in ("start", "end"))
    stamps = data.timestamps
    fitted = (data.labels >= 0) & (stamps >= first) & (stamps <= last)
    alone = np.isfinite(data.features[:, :3]).all(axis=1)  # what the smaller of the two levels needs
    rows = data.features[fitted & alone]
    assert len(rows) == found["rows"] < len(stamps)
    with open_artifact(made / "own") as artifact:
        features = artifact.manifest.features
    assert tuple(f.name for f in features) == data.names
    ranges = [(f.minimum, f.maximum) for f in features]
    assert ranges == list(zip(np.nanmin(rows, 0).tolist(), np.nanmax(rows, 0).tolist(), strict=True))


def golden_of(made: Path) -> tuple[FeaturesSession, GoldenCandles]:
    with open_artifact(made / "own") as artifact:
        graph = artifact.manifest.features_graph
        assert graph is not None
        golden = read_golden_candles(artifact.read(graph.golden), place="candles.npz")
        return FeaturesSession(artifact.read(graph.file), graph.spec), golden


def test_the_artifact_has_the_graph_of_the_run_and_says_what_it_computes(made: Path) -> None:
    spec = features_graph.parse((made / "run/features.json").read_bytes(), place="features.json")
    with open_artifact(made / "own") as artifact:
        graph = artifact.manifest.features_graph
        assert graph is not None
        assert graph.spec == spec
        assert artifact.read("features.onnx") == (made / "run/features.onnx").read_bytes()
        assert parse(artifact.manifest_bytes) == artifact.manifest


def test_golden_candles_lead_from_candles_to_the_answers_of_every_level(made: Path) -> None:
    session, golden = golden_of(made)
    assert session.spec.names == ("atr_return", "hour", "slow", "rate")
    assert len(golden.features) == 8
    assert np.isfinite(golden.features).all()
    with open_artifact(made / "own") as artifact:
        rows = read_golden(artifact.read("golden.npz"), "golden.npz")
        assert artifact.manifest.golden.rows == len(rows.features) == 40
    assert rows.features[-8:].tobytes() == golden.features.tobytes()
    assert all(np.isfinite(rows.answers[level][-8:]).all() for level in ("all", "alone"))
    replay_golden_candles(session, golden, place="here")
    held = np.load(made / "run/holdout.npz")
    row = dict(zip(held["timestamps"].tolist(), held["features"], strict=True))
    same = [i for i, t in enumerate(golden.timestamps[-8:].tolist()) if t in row]
    assert len(same) >= 3
    for i in same:
        assert golden.features[i].tobytes() == row[golden.timestamps[-8:][i]].tobytes()


@pytest.mark.parametrize("column", ["close", "high", "volume"])
def test_golden_candles_see_another_price(made: Path, column: str) -> None:
    session, golden = golden_of(made)
    changed = {n: c * (1 + 1e-6 * (n == column)) for n, c in golden.columns.items()}
    if column == "volume":  # no feature uses it
        replay_golden_candles(session, replace(golden, columns=changed), place="here")
        return
    with pytest.raises(
        IntegrityError, match=r"golden candles must give the features of training, bit for bit.*atr"
    ):
        replay_golden_candles(session, replace(golden, columns=changed), place="here")


def test_validate_replays_them(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(made / "own"), "--json"]) == 0
    assert "golden candles" in capsys.readouterr().out


def test_a_run_whose_graph_was_changed_is_not_converted(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made / "run/features.onnx"
    data = path.read_bytes()
    path.write_bytes(data + b"\0")
    convert = ["--run", made / "run", "--store", made / "other", "--config", made / "artifact.toml"]
    try:
        assert main(["convert", *map(str, convert), "--version", "2026.1.3", "--no-gate"]) == 1
    finally:
        path.write_bytes(data)
    assert "a file must have the SHA-256" in capsys.readouterr().err


def test_the_same_run_gives_the_same_artifact(made: Path) -> None:
    convert = ["--run", made / "run", "--store", made / "again", "--config", made / "artifact.toml"]
    options = ["--version", "2026.1.2", "--no-third-opinion", "--no-gate"]
    assert main(["convert", *map(str, convert), *options]) == 0
    names = [p.name for p in (made / "own/versions/2026.1.2").iterdir()]
    assert {"features.onnx", "candles.npz"} <= set(names)
    for name in {*names} - {"build.json"}:
        first, second = (made / s / "versions/2026.1.2" / name for s in ("own", "again"))
        assert first.read_bytes() == second.read_bytes(), name


def changed(model: bytes, change: Callable[[onnx.ModelProto], object]) -> bytes:
    proto = onnx.load_from_string(model)
    change(proto)
    return proto.SerializeToString()


def test_only_plain_operators_are_published(made: Path) -> None:
    model = (made / "run/features.onnx").read_bytes()
    check_features_graph(model, "features.onnx")

    def exponential(proto: onnx.ModelProto) -> None:
        next(n for n in proto.graph.node if n.op_type == "Abs").op_type = "Exp"

    def outside(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="secret")

    with pytest.raises(IntegrityError, match="must consist of plain operators, but got 'Exp'"):
        check_features_graph(changed(model, exponential), "features.onnx")
    with pytest.raises(IntegrityError, match=r"data must be in the file itself|must be an ONNX file"):
        check_features_graph(changed(model, outside), "features.onnx")
    with pytest.raises(IntegrityError, match="a features graph must be an ONNX file"):
        check_features_graph(b"\xff\xff", "features.onnx")


def test_a_graph_with_other_ends_than_its_spec_is_refused(made: Path) -> None:
    session, _ = golden_of(made)
    model = (made / "run/features.onnx").read_bytes()
    with pytest.raises(IntegrityError, match=r"must take what its spec says, but got \['usd_jpy'\]"):
        FeaturesSession(model, replace(session.spec, daily=()))
    with pytest.raises(IntegrityError, match="must give 3 features"):
        FeaturesSession(model, replace(session.spec, features=session.spec.features[:3]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: {**g, "file": "other.onnx"},
            "every graph, the golden rows and the golden candles must be listed",
        ),
        (
            lambda g: {**g, "spec": {**g["spec"], "graph_sha256": "0" * 64}},
            "the digest must be that of the file",
        ),
        (lambda g: {**g, "spec": {**g["spec"], "bar_ms": 1}}, "bar_ms must be at least 60000"),
        (
            lambda g: {**g, "spec": {**g["spec"], "levels": [{**g["spec"]["levels"][0], "name": "x"}]}},
            "a level must exist",
        ),
        (lambda g: None, "a listed graph must belong to a level, or compute the features"),
    ],
)
def test_a_manifest_whose_graph_does_not_fit_is_refused(
    made: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    with open_artifact(made / "own") as artifact:
        value = json.loads(artifact.manifest_bytes)
    value["features_graph"] = change(value["features_graph"])
    with pytest.raises(ManifestError, match=message):
        parse(json.dumps(value).encode(), place="manifest")


def test_damaged_golden_candles_are_refused(made: Path) -> None:
    _, golden = golden_of(made)
    assert read_golden_candles(golden.to_bytes(), place="c").timestamps.tolist() == golden.timestamps.tolist()
    short = replace(golden, columns={**golden.columns, "low": golden.columns["low"][:-1]})
    with pytest.raises(DataError, match="c: low: arrays of golden candles must fit together"):
        read_golden_candles(short.to_bytes(), place="c")
    single = replace(golden, features=golden.features.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="c: features: arrays of golden candles must fit together"):
        read_golden_candles(single.to_bytes(), place="c")


def test_diff_names_expressions_that_changed(made: Path, tmp_path: Path) -> None:
    other = json.loads((made / "order.json").read_text())
    other["terms"]["width"] = "high - low + 0"
    other["groups"][0]["features"][1] = {"name": "hour", "definition": "from outside"}
    (tmp_path / "order.json").write_text(json.dumps(other))
    diff = compare_schemas(
        load_schema_view(str(made / "own")), load_schema_view(str(tmp_path / "order.json"))
    )
    assert [c.message for c in diff.changes] == [
        "width was 'high - low' and is 'high - low + 0'",
        "feature hour comes from outside now",
    ]


def test_a_pin_of_a_version_with_other_inputs_warns(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = json.loads((made / "order.json").read_text())
    other["groups"][0]["features"][2] = {"name": "slow", "expression": "lag(volume, 900) / close"}
    (tmp_path / "order.json").write_text(json.dumps(other))
    market = ["--candles", made / "market/candles.csv", "--daily", made / "market/macro.csv"]
    train = [*market, "--feature-order", tmp_path / "order.json", "--config", made / "training.toml"]
    store = tmp_path / "own"
    assert main(["train", *map(str, [*train, "--out", tmp_path / "run"]), "--no-gate", "--jobs", "1"]) == 0
    for run, version in ((made / "run", "2026.1.2"), (tmp_path / "run", "2026.1.3")):
        convert = ["--run", run, "--store", store, "--config", made / "artifact.toml", "--version", version]
        assert main(["convert", *map(str, convert), "--no-third-opinion", "--no-gate"]) == 0
    capsys.readouterr()
    assert main(["pin", "2026.1.2", "--store", str(store)]) == 0
    assert "other inputs" not in capsys.readouterr().err
    assert main(["pin", "2026.1.3", "--store", str(store)]) == 0
    said = capsys.readouterr().err
    assert "warning: 2026.1.3 takes other inputs than 2026.1.2: it needs more columns: volume" in said
    assert "it needs 901 bars and 1 date, before 544 and 1" in said
    assert main(["rollback", "--store", str(store)]) == 0
    assert "other inputs" not in capsys.readouterr().err
    spec = golden_of(made)[0].spec
    graph = FeaturesGraph("features.onnx", "candles.npz", spec)
    hourly = replace(graph, spec=replace(spec, bar_ms=3_600_000))
    assert changed_inputs(graph, hourly) == ("its bars are of 60 minutes, before of 15",)
    assert changed_inputs(graph, None) == ("it no longer takes candles",)
    assert changed_inputs(None, graph) == ("it now takes candles",)
    assert changed_inputs(None, None) == ()
