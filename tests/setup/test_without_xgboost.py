"""XGBoost is optional: what needs it says which distributions bring it, and everything else works without."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.support import training

from gradus_convert.readers import read_file
from gradus_runtime.errors import EnvironmentFailedError
from gradus_train.training.prepare import library_versions, prepare


@pytest.fixture
def no_xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)


@pytest.mark.usefixtures("no_xgboost")
def test_a_plan_with_its_members_is_refused_before_anything_is_trained() -> None:
    config = training.quick_config(kinds=("lightgbm", "xgboost"))
    message = r"member xgboost: XGBoost must be installed to train its members.*pip install xgboost-cpu"
    with pytest.raises(EnvironmentFailedError, match=message):
        prepare(training.make_dataset(), training.ORDER, config)


@pytest.mark.usefixtures("no_xgboost")
def test_a_plan_of_other_members_is_made() -> None:
    assert prepare(training.make_dataset(), training.ORDER, training.quick_config()).tasks


@pytest.mark.usefixtures("no_xgboost")
def test_its_model_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "xgboost.ubj").write_bytes(b"{")
    with pytest.raises(EnvironmentFailedError, match=r"must be installed to read its models.*xgboost-cpu"):
        read_file(tmp_path / "xgboost.ubj", "xgboost")


def test_its_version_is_found_under_either_distribution() -> None:
    import xgboost

    assert library_versions()["xgboost"] == xgboost.__version__
    assert library_versions()["numpy"] == version("numpy")
