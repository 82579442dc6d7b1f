import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator
from tests.support.manifests import sample_manifest

from gradus_runtime.contracts import codec, feature_order, manifest
from gradus_runtime.contracts.schemas import load_schema

ROOT = Path(__file__).resolve().parents[2]
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def differences(kind: Any, schema: dict[str, Any], root: dict[str, Any], place: str) -> list[str]:
    """Every place where a schema and a type of a contract do not say the same."""
    schema = resolve(schema, root)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (inner,) = [a for a in get_args(kind) if a is not type(None)]
        if "anyOf" in schema:
            (rest,) = [s for s in schema["anyOf"] if s != {"type": "null"}]
            return differences(inner, rest, root, place)
        declared = schema["type"]
        if not isinstance(declared, list) or "null" not in declared:
            return [f"{place}: null must be allowed"]
        (left,) = [t for t in declared if t != "null"]
        return differences(inner, {**schema, "type": left}, root, place)
    if dataclasses.is_dataclass(kind):
        hints = codec.type_hints(kind)
        found = [f"{place}: {k}" for k in hints.keys() ^ schema["properties"].keys()]
        needed = hints.keys() - (manifest.WHERE_GIVEN if kind is manifest.Manifest else set())
        found += [f"{place}: {k} must be required" for k in needed ^ set(schema["required"])]
        found += [] if schema.get("additionalProperties") is False else [f"{place}: must be closed"]
        for name in hints.keys() & schema["properties"].keys():
            found += differences(hints[name], schema["properties"][name], root, f"{place}.{name}")
        return found
    if origin is tuple:
        if schema["type"] != "array":
            return [f"{place}: array"]
        return differences(get_args(kind)[0], schema["items"], root, f"{place}[]")
    if origin is Mapping:
        if schema["type"] != "object":
            return [f"{place}: object"]
        return differences(get_args(kind)[1], schema["additionalProperties"], root, f"{place}.*")
    return [] if schema["type"] == SCALARS[kind] else [f"{place}: {kind} is not {schema['type']}"]


@pytest.mark.parametrize("contract", ["manifest", "feature_order"])
def test_a_schema_file_is_valid_draft_2020_12(contract):
    schema = load_schema(contract)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_manifest_schema_and_the_dataclasses_say_the_same():
    schema = load_schema("manifest")
    assert differences(manifest.Manifest, schema, schema, "manifest") == []
    assert schema["properties"]["format_version"]["const"] == manifest.FORMAT_VERSION


def test_a_field_that_only_one_of_them_knows_is_found():
    schema = load_schema("manifest")
    del schema["$defs"]["Member"]["properties"]["trees"]
    schema["$defs"]["Golden"]["properties"]["tolerance"]["type"] = "string"
    schema["$defs"]["FeatureSpec"]["properties"]["minimum"]["type"] = "number"
    found = " ".join(differences(manifest.Manifest, schema, schema, "m"))
    assert "m.levels[].members[]: trees" in found
    assert "m.golden.tolerance" in found
    assert "m.features[].minimum: null must be allowed" in found


def test_what_the_manifest_writer_writes_satisfies_the_schema():
    Draft202012Validator(load_schema("manifest")).validate(codec.encode(sample_manifest()))


def test_the_feature_order_schema_and_its_reader_say_the_same():
    schema = load_schema("feature_order")
    assert schema["properties"]["format"]["enum"] == [feature_order.FORMAT_1, feature_order.FORMAT]
    assert set(schema["properties"]) == {f.name for f in dataclasses.fields(feature_order.FeatureOrder)}
    keys = {name: set(d["properties"]) for name, d in schema["$defs"].items() if "properties" in d}
    assert keys == {
        "Feature": {f.name for f in dataclasses.fields(feature_order.Feature)} - {"group"},
        "Group": {f.name for f in dataclasses.fields(feature_order.Group)},
        "LevelSpec": {f.name for f in dataclasses.fields(feature_order.LevelSpec)},
    }
    assert all(d.get("additionalProperties") is False for d in schema["$defs"].values() if "properties" in d)


def test_the_projects_feature_order_satisfies_its_schema():
    order = feature_order.load(ROOT / "config" / "feature_order.json")
    Draft202012Validator(load_schema("feature_order")).validate(order.to_json())
