"""The built-in features, and what names of format 1 mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.candles import daily_values, random_bars
from tests.support.features import NAMES, compiled, features, run

from gradus_runtime.contracts import feature_order, strict_json
from gradus_runtime.contracts.feature_order import FORMAT, FORMAT_1
from gradus_train.features import builtin_order, resolved
from gradus_train.features.language.functions import FUNCTIONS, signature

ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_file_has_the_built_in_features() -> None:
    assert builtin_order() == feature_order.load(ROOT / "config/feature_order.json")
    assert builtin_order().expressions.keys() == set(builtin_order().names)


def first_format(names: tuple[str, ...]) -> feature_order.FeatureOrder:
    value = {
        "format": FORMAT_1,
        "groups": [{"name": "g", "features": [{"name": n, "definition": "in words"} for n in names]}],
        "levels": [{"name": "only", "groups": ["g"]}],
    }
    return feature_order.parse(strict_json.parse(strict_json.canonical_bytes(value), place="v1"), place="v1")


def test_names_of_format_1_are_the_built_in_features() -> None:
    names = ("adx_14", "macd_lag_1", "usd_jpy_btc_correlation", "my_own")
    order = resolved(first_format(names))
    assert order.format == FORMAT
    assert order.outside == ("my_own",)
    bars, daily = random_bars(96 * 50), daily_values(150)
    assert run(compiled(order), bars, daily).equals(features(bars, daily, names[:3]))


def test_an_order_of_format_1_reads_back_as_it_was() -> None:
    order = first_format(NAMES)
    assert order.to_json()["format"] == FORMAT_1
    assert feature_order.parse(order.to_json(), place="again") == order


def test_an_order_of_format_1_without_a_built_in_name_is_left_alone() -> None:
    order = first_format(("imbalance", "spread"))
    assert resolved(order) is order


@pytest.mark.parametrize("key", ["terms", "daily"])
def test_format_1_has_no_expressions(key: str) -> None:
    value = first_format(("a",)).to_json() | {key: {"x": "close"} if key == "terms" else ["x"]}
    with pytest.raises(feature_order.ConfigError, match=f"{key} needs format 'gradus-feature-order/2'"):
        feature_order.parse(value, place="v1")


def test_the_reference_names_every_function() -> None:
    text = (ROOT / "docs/expressions.md").read_text("utf-8")
    assert [name for name in [*FUNCTIONS, "resample", "daily"] if f"`{name}(" not in text] == []
    assert [f for f in map(signature, FUNCTIONS) if f"`{f}`" not in text] == []
