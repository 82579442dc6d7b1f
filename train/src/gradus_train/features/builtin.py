"""The built-in features: the 70 of the reference market, as `config/feature_order.json` has them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.default_files import default_file
from gradus_runtime.contracts.feature_order import Feature, FeatureOrder, Group

__all__ = ["builtin_order", "with_builtin_expressions"]


@cache
def builtin_order() -> FeatureOrder:
    """The order with the built-in features and their three levels."""
    return feature_order.load(default_file("gradus_train", "feature_order.json"))


def with_builtin_expressions(order: FeatureOrder) -> FeatureOrder:
    """Return an order whose features that are called like built-in ones have their expressions.

    What a built-in expression uses is given as terms, where the order does not have it itself.
    """
    base = builtin_order()
    known = base.expressions

    def known_or_outside(feature: Feature) -> Feature:
        return replace(feature, expression=known.get(feature.name))

    groups = tuple(Group(g.name, tuple(map(known_or_outside, g.features))) for g in order.groups)
    spare = {name: text for name, text in {**base.terms, **known}.items() if name not in order.names}
    if not any(f.expression for g in groups for f in g.features):
        return order
    return replace(order, groups=groups, terms=spare, daily=base.daily, format=feature_order.FORMAT)
