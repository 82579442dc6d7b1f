import dataclasses

import numpy as np
import pytest
from benchmarks.market import Table, order, table
from benchmarks.recipes import RECIPES
from benchmarks.reference import reference

from gradus_runtime.contracts import run_folder


@pytest.fixture
def random_table(monkeypatch):
    """Random rows with every class, instead of the market's."""

    def table(rows: int, seed: int) -> Table:
        random = np.random.default_rng(seed)
        features = random.normal(size=(rows, len(order().names))).astype(np.float32)
        return Table(features, np.arange(rows) % 3, 1000 * np.arange(rows), ("SELL", "HOLD", "BUY"))

    monkeypatch.setattr("benchmarks.reference.table", table)


def test_a_recipe_has_the_same_digest_until_something_in_it_changes():
    recipe = RECIPES["large"]
    assert recipe.digest() == dataclasses.replace(recipe).digest()
    assert recipe.digest() != dataclasses.replace(recipe, estimators=201).digest()
    assert recipe.digest() != recipe.digest(lightgbm="0")


def test_the_table_is_complete_and_the_same_for_the_same_seed():
    first, second = table(300, 1), table(300, 1)
    assert np.isfinite(first.features).all()
    assert first.features.dtype == np.float32
    assert first.features.shape == (300, len(order().names))
    assert set(first.labels.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(first.features, second.features)


def test_extra_levels_each_lack_one_more_group():
    levels = order(extra_levels=1).levels
    assert levels[-1].groups == levels[-2].groups[:-1]


def test_a_reference_is_a_run_folder_and_is_trained_once(tmp_path, monkeypatch, random_table):
    tiny = dataclasses.replace(RECIPES["small"], rows=200, holdout=20, estimators=2, levels=("level3",))
    monkeypatch.setitem(RECIPES, "small", tiny)
    folder = reference("small", tmp_path)
    run = run_folder.load(folder)
    assert [m.name for m in run.levels[0].members] == ["lightgbm", "xgboost", "random_forest"]
    assert np.load(folder / "holdout.npz")["features"].shape == (20, len(order().names))
    written = (folder / run_folder.METADATA).stat().st_mtime_ns
    assert reference("small", tmp_path) == folder
    assert (folder / run_folder.METADATA).stat().st_mtime_ns == written


def test_slices_are_the_first_trees_of_their_source(tmp_path, monkeypatch, random_table):
    from lightgbm import Booster

    tiny = dataclasses.replace(RECIPES["small"], rows=200, holdout=20, levels=("level2", "level3"))
    recipes = {
        "large": dataclasses.replace(tiny, name="large", estimators=4),
        "trees2": dataclasses.replace(
            tiny, name="trees2", estimators=2, levels=("level3",), slice_of="large"
        ),
    }
    monkeypatch.setattr("benchmarks.reference.RECIPES", recipes)
    folders = {name: reference(name, tmp_path) for name in recipes}
    counts = {
        name: Booster(model_file=folder / "levels/level3/lightgbm.txt").num_trees()
        for name, folder in folders.items()
    }
    assert counts == {"large": 12, "trees2": 6}
    assert [p.name for p in (folders["trees2"] / "levels").iterdir()] == ["level3"]
    assert [level.name for level in run_folder.load(folders["trees2"]).levels] == ["level3"]
