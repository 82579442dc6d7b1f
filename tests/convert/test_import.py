import json

import numpy as np
import pytest
from tests.support import legacy_models
from tests.support.legacy_models import NAMES, ProductionEnsemble, dump, ensemble, model, rows, short

from gradus_convert.artifact import assemble as building
from gradus_convert.pickles import imported as importing
from gradus_convert.pickles.imported import ImportRequest, import_spec
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.errors import ConfigError, DataError, UsageError
from gradus_runtime.store import Store, open_artifact

CLASSES = "SELL,HOLD,BUY"


def request(files, **changes):
    values = {"name": "btc-jpy", "version": "2026.11.21", "files": files, "classes": CLASSES}
    return ImportRequest(**{**values, **changes})


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A store with two imported levels, and the originals."""
    folder = tmp_path_factory.mktemp("import")
    full, basic = ensemble(), short(3)
    files = [
        "--level", f"level1={dump(folder, full, 'production_ensemble_full.pkl')}",
        "--level", f"level2={dump(folder, basic, 'production_ensemble.pkl')}",
    ]  # fmt: skip
    store = folder / "btc-jpy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "PROOF_ROWS", 500)
        options = ["--store", str(store), "--classes", CLASSES, "--pin", "--version", "2026.11.21"]
        assert main(["import", *files, *options]) == 0
    return store, full, basic


def vote(original, X):
    return sum(w * original.models[n].predict_proba(X) for n, w in original.weights.items())


def test_an_imported_ensemble_answers_as_the_original_did(imported):
    store, full, basic = imported
    X, _ = rows(seed=3)
    with Predictor.open(store) as bot:
        assert bot.feature_names_in_.tolist() == list(NAMES)
        answers = bot.predict(X, ordered=True, use_confidence=False)
        wanted = vote(full, X)
        np.testing.assert_allclose(answers.probabilities, wanted, rtol=0, atol=1e-6)
        assert answers.actions.tolist() == np.array(["SELL", "HOLD", "BUY"])[wanted.argmax(axis=1)].tolist()
        lower = bot.predict(X, ordered=True, unavailable=["part2"])
        assert set(lower.levels) == {"level2"}
        np.testing.assert_allclose(lower.probabilities, vote(basic, X[:, :3]), rtol=0, atol=1e-6)


def test_an_imported_artifact_validates_and_is_pinned(imported, capsys):
    store, _, _ = imported
    assert main(["validate", "--pinned", str(store)]) == 0
    assert Store(store).pin_state().version == "2026.11.21"


def test_the_manifest_says_what_was_proved_and_where_it_comes_from(imported):
    with open_artifact(imported[0]) as artifact:
        m = artifact.manifest
    assert m.policy is None  # imports keep the most probable class
    assert m.aliases == {"production_ensemble_full": "level1", "production_ensemble": "level2"}
    assert [[f.name for f in m.features if f.group == g] for g in ("part1", "part2")] == [
        list(NAMES[:3]), list(NAMES[3:]),
    ]  # fmt: skip
    for level in m.levels:
        assert level.parity.wrong_leaves == 0
        assert level.parity.leaf_checks > 0
        assert level.parity.boundary_rows > 0
    assert [(x.name, x.library, x.weight) for x in m.levels[0].members] == [
        ("lightgbm", "lightgbm", pytest.approx(0.4)),
        ("xgboost", "xgboost", pytest.approx(0.4)),
        ("random_forest", "sklearn", pytest.approx(0.2)),
    ]
    assert m.decision.fallback_probabilities == (0.25, 0.5, 0.25)
    assert (m.provenance.data_start, m.provenance.data_end, m.members_dropped) == (None, None, None)


def test_an_old_file_name_opens_the_level_it_became(imported):
    with pytest.warns(FutureWarning, match="production_ensemble"):
        bot = Predictor.open(imported[0] / "production_ensemble.pkl")
    with bot:
        assert bot.decide(dict.fromkeys(NAMES, 0.1)).level == "level2"


def test_the_same_files_give_the_same_artifact(imported, tmp_path, capsys, monkeypatch):
    store, full, basic = imported
    monkeypatch.setattr(building, "PROOF_ROWS", 500)
    files = [
        "--level", f"level1={dump(tmp_path, full, 'production_ensemble_full.pkl')}",
        "--level", f"level2={dump(tmp_path, basic, 'production_ensemble.pkl')}",
    ]  # fmt: skip
    again = ["--store", str(tmp_path / "btc-jpy"), "--classes", CLASSES, "--version", "2026.11.21", "--json"]
    assert main(["import", *files, *again, "--dry-run"]) == 0
    with open_artifact(store) as artifact:
        assert json.loads(capsys.readouterr().out)["digest"] == artifact.digest
    assert not (tmp_path / "btc-jpy").exists()


def test_single_model_files_take_weights_and_a_feature_order(tmp_path):
    order = {
        "format": "gradus-feature-order/1",
        "groups": [
            {"name": "market", "features": [{"name": n, "definition": ""} for n in NAMES[:3]]},
            {"name": "outside", "features": [{"name": n, "definition": ""} for n in NAMES[3:]]},
        ],
        "levels": [
            {"name": "full", "groups": ["market", "outside"]},
            {"name": "small", "groups": ["market"]},
        ],
    }
    path = tmp_path / "feature_order.json"
    path.write_text(json.dumps(order))
    files = tuple(
        dump(tmp_path, model(kind), f"{name}_model.pkl")
        for kind, name in (
            ("lightgbm", "lightgbm"),
            ("xgboost", "xgboost"),
            ("random forest", "random_forest"),
        )
    )
    weights = {"lightgbm": 2.0, "xgboost": 2.0, "random_forest": 0.0}
    spec = import_spec(request({"": files}, weights=weights, feature_order=path))
    (level,) = spec.levels
    assert level.name == "full"
    assert [(m.name, m.weight) for m in level.members] == [("lightgbm", 2.0), ("xgboost", 2.0)]
    assert spec.order.level("full").groups == ("market", "outside")
    assert spec.aliases == {}


def test_without_names_or_weights_the_message_says_what_to_give(tmp_path):
    files = tuple(dump(tmp_path, model(k), f"{k}.pkl") for k in ("lightgbm", "xgboost"))
    with pytest.raises(DataError, match="give --feature-order"):
        import_spec(request({"": files}))
    named = model("lightgbm, named, stopped early, text labels"), model("random forest, named, text labels")
    files = tuple(dump(tmp_path, m, f"m{i}.pkl") for i, m in enumerate(named))
    with pytest.raises(UsageError, match=r"Give --weights m0=\.\.\.,m1="):
        import_spec(request({"": files}, classes=None))


@pytest.mark.parametrize(
    ("classes", "names", "columns"),
    [
        ("BUY,SELL,HOLD", ("BUY", "SELL", "HOLD"), (2, 1, 0)),
        ("SELL=-1,HOLD=0,BUY=1", ("-1", "0", "1"), (2, 1, 0)),
        (None, ("BUY", "HOLD", "SELL"), (0, 1, 2)),
    ],
)
def test_text_labels_keep_their_columns_whatever_the_order(tmp_path, classes, names, columns):
    value = model("random forest, named, text labels")
    assert value.classes_.tolist() == ["BUY", "HOLD", "SELL"]
    if classes is not None and "=" not in classes:
        columns = tuple(names.index(c) for c in value.classes_)
    spec = import_spec(
        request({"": (dump(tmp_path, value, "m.pkl"),)}, classes=classes, fallback_action=names[0])
    )
    assert spec.classes == names
    assert spec.levels[0].members[0].classes == columns


def test_number_labels_are_named_in_their_order_or_by_pairs(tmp_path):
    path = dump(tmp_path, ensemble())
    spec = import_spec(request({"": (path,)}, classes="2=BUY,1=HOLD,0=SELL"))
    assert spec.classes == ("BUY", "HOLD", "SELL")
    assert {m.classes for m in spec.levels[0].members} == {(2, 1, 0)}
    with pytest.raises(UsageError, match=r"but got 'HOLD'\. Classes: 0, 1, 2"):
        import_spec(request({"": (path,)}, classes=None))


@pytest.mark.parametrize("classes", ["A,B", "0=A,1=B,9=C", "0=A,1=A,2=B"])
def test_names_that_do_not_fit_the_labels_are_refused(tmp_path, classes):
    with pytest.raises(UsageError, match="--classes"):
        import_spec(request({"": (dump(tmp_path, ensemble()),)}, classes=classes))


def test_two_classes_and_booster_level_objects_are_imported(tmp_path):
    models = {"a": model("lightgbm booster", 2), "b": model("xgboost booster", 2)}
    value = ProductionEnsemble(models, [0.5, 0.5], list(NAMES))
    spec = import_spec(request({"": (dump(tmp_path, value),)}, classes="SELL,BUY", fallback_action="SELL"))
    assert spec.classes == ("SELL", "BUY")
    assert spec.decision.fallback_probabilities == (0.5, 0.5)
    X, _ = rows(2, seed=4)
    member = spec.levels[0].members[1]
    import xgboost as xgb

    np.testing.assert_allclose(
        member.native.probabilities(X)[:, 1], models["b"].predict(xgb.DMatrix(X)), rtol=0, atol=1e-7
    )


def test_boosters_without_labels_have_those_of_the_ensemble_in_its_order(tmp_path):
    value = ProductionEnsemble({"a": model("lightgbm booster"), "b": model("lightgbm")}, [1, 1], list(NAMES))
    value.classes = ["SELL", "HOLD", "BUY"]
    spec = import_spec(request({"": (dump(tmp_path, value),)}, classes="BUY,HOLD,SELL"))
    assert spec.classes == ("BUY", "HOLD", "SELL")
    assert [m.classes for m in spec.levels[0].members] == [(2, 1, 0), (2, 1, 0)]


def test_labels_that_the_ensemble_lacks_are_refused(tmp_path):
    value = ProductionEnsemble({"a": model("lightgbm")}, [1], list(NAMES))
    value.classes = [1, 2, 3]
    with pytest.raises(DataError, match="a member's labels must be those of the ensemble, but got \\[0\\]"):
        import_spec(request({"": (dump(tmp_path, value),)}))
    value = ProductionEnsemble({"a": model("lightgbm booster")}, [1], list(NAMES))
    value.classes = ["SELL", "BUY"]
    with pytest.raises(DataError, match="a member without labels must have 2 columns, but got 3"):
        import_spec(request({"": (dump(tmp_path, value),)}, classes=None, fallback_action="SELL"))


def test_a_voting_classifier_with_text_labels_keeps_them(tmp_path):
    import lightgbm as lgb
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier

    X, y = rows()
    words = np.array(["SELL", "HOLD", "BUY"])[y]
    members = [
        ("lgb", lgb.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1)),
        ("rf", RandomForestClassifier(2)),
    ]
    value = VotingClassifier(members, voting="soft").fit(legacy_models.table(X), words)
    spec = import_spec(request({"": (dump(tmp_path, value),)}, classes=CLASSES))
    assert spec.classes == ("SELL", "HOLD", "BUY")
    assert [m.classes for m in spec.levels[0].members] == [(2, 1, 0), (2, 1, 0)]


def test_rows_give_ranges_histograms_and_real_golden_rows(tmp_path):
    X, _ = rows()
    path = tmp_path / "rows.csv"
    legacy_models.table(X).to_csv(path, index=False)
    spec = import_spec(request({"": (dump(tmp_path, ensemble()),)}, rows=path))
    np.testing.assert_array_equal(spec.holdout, X)
    fact = spec.facts["close"]
    assert (fact.minimum, fact.maximum) == (float(X[:, 0].min()), float(X[:, 0].max()))
    assert sum(fact.histogram.counts) == len(X)
    edges = np.array(fact.histogram.edges)
    wanted = np.bincount(np.searchsorted(edges, X[:, 0], side="left"), minlength=len(edges) + 1)
    assert fact.histogram.counts == tuple(wanted.tolist())


def test_rows_without_a_feature_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("close\n1\n")
    with pytest.raises(DataError, match="rows must have each feature, but got 'volume'"):
        import_spec(request({"": (dump(tmp_path, ensemble()),)}, rows=path))


def test_a_feature_without_rows_has_no_facts():
    assert importing._facts(np.full(3, np.nan, np.float32)) is None


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["close", "volume", "rsi_14", "usd_jpy", "1st"], "a feature's name must start with a letter"),
        (["close", "close", "rsi_14", "usd_jpy", "dxy"], "a feature must occur once"),
    ],
)
def test_names_that_cannot_be_features_are_refused(tmp_path, names, rule):
    value = ensemble()
    value.feature_names = names
    with pytest.raises(DataError, match=rule):
        import_spec(request({"": (dump(tmp_path, value),)}))


def test_levels_that_do_not_nest_are_refused(tmp_path):
    other = short(3)
    other.feature_names = ["volume", "close", "rsi_14"]
    files = {"level1": (dump(tmp_path, ensemble()),), "level2": (dump(tmp_path, other, "other.pkl"),)}
    with pytest.raises(DataError, match="level2 must have some of the features of level1, in the same order"):
        import_spec(request(files))


def test_a_feature_order_that_does_not_fit_is_refused_with_the_first_difference(tmp_path):
    features = [{"name": n, "definition": ""} for n in ("close", "volume", "macd", "usd_jpy", "dxy")]
    order = {
        "format": "gradus-feature-order/1",
        "groups": [{"name": "g", "features": features}],
        "levels": [{"name": "level1", "groups": ["g"]}],
    }
    path = tmp_path / "feature_order.json"
    path.write_text(json.dumps(order))
    with pytest.raises(DataError, match="rsi_14 instead of macd"):
        import_spec(request({"": (dump(tmp_path, ensemble()),)}, feature_order=path))
    with pytest.raises(DataError, match="the 5 features of level1"):
        import_spec(request({"level1": (dump(tmp_path, short(3)),)}, feature_order=path))
    with pytest.raises(ConfigError, match="a level must be defined"):
        import_spec(request({"level9": (dump(tmp_path, ensemble()),)}, feature_order=path))
    nameless = ProductionEnsemble(short(3).models, [1.0], None)
    with pytest.raises(DataError, match="Levels have level1: 5"):
        import_spec(request({"": (dump(tmp_path, nameless),)}, feature_order=path))


def test_an_expiring_artifact_needs_the_end_of_its_data(tmp_path):
    import dataclasses

    files = {"": (dump(tmp_path, ensemble()),)}
    decision = dataclasses.replace(import_spec(request(files)).decision, max_age_days=30.0)
    with pytest.raises(UsageError, match="Give --data-end"):
        import_spec(request(files, decision=decision))
    spec = import_spec(request(files, decision=decision, data_end="2026-11-14"))
    assert spec.provenance.data_end == "2026-11-14T00:00:00Z"
    for bad in ("yesterday", "2026-11-14T00:00:00+09:00"):
        with pytest.raises(UsageError, match="--data-end"):
            import_spec(request(files, data_end=bad))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "files must be given, either alone or by level"),
        (["x.pkl", "--level", "level1=y.pkl"], "files must be given, either alone or by level"),
        (["--level", "level1"], "a level must be given once, as NAME=FILE"),
        (["--level", "a=x", "--level", "a=y"], "a level must be given once, as NAME=FILE"),
        (["x.pkl", "--weights", "a"], "a weight must be NAME=NUMBER"),
        (["x.pkl", "--weights", "a=-1"], "a weight must be at least 0"),
        (["x.pkl", "--version", "1.0"], "a version must be a calendar version"),
        (["x.pkl"], "a model file must be readable"),
    ],
)
def test_a_wrong_command_line_is_wrong_use(tmp_path, capsys, options, message):
    assert main(["import", *options, "--store", str(tmp_path / "btc-jpy")]) == 2
    assert message in capsys.readouterr().err


def test_a_store_folder_that_cannot_be_an_artifacts_name_is_wrong_use(tmp_path, capsys):
    assert main(["import", "x.pkl", "--store", str(tmp_path / "BTC_JPY")]) == 2
    assert "lower-case words joined by single hyphens" in capsys.readouterr().err


def test_a_configuration_names_the_artifact_and_its_decision(tmp_path):
    from argparse import ArgumentParser
    from pathlib import Path

    from gradus_convert.commands.import_ import COMMAND, import_request_of

    parser = ArgumentParser()
    COMMAND.configure(parser)
    shipped = Path(__file__).resolve().parents[2] / "config" / "artifact.toml"
    config = tmp_path / "artifact.toml"
    config.write_text(shipped.read_text("utf-8").replace('# name = "btc-jpy"', 'name = "btc-jpy"'), "utf-8")
    store = str(tmp_path / "any_folder")
    got = import_request_of(
        parser.parse_args(["x.pkl", "--store", store, "--config", str(config), "--weights", "a=1"])
    )
    assert got.name == "btc-jpy"
    assert got.decision.confidence_threshold == 0.35
    assert got.aliases["production_ensemble"] == "level2"
    assert got.weights == {"a": 1.0}


def test_weights_must_name_each_member(tmp_path):
    files = {"": (dump(tmp_path, ensemble()),)}
    with pytest.raises(UsageError, match="Members: lightgbm, xgboost, random_forest"):
        import_spec(request(files, weights={"lightgbm": 1.0}))
    zero = dict.fromkeys(ensemble().models, 0.0)
    with pytest.raises(UsageError, match="a member must have a weight above 0"):
        import_spec(request(files, weights=zero))


def test_levels_with_other_labels_are_refused(tmp_path):
    texts = ProductionEnsemble({"rf": model("random forest, named, text labels")}, [1.0], list(NAMES))
    files = {"level1": (dump(tmp_path, texts),), "level2": (dump(tmp_path, short(3), "short.pkl"),)}
    with pytest.raises(DataError, match="the levels must have the same classes"):
        import_spec(request(files))


def test_a_member_that_lacks_a_class_votes_for_those_it_has(tmp_path):
    import lightgbm as lgb

    X, y = rows()
    some = y != 1
    partial = lgb.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X[some], y[some])
    models = {"whole": model("lightgbm"), "partial": partial}
    spec = import_spec(request({"": (dump(tmp_path, ProductionEnsemble(models, [1, 1], list(NAMES))),)}))
    assert [m.classes for m in spec.levels[0].members] == [(0, 1, 2), (0, 2)]


def test_a_refused_file_publishes_nothing_and_ends_with_1(tmp_path, capsys):
    from tests.support import hostile_pickles

    canary = tmp_path / "canary"
    path = tmp_path / "x.pkl"
    path.write_bytes(hostile_pickles.running(canary)["behind a model"][0])
    assert main(["import", str(path), "--store", str(tmp_path / "btc-jpy"), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"] == "UnsafePickleError"
    assert not canary.exists()
    assert not (tmp_path / "btc-jpy").exists()


def test_the_bound_of_a_file_can_be_set(tmp_path, capsys):
    path = dump(tmp_path, ensemble())
    assert main(["import", str(path), "--store", str(tmp_path / "btc-jpy"), "--max-bytes", "1000"]) == 1
    assert "at most 1000 bytes" in capsys.readouterr().err


def test_an_import_that_does_not_know_its_data_says_so_and_never_a_year(imported, capsys):
    store = ["--store", str(imported[0])]
    for command in (["list", *store], ["info", *store], ["info", *store, "--json"]):
        assert main(command) == 0
        shown = capsys.readouterr().out
        assert "1970" not in shown
        assert "unknown" in shown or "--json" in command
    with open_artifact(imported[0]) as artifact:
        card = artifact.read("card.md").decode()
    assert "1970" not in card
    assert "When the data ends is unknown" in card


def test_an_import_that_does_not_know_its_data_cannot_be_given_an_age(imported):
    with pytest.raises(UsageError, match="the end of the training data must be known"):
        Predictor.open(imported[0], max_age_days=30)


def test_ranges_that_an_import_does_not_have_are_not_called_ok(imported, tmp_path, capsys):
    X, _ = rows(seed=3)
    path = tmp_path / "rows.csv"
    legacy_models.table(X).to_csv(path, index=False)
    assert main(["validate", str(imported[0]), "--against", str(path)]) == 0
    out = capsys.readouterr().out
    assert "the artifact has no training ranges (imported without --rows)" in out
    assert "ranges: ok" not in out
