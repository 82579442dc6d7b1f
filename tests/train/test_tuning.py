import json
from dataclasses import replace

import numpy as np
import optuna
import pytest
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_runtime.errors import ConfigError, DataError, UsageError
from gradus_train.config import parameters_of
from gradus_train.kinds import KINDS
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent
from gradus_train.tuning.parameters import Found, load_into, save
from gradus_train.tuning.search import search, study_name
from gradus_train.tuning.space import start, suggest
from gradus_train.tuning.storage import open_storage


def plan_of(kinds=("logistic_regression",), levels=("level3",), **changes):
    return prepare(make_dataset(), ORDER, quick_config(kinds, **changes), list(levels))


def found_by(plan, place, n_trials=6, worker=0, jobs=2):
    storage = open_storage(str(place))
    return search(plan, storage, n_trials=n_trials, jobs=jobs, progress=Silent(), worker=worker)


def test_a_search_with_the_same_seed_finds_the_same(tmp_path):
    plan = plan_of(("lightgbm", "logistic_regression"), ("level1", "level3"))
    first = found_by(plan, tmp_path / "a.log", jobs=2)
    again = found_by(plan, tmp_path / "b.log", jobs=1)
    assert first == again
    assert [(f.level, f.member) for f in first] == [
        ("level1", "lightgbm"),
        ("level1", "logistic_regression"),
        ("level3", "lightgbm"),
        ("level3", "logistic_regression"),
    ]
    assert {f.trials for f in first} == {6}


def test_the_search_never_does_worse_than_the_parameters_it_starts_from(tmp_path):
    plan = plan_of(("lightgbm",), ("level1",))
    start_only = found_by(plan, tmp_path / "one.log", n_trials=1)[0]
    more = found_by(plan, tmp_path / "more.log", n_trials=8)[0]
    assert start_only.parameters["max_depth"] == 3
    assert more.log_loss <= start_only.log_loss


def test_the_holdout_is_not_read_by_the_search(tmp_path):
    plan = plan_of(("lightgbm",), ("level1",))
    labels = plan.dataset.labels.copy()
    features = plan.dataset.features.copy()
    labels[plan.timeline.holdout] = 0
    features[plan.timeline.holdout] = 0
    other = replace(plan, dataset=replace(plan.dataset, labels=labels, features=features))
    assert found_by(plan, tmp_path / "a.log", 3) == found_by(other, tmp_path / "b.log", 3)


def test_a_study_goes_on_where_it_was_left(tmp_path):
    plan = plan_of()
    found_by(plan, tmp_path / "j.log", n_trials=3)
    assert found_by(plan, tmp_path / "j.log", n_trials=5)[0].trials == 5
    assert found_by(plan, tmp_path / "j.log", n_trials=5)[0].trials == 5


def test_workers_share_a_study_and_draw_differently(tmp_path):
    plan = plan_of()
    found_by(plan, tmp_path / "j.log", n_trials=4, worker=0)
    assert found_by(plan, tmp_path / "j.log", n_trials=8, worker=1)[0].trials == 8
    folds = [t for t in plan.tasks if not t.final]
    name = study_name(sorted(folds, key=lambda t: t.key.fold))
    study = optuna.load_study(study_name=name, storage=open_storage(str(tmp_path / "j.log")))
    drawn = [t.params["C"] for t in study.trials]
    assert len(set(drawn)) == len(drawn)


def test_hopeless_trials_are_pruned(tmp_path):
    plan = plan_of(("lightgbm",), ("level1",), split={"folds": 3})
    assert found_by(plan, tmp_path / "j.log", n_trials=16)[0].pruned > 0


def test_other_data_is_another_study():
    names = []
    for seed in (1, 2):
        plan = prepare(make_dataset(seed=seed), ORDER, quick_config(), ["level3"])
        names.append(study_name([t for t in plan.levels[0].tasks if not t.final]))
    assert names[0] != names[1]
    assert names[0].startswith("level3.")


def test_a_level_without_a_usable_fold_cannot_be_tuned(tmp_path):
    dataset = make_dataset()
    features = dataset.features.copy()
    features[:600, 3] = np.nan
    plan = prepare(replace(dataset, features=features), ORDER, quick_config(), ["level1"])
    with pytest.raises(DataError, match="tuning needs at least one fold with enough rows"):
        found_by(plan, tmp_path / "j.log")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_space_and_keeps_what_it_does_not_search(kind):
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    drawn = suggest(trial, kind, {"n_estimators": 7})
    assert drawn["n_estimators"] == 7
    assert {d.name for d in KINDS[kind].space} <= drawn.keys()
    for d in KINDS[kind].space:
        assert d.low <= drawn[d.name] <= d.high


def test_the_search_starts_from_what_lies_in_the_space():
    assert start("lightgbm", {"max_depth": 8, "learning_rate": 5.0, "num_leaves": True}) == {"max_depth": 8}


def test_parameters_are_written_and_read_back(tmp_path):
    config = quick_config()
    path = tmp_path / "sub" / "parameters.json"
    save(path, [Found("level2", "lightgbm", 0.5, 10, 3, {"max_depth": 9, "learning_rate": 0.05})])
    tuned = load_into(config, path)
    assert parameters_of(tuned, "level2", config.members[0]) == {
        "n_estimators": 6,
        "max_depth": 9,
        "num_leaves": 7,
        "learning_rate": 0.05,
    }
    assert parameters_of(tuned, "level1", config.members[0])["max_depth"] == 3
    assert json.loads(path.read_text())["studies"][0]["trials"] == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "gradus-tuned/9", "levels": {}}', "format must be 'gradus-tuned/1'"),
        ('{"format": "gradus-tuned/1", "levels": []}', "levels must be an object"),
        ('{"format": "gradus-tuned/1", "levels": {"level1": 3}}', "a level must be an object"),
        ('{"format": "gradus-tuned/1", "levels": {"level1": {"ghost": {}}}}', "must be in the configuration"),
        (
            '{"format": "gradus-tuned/1", "levels": {"level1": {"lightgbm": {"seed": 1}}}}',
            "not be one that gradus",
        ),
        ("not json", "a file must be JSON"),
    ],
)
def test_a_parameters_file_that_breaks_a_rule_is_refused(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_into(quick_config(), tmp_path / "p.json")


def test_a_parameters_file_that_is_absent_is_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="tuned parameters must be readable"):
        load_into(quick_config(), tmp_path / "none.json")


def test_a_storage_that_is_no_url_is_wrong_use():
    with pytest.raises(UsageError, match="--storage must be a path, or a database URL"):
        open_storage("nosuchdatabase://here")


def test_a_database_that_does_not_answer_is_a_failure_of_the_environment():
    with pytest.raises(Exception, match=r"must answer|driver must be installed") as caught:
        open_storage("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    assert getattr(caught.value, "exit_code", None) == 3
