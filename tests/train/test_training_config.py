import tomllib
from pathlib import Path

import pytest
from tests.support.training import config_table, quick_config

from gradus_live.labels import FixedHorizon
from gradus_runtime.errors import ConfigError, UsageError
from gradus_train import config as configuration
from gradus_train.config import load, parameters_of, parse
from gradus_train.kinds import KINDS
from gradus_train.training.member import trainer_of

ROOT = Path(__file__).parents[2]


def test_the_shipped_configuration_is_what_practitioners_use():
    config = load(ROOT / "config/training.toml")
    assert [(m.name, m.weight) for m in config.members] == [
        ("lightgbm", 0.4),
        ("xgboost", 0.4),
        ("random_forest", 0.2),
    ]
    assert all(m.class_weight == 0 for m in config.members)  # balanced ones are worse than the priors
    assert config.members[0].parameters["n_estimators"] == 200
    assert config.members[2].parameters["max_depth"] == 12
    assert (config.split.folds, config.early_stopping.rounds) == (5, 20)
    assert config.labels == FixedHorizon(4, 0.005)
    assert config.split.gap == 0


def test_every_kind_that_may_be_configured_has_a_trainer():
    for kind in KINDS.values():
        trainer = trainer_of(kind)
        assert callable(trainer.fit)
        assert callable(trainer.best_rounds)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"split": {"gap": 3}}, "split.gap must be at least labels.horizon"),
        ({"split": {"folds": 1}}, "split.folds must be at least 2"),
        ({"split": {"holdout": 0.6}}, r"split.holdout must lie in \(0, 0.5\)"),
        ({"split": {"fold": 3}}, "a key must be known"),
        ({"seed": -1}, "seed must lie in"),
        ({"seed": "one"}, "an integer is needed"),
        ({"vote": {"kind": "loud"}}, "vote.kind must be 'soft' or 'hard'"),
        ({"vote": {"weights": "guess"}}, "vote.weights must be 'fixed' or 'optimise'"),
        ({"early_stopping": {"tail": 0.0}}, "early_stopping.tail must lie in"),
        ({"early_stopping": {"rounds": -1}}, "early_stopping.rounds must be at least 0"),
        ({"labels": {"horizon": 0}}, "a horizon must be at least 1 bar"),
        ({"members": []}, "at least one member"),
        ({"members": ["lightgbm"]}, "a member must be a table"),
        ({"format": "gradus-training/9"}, "format must be 'gradus-training/2' or 'gradus-training/1'"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(changes, text):
    with pytest.raises(ConfigError, match=text):
        parse(config_table(**changes), place="training.toml")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "perceptron"}, "a kind must be known.*Choose from lightgbm"),
        ({"name": "../x"}, "a member's name must start with a letter or _ and hold letters a to z"),
        ({"name": "modèle"}, "a member's name must start with a letter or _ and hold letters a to z"),
        ({"name": "a" * 200}, "a member's name must start with a letter or _ and hold letters a to z"),
        ({"weight": 0.0}, "weight must be above 0"),
        ({"class_weight": 2.0}, "class_weight must lie in"),
        ({"parameters": {"num_threads": 8}}, "must not be one that gradus sets itself.*remove the line"),
        ({"parameters": {"max_depth": [1, 2]}}, "a parameter must be text, a number or true/false"),
        ({"parameters": 3}, "a table of parameters is needed"),
        (
            {"parameters": {"learning_rate": float("nan")}},
            "learning_rate: a parameter must be a finite number",
        ),
        ({"parameters": {"reg_alpha": float("inf")}}, "reg_alpha: a parameter must be a finite number"),
    ],
)
def test_a_broken_member_is_named_with_its_place(change, text):
    table = config_table()
    table["members"][1] = {**table["members"][1], **change}
    with pytest.raises(ConfigError, match=text) as caught:
        parse(table, place="training.toml")
    assert "members[1]" in str(caught.value) or "training.toml" in str(caught.value)


def test_members_must_have_different_names():
    table = config_table()
    table["members"][1]["name"] = table["members"][0]["name"]
    with pytest.raises(ConfigError, match="a member's name must occur once"):
        parse(table, place="training.toml")


def test_a_file_that_is_not_there_or_not_toml_is_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="must be readable"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("seed = = 1")
    with pytest.raises(ConfigError, match="must be TOML"):
        load(tmp_path / "bad.toml")


def test_the_digest_follows_every_setting():
    base = quick_config()
    assert base.sha256() == quick_config().sha256()
    assert base.sha256() != quick_config(seed=4).sha256()
    assert base.with_seed(4).sha256() == quick_config(seed=4).sha256()
    assert base.with_seed(None) is base


