"""Publishing: whole, proved, once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from tests.support.publishable import linear_graph, publishable

from gradus_convert.publishing.collect import collect
from gradus_convert.publishing.graph_rules import check_graph
from gradus_convert.publishing.publish import publish_version
from gradus_runtime.contracts.manifest import EXACT
from gradus_runtime.errors import IntegrityError, ManifestError, StoreError
from gradus_runtime.store import Store, open_artifact


def test_a_published_version_can_be_pinned_and_opened(tmp_path: Path) -> None:
    manifest, files = publishable()
    done = publish_version(tmp_path / "a" / "sample", manifest, files, {"seconds": 1.5}, "builder")
    assert (done.version, done.digest, done.created) == ("2026.1.4", manifest.digest(), True)
    store = Store(tmp_path / "a" / "sample")
    store.pin(done.version)
    with open_artifact(store.path) as artifact:
        artifact.verify()
        assert artifact.manifest == manifest
    (event,) = (e for e in store.history() if e.event == "publish")
    assert (event.version, event.digest, event.actor) == ("2026.1.4", done.digest, "builder")
    build = json.loads((done.path / "build.json").read_bytes())
    assert build["seconds"] == 1.5
    assert build["digest"] == done.digest
    assert sorted(p.name for p in (store.path / "versions").iterdir()) == ["2026.1.4"]


def test_the_same_bytes_again_change_nothing_and_other_bytes_are_refused(tmp_path: Path) -> None:
    manifest, files = publishable()
    publish_version(tmp_path, manifest, files, {})
    assert not publish_version(tmp_path, manifest, files, {}).created
    assert len(Store(tmp_path).history()) == 1
    with pytest.raises(StoreError, match=r"a version must be published once, .* for example 2026.1.4.post1"):
        publish_version(tmp_path, *publishable(seed=1), {})
    post = publishable("2026.1.4.post1")
    publish_version(tmp_path, *post, {})
    with pytest.raises(StoreError, match=r"for example 2026.1.4.post2"):
        publish_version(tmp_path, *publishable("2026.1.4.post1", seed=1), {})


def test_a_version_that_was_collected_keeps_its_meaning(tmp_path: Path) -> None:
    publish_version(tmp_path, *publishable(), {})
    collect(tmp_path, keep=0)
    with pytest.raises(StoreError, match="a version must be published once"):
        publish_version(tmp_path, *publishable(seed=1), {})
    assert publish_version(tmp_path, *publishable(), {}).created


def test_a_store_holds_one_artifact(tmp_path: Path) -> None:
    publish_version(tmp_path, *publishable(), {})
    with pytest.raises(StoreError, match="a store must hold one artifact, here 'sample', but got 'other'"):
        publish_version(tmp_path, *publishable("2026.1.5", name="other"), {})


def test_files_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    manifest, files = publishable()
    with pytest.raises(IntegrityError, match=r"the files must be those the manifest lists.*card.md"):
        publish_version(tmp_path, manifest, {**files, "card.md": b"x"}, {})
    with pytest.raises(IntegrityError, match=r"a file must have .* bytes with the SHA-256"):
        publish_version(tmp_path, manifest, {**files, "golden.npz": b"x"}, {})
    with pytest.raises(ManifestError, match="weights must sum to 1"):
        publish_version(tmp_path, _heavier(manifest), files, {})
    assert not (tmp_path / "versions").exists()


def _heavier(manifest):  # type: ignore[no-untyped-def]
    level = manifest.levels[0]
    members = (dataclasses.replace(level.members[0], weight=5.0), *level.members[1:])
    return dataclasses.replace(
        manifest, levels=(dataclasses.replace(level, members=members), *manifest.levels[1:])
    )


def _custom_domain(m: onnx.ModelProto) -> None:
    m.graph.node[0].domain = "com.microsoft"


def _custom_opset(m: onnx.ModelProto) -> None:
    m.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _other_opset(m: onnx.ModelProto) -> None:
    m.opset_import[0].version = 18


def _external(m: onnx.ModelProto) -> None:
    tensor = m.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")


def _function(m: onnx.ModelProto) -> None:
    m.functions.add(name="f", domain="")


def _sparse(m: onnx.ModelProto) -> None:
    m.graph.sparse_initializer.add()


def _loop(m: onnx.ModelProto) -> None:
    m.graph.node[0].op_type = "Loop"


def _training(m: onnx.ModelProto) -> None:
    m.training_info.add()


def _hidden_in_a_branch(m: onnx.ModelProto) -> None:
    branch = helper.make_graph([helper.make_node("RandomNormal", [], ["x"])], "b", [], [])
    m.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def _external_in_a_branch(m: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "b", [], [], [TensorProto(name="t", data_location=TensorProto.EXTERNAL)])
    m.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def _deep(m: onnx.ModelProto) -> None:
    graph = helper.make_graph([], "b", [], [])
    for _ in range(10):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=graph)], "b", [], [])
    m.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=graph))


def _sparse_attribute(m: onnx.ModelProto) -> None:
    m.graph.node[1].attribute.add(name="sparse", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.dims[
        :
    ] = [1]


def _reference(m: onnx.ModelProto) -> None:
    m.graph.node[1].attribute[0].ref_attr_name = "axis"


def _other_input(m: onnx.ModelProto) -> None:
    m.graph.input[0].name = "x"


def _wide(m: onnx.ModelProto) -> None:
    m.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3


def _other_level(m: onnx.ModelProto) -> None:
    next(p for p in m.metadata_props if p.key == "gradus.level").value = "level2"


def _unconnected(m: onnx.ModelProto) -> None:
    m.graph.node[0].input[1] = "nowhere"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_custom_domain, "an operator must be on the list .* 'com.microsoft.MatMul'"),
        (_custom_opset, "ONNX's own domains only, but got 'com.microsoft'"),
        (_other_opset, r"a graph must use the opsets \{'': 17\}, but got \{'': 18\}"),
        (_external, "a tensor's data must be in the file itself, but got 'weights'"),
        (_function, r"only function must be the walk, but got \[\('', 'f'\)\]"),
        (_sparse, "a graph must hold no sparse initialisers"),
        (_loop, "an operator must be on the list .* 'Loop'"),
        (_training, "a graph must hold no training information"),
        (_hidden_in_a_branch, "If.(then|else)_branch: an operator must be on the list .* 'RandomNormal'"),
        (_external_in_a_branch, "If.(then|else)_branch: a tensor's data must be in the file"),
        (_deep, "subgraphs must be nested at most 8 deep"),
        (_sparse_attribute, "Softmax.sparse: a graph must hold no sparse tensors"),
        (_reference, "Softmax.axis: a graph must refer to no function's attributes"),
        (_other_input, "a graph's inputs must be"),
        (_wide, "a graph's outputs must be"),
        (_other_level, "a graph's metadata must say gradus.level = level1, but got 'level2'"),
        (_unconnected, "a graph must pass ONNX's checker"),
    ],
)
def test_a_graph_that_reaches_beyond_its_file_is_not_published(
    spoil: Callable[[onnx.ModelProto], None], message: str
) -> None:
    manifest, _ = publishable()
    model = linear_graph(manifest, manifest.levels[0])
    check_graph(model.SerializeToString(), manifest, manifest.levels[0])
    spoil(model)
    with pytest.raises(IntegrityError, match=message):
        check_graph(model.SerializeToString(), manifest, manifest.levels[0])


def test_a_graph_whose_sums_have_an_order_is_not_published_as_exact() -> None:
    manifest, _ = publishable()
    level = replace(manifest.levels[0], bits=EXACT)
    model = linear_graph(manifest, level)
    with pytest.raises(IntegrityError, match=r"must hold operators alone that are exact .* 'MatMul'"):
        check_graph(model.SerializeToString(), manifest, level)


def test_what_is_no_onnx_file_is_not_published() -> None:
    manifest, _ = publishable()
    with pytest.raises(IntegrityError, match=r"level1.onnx: a graph must be an ONNX file"):
        check_graph(b"\xff" * 40, manifest, manifest.levels[0])
