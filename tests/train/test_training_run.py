import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.support.training import ORDER, make_dataset, quick_config, without_class

from gradus_runtime.contracts import feature_order, run_folder
from gradus_runtime.errors import DataError, UsageError
from gradus_train.run.run import train
from gradus_train.training.prepare import latest_days, prepare
from gradus_train.training.progress import Silent

USUAL = ("lightgbm", "xgboost", "random_forest")
OTHERS = ("extra_trees", "hist_gradient_boosting", "logistic_regression")


def digests(folder):
    """Every file of a run but the metadata, which holds timings."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != run_folder.METADATA
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with the usual members, and where it is."""
    out = tmp_path_factory.mktemp("run") / "current"
    plan = prepare(make_dataset(), ORDER, quick_config(USUAL))
    return plan, out, train(plan, out, jobs=2, progress=Silent())


def test_a_run_folder_holds_what_the_contract_says(finished):
    plan, out, outcome = finished
    run = run_folder.load(out)
    assert run == outcome.run
    assert [level.name for level in run.levels] == ["level1", "level2", "level3"]
    for level in run.levels:
        assert [m.name for m in level.members] == list(USUAL)
        for member in level.members:
            data = (out / member.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == member.sha256
            assert member.classes == (0, 1, 2)
    assert feature_order.load(out / "feature_order.json") == ORDER
    held = np.load(out / "holdout.npz", allow_pickle=False)
    assert hashlib.sha256((out / "holdout.npz").read_bytes()).hexdigest() == run.holdout_sha256
    assert len(held["labels"]) == run.holdout_rows == len(plan.timeline.holdout)
    assert held["features"].dtype == np.float32
    assert not (out / "parts").exists()


def test_no_file_of_a_run_is_a_pickle(finished):
    _, out, _ = finished
    for path in out.rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith(b"\x80"), path
    np.load(out / "oof.npz", allow_pickle=False)


def test_the_metadata_says_what_the_models_depend_on(finished):
    plan, out, _ = finished
    value = json.loads((out / run_folder.METADATA).read_text())
    provenance = value["run"]["provenance"]
    assert provenance["seed"] == 3
    assert provenance["data_sha256"] == plan.dataset.data_sha256
    assert provenance["libraries"]["lightgbm"]
    assert provenance["simulated"] is True
    assert value["training"]["config"]["members"][0]["parameters"]["n_estimators"] == 6
    assert value["training"]["timings"]["fitting"] > 0


def test_out_of_fold_probabilities_are_of_test_rows_only(finished):
    plan, out, _ = finished
    oof = np.load(out / "oof.npz", allow_pickle=False)
    tested = np.concatenate([f.test for f in plan.timeline.folds])
    inside = np.isin(plan.timeline.development, tested)
    assert np.isnan(oof["level3"][~inside]).all()
    assert oof["level3"][inside].sum(axis=1) == pytest.approx(1.0)
    assert oof["level3.lightgbm"].shape == oof["level3"].shape


def test_the_levels_learn_the_rule_and_more_features_learn_more_of_it(finished):
    _, _, outcome = finished
    losses = [level.metrics["log_loss"] for level in outcome.run.levels]
    assert losses[0] < losses[1] < losses[2]
    for level in outcome.run.levels:
        assert level.metrics["log_loss"] < level.metrics["baseline_priors_log_loss"]
    assert outcome.run.levels[0].metrics["baseline_level_below_log_loss"] == losses[1]


def test_feature_statistics_are_of_training_rows(finished):
    plan, _, outcome = finished
    rows = plan.dataset.features[plan.timeline.development]
    first = outcome.run.features[0]
    assert (first.name, first.minimum) == ("b0", pytest.approx(float(rows[:, 0].min())))
    assert sum(first.histogram.counts) == len(rows)
    assert len(first.histogram.counts) == len(first.histogram.edges) + 1
    outside = outcome.run.features[3]
    assert sum(outside.histogram.counts) == int(np.isfinite(rows[:, 3]).sum())


def test_the_same_run_gives_the_same_bytes_whatever_the_number_of_jobs(finished, tmp_path):
    plan, out, _ = finished
    train(plan, tmp_path / "again", jobs=1, progress=Silent())
    assert digests(tmp_path / "again") == digests(out)


def test_other_members_are_a_matter_of_configuration_and_as_repeatable(tmp_path):
    plan = prepare(make_dataset(), ORDER, quick_config(OTHERS), ["level3"])
    outcome = train(plan, tmp_path / "one", jobs=2, progress=Silent())
    assert [m.file.rpartition(".")[2] for m in outcome.run.levels[0].members] == ["skops"] * 3
    assert (
        outcome.run.levels[0].metrics["log_loss"] < outcome.run.levels[0].metrics["baseline_priors_log_loss"]
    )
    train(plan, tmp_path / "two", jobs=1, progress=Silent())
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_nothing_in_training_depends_on_the_holdout(finished, tmp_path):
    plan, _, _ = finished
    features, labels = plan.dataset.features.copy(), plan.dataset.labels.copy()
    features[plan.timeline.holdout] *= -3
    labels[plan.timeline.holdout] = 0
    config = quick_config(USUAL, vote={"weights": "optimise"}, imbalance={"smote": True})
    for name, data in (("a", plan.dataset), ("b", replace(plan.dataset, features=features, labels=labels))):
        train(prepare(data, ORDER, config), tmp_path / name, jobs=2, progress=Silent())
    first, second = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert first.pop("holdout.npz") != second.pop("holdout.npz")
    assert first == second
    weights = [run_folder.load(tmp_path / name).levels[0].members for name in "ab"]
    assert [m.weight for m in weights[0]] == [m.weight for m in weights[1]]


def test_a_fold_is_not_changed_by_what_comes_after_it(finished, tmp_path):
    plan, out, _ = finished
    later = plan.timeline.folds[0].test.max() + 1
    features, labels = plan.dataset.features.copy(), plan.dataset.labels.copy()
    features[later:, :2] = 7.0
    labels[later:-4] = np.arange(len(labels) - later - 4) % 3
    other = prepare(replace(plan.dataset, features=features, labels=labels), ORDER, plan.config, ["level3"])
    train(other, tmp_path / "run", jobs=2, progress=Silent())
    mine, theirs = (np.load(folder / "oof.npz")["level3"] for folder in (out, tmp_path / "run"))
    first = np.isin(plan.timeline.development, plan.timeline.folds[0].test)
    assert (mine[first] == theirs[first]).all()
    assert not np.array_equal(mine[~first], theirs[~first], equal_nan=True)


def test_another_seed_gives_other_models(finished, tmp_path):
    plan, _, _ = finished
    small = quick_config(("random_forest",))
    for seed in (1, 2):
        other = prepare(plan.dataset, ORDER, small.with_seed(seed), ["level3"])
        train(other, tmp_path / str(seed), jobs=2, progress=Silent())
    file = "levels/level3/random_forest.skops"
    assert (tmp_path / "1" / file).read_bytes() != (tmp_path / "2" / file).read_bytes()


def test_one_level_alone_is_the_level_of_the_full_run(finished, tmp_path):
    plan, out, _ = finished
    one = prepare(plan.dataset, ORDER, plan.config, ["level2"])
    outcome = train(one, tmp_path / "one", jobs=2, progress=Silent())
    assert [level.name for level in outcome.run.levels] == ["level2"]
    for path in (tmp_path / "one" / "levels/level2").iterdir():
        assert path.read_bytes() == (out / "levels/level2" / path.name).read_bytes()


def test_a_fold_without_a_class_keeps_all_classes_in_its_probabilities(tmp_path):
    calm = without_class(without_class(make_dataset(), 0, slice(0, 500)), 2, slice(0, 300))
    plan = prepare(calm, ORDER, quick_config(("lightgbm", "xgboost", "random_forest")))
    outcome = train(plan, tmp_path / "run", jobs=2, progress=Silent())
    oof = np.load(tmp_path / "run" / "oof.npz")
    said = oof["level3.lightgbm"][np.isin(plan.timeline.development, plan.timeline.folds[0].test)]
    assert said.shape[1] == 3
    assert said.sum(axis=1) == pytest.approx(1.0)
    assert (said[:, 0] == 0).all()
    first = outcome.details.levels[2].folds[0].scores
    assert first is not None
    assert len(first.ensemble.confusion) == 3


def test_a_final_model_without_a_class_names_the_classes_it_has(tmp_path):
    dataset = without_class(make_dataset(), 0, slice(0, 710))
    plan = prepare(dataset, ORDER, quick_config(("lightgbm", "xgboost", "random_forest")), ["level3"])
    outcome = train(plan, tmp_path / "run", jobs=2, progress=Silent())
    assert {m.classes for m in outcome.run.levels[0].members} == {(1, 2)}


def test_one_class_alone_is_refused():
    dataset = without_class(without_class(make_dataset(), 0, slice(None)), 2, slice(None))
    with pytest.raises(
        DataError, match=r"training rows must hold at least two classes.*Lower labels.threshold"
    ):
        prepare(dataset, ORDER, quick_config())


def test_a_level_whose_features_are_absent_is_refused_with_a_way_out():
    dataset = make_dataset()
    features = dataset.features.copy()
    features[:, 3] = np.nan
    gone = replace(dataset, features=features)
    with pytest.raises(DataError, match=r"level1 needs at least 100 rows.*train other levels: --level"):
        prepare(gone, ORDER, quick_config())
    assert [p.name for p in prepare(gone, ORDER, quick_config(), ["level2", "level3"]).levels] == [
        "level2",
        "level3",
    ]


def test_a_fold_before_the_outside_series_begins_is_left_out_of_level1_alone(tmp_path):
    dataset = make_dataset()
    features = dataset.features.copy()
    features[:400, 3] = np.nan
    plan = prepare(replace(dataset, features=features), ORDER, quick_config(("random_forest",)))
    assert list(plan.levels[0].skipped) == [1]
    assert not plan.levels[1].skipped
    outcome = train(plan, tmp_path / "run", jobs=2, progress=Silent())
    assert outcome.details.levels[0].folds[0].scores is None
    assert "have all features of level1" in str(outcome.details.levels[0].folds[0].skipped)


def test_the_latest_days_are_counted_from_the_last_bar():
    dataset = make_dataset()
    assert latest_days(dataset, 2).sum() == 192
    with pytest.raises(UsageError, match="days must be at least 1"):
        latest_days(dataset, 0)


def test_a_folder_that_is_no_run_is_not_written_to(finished, tmp_path):
    plan, _, _ = finished
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"--out must be new, empty, or a run folder.*letters.txt"):
        train(plan, tmp_path, jobs=1, progress=Silent())
    with pytest.raises(UsageError, match="--out must be a folder"):
        train(plan, tmp_path / "letters.txt", jobs=1, progress=Silent())