def test_tuned_parameters_win_over_the_files():
    table = config_table()
    config = parse(table, place="training.toml")
    member = config.members[0]
    tuned = configuration.replace(config, tuned={"level1": {"lightgbm": {"max_depth": 9}}})
    assert parameters_of(tuned, "level1", member)["max_depth"] == 9
    assert parameters_of(tuned, "level2", member)["max_depth"] == 3
    assert tuned.sha256() != config.sha256()


def test_the_shipped_configuration_comments_are_valid_toml():
    assert tomllib.loads((ROOT / "config/training.toml").read_text())["format"] == configuration.FORMAT


def test_format_1_keeps_its_meaning_in_format_2():
    old = config_table()
    new = {
        **old,
        "format": "gradus-training/2",
        "labels": {"kind": "fixed_horizon", **old["labels"]},
        "service": {"order": "declared"},
        "last_fit": {"on": False},
        "policy": {"kind": "argmax"},
        "data": {**old.get("data", {}), "bridge_bars": 0},
    }
    before, after = parse(old, place="training.toml"), parse(new, place="training.toml")
    assert configuration.replace(after, table_reach=4) == before
    assert before.table_reach == 4


def test_format_2_has_defaults_for_labels_and_gap():
    table = {**config_table(), "format": "gradus-training/2", "split": {"folds": 2, "holdout": 0.2}}
    del table["labels"]
    config = parse(table, place="training.toml")
    assert config.labels == FixedHorizon(4, 0.005)
    assert config.split.gap == 0
    assert config.to_json()["labels"]["kind"] == "fixed_horizon"


@pytest.mark.parametrize(
    ("section", "value", "text"),
    [
        ("labels", {"kind": "triple_barrier"}, "training.toml: labels: this kind of label needs take_profit"),
        ("labels", {"kind": "column"}, "needs reach. How many bars"),
        ("labels", {"horizon": 0}, "training.toml: labels.horizon: a horizon must be at least 1 bar"),
        ("labels", [3], "training.toml: labels: a table is needed"),
        ("split", {"folds": 2, "gap": 3, "holdout": 0.2}, "split.gap must be at least 4, the reach"),
    ],
)
def test_format_2_names_what_is_wrong_with_labels(section, value, text):
    table = {**config_table(), "format": "gradus-training/2", section: value}
    with pytest.raises(ConfigError, match=text):
        parse(table, place="training.toml")


@pytest.mark.parametrize(
    ("kind", "parameters", "text"),
    [
        ("lightgbm", {"linear_tree": True}, "linear_tree must be False: other models have no exact form"),
        ("xgboost", {"booster": "gblinear"}, "booster must be 'gbtree' or 'dart'"),
        ("xgboost", {"multi_strategy": "multi_output_tree"}, "multi_strategy must be 'one_output_per_tree'"),
    ],
)
def test_what_conversion_would_refuse_is_refused_before_training(kind, parameters, text):
    table = config_table()
    table["members"][0] = {**table["members"][0], "kind": kind, "parameters": parameters}
    with pytest.raises(ConfigError, match=text):
        parse(table, place="training.toml")
    table["members"][0]["parameters"] = {key: KINDS[kind].exact[key][0] for key in parameters}
    assert parse(table, place="training.toml").members[0].kind == kind


@pytest.mark.parametrize("name", ["", "BUY\n", "B" * 65])
def test_a_class_must_be_called_as_a_manifest_can_say(name):
    table = config_table(labels={"classes": ["SELL", "HOLD", name]})
    with pytest.raises(ConfigError, match="class"):
        parse(table, place="training.toml")


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_of_the_command_line_is_held_to_the_rule_of_the_file(seed):
    with pytest.raises(UsageError, match=r"--seed: a seed must lie in \[0, 2\*\*31\)"):
        quick_config().with_seed(seed)
    assert quick_config().with_seed(5).seed == 5


def test_members_are_left_out_with_the_weights_of_the_others_renormalised():
    config = load(ROOT / "config/training.toml")
    less = config.without_members(["lightgbm"])
    assert [(m.name, m.weight) for m in less.members] == [
        ("xgboost", pytest.approx(2 / 3)),
        ("random_forest", pytest.approx(1 / 3)),
    ]
    assert less.members_dropped == ("lightgbm",)
    assert less.to_json()["members_dropped"] == ["lightgbm"]
    assert "members_dropped" not in config.to_json()
    assert config.without_members([]) is config
    with pytest.raises(UsageError, match=r"a member must be known, but got 'lstm'\. Members: lightgbm, xgb"):
        config.without_members(["lstm"])
    with pytest.raises(UsageError, match="at least one member must be left"):
        config.without_members([m.name for m in config.members])
