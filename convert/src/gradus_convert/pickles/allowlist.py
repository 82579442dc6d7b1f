"""Which names a pickle may mention, and as what. Everything is decided by exact name.

* `VALUE`: this package rebuilds the value itself, with checked arguments (`builders`).
* `OBJECT`: kept as an `Inert` container. For library classes on the list, `rebuild` may rebuild it later; of
  other classes of model libraries and of unknown modules (a team's own code) nothing is ever imported.
* Functions of model libraries are refused as not supported, but for those by which their own objects are
  pickled: a call of these becomes a container, too.
* Anything else of Python's own library, and of libraries that load or run code, is refused.
"""

from __future__ import annotations

import _compat_pickle
import re
import sys
from enum import Enum

from gradus_convert.pickles.inert import Global, UnsafePickleError, UnsupportedPickleError

__all__ = ["ESTIMATORS", "Treatment", "canonical", "check_call", "treatment"]


class Treatment(Enum):
    """What becomes of a name."""

    VALUE = "value"
    OBJECT = "object"


_NUMPY_ARRAY = {
    (f"numpy.{core}.multiarray", n) for core in ("core", "_core") for n in ("_reconstruct", "scalar")
} | {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}

_VALUES: frozenset[tuple[str, str]] = frozenset(
    _NUMPY_ARRAY
    | {("numpy", "dtype"), ("_codecs", "encode"), ("copyreg", "_reconstructor")}
    | {("builtins", n) for n in ("bytearray", "bytes", "complex", "frozenset", "set")}
    | {("collections", "OrderedDict"), ("collections", "defaultdict")}
)

ESTIMATORS: frozenset[tuple[str, str]] = frozenset(
    {
        ("sklearn.ensemble._forest", "ExtraTreesClassifier"),
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
        ("sklearn.dummy", "DummyClassifier"),
        ("sklearn.ensemble._gb", "GradientBoostingClassifier"),
        ("sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper"),
        ("sklearn.ensemble._hist_gradient_boosting.gradient_boosting", "HistGradientBoostingClassifier"),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
        ("sklearn.linear_model._logistic", "LogisticRegression"),
        ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier"),
        ("sklearn.pipeline", "Pipeline"),
        ("sklearn.preprocessing._data", "MaxAbsScaler"),
        ("sklearn.preprocessing._data", "MinMaxScaler"),
        ("sklearn.preprocessing._data", "RobustScaler"),
        ("sklearn.preprocessing._data", "StandardScaler"),
        ("sklearn.preprocessing._label", "LabelBinarizer"),
        ("sklearn.preprocessing._label", "LabelEncoder"),
        ("sklearn.tree._classes", "DecisionTreeClassifier"),
        ("sklearn.tree._classes", "DecisionTreeRegressor"),
        ("sklearn.tree._classes", "ExtraTreeClassifier"),
        ("sklearn.tree._tree", "Tree"),
    }
)
"""scikit-learn classes that `natives` rebuilds."""

_RANDOM = {("numpy.random._pickle", f"__{n}_ctor") for n in ("bit_generator", "generator", "randomstate")} | {
    ("numpy.random.bit_generator", "SeedSequence"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
    ("numpy.random._mt19937", "MT19937"),
    ("numpy.random._pcg64", "PCG64"),
}

_OBJECTS: frozenset[tuple[str, str]] = frozenset(
    ESTIMATORS
    | _RANDOM
    | {("lightgbm.basic", "Booster")}
    | {("lightgbm.sklearn", name) for name in ("LGBMClassifier", "LGBMRegressor")}
    | {("xgboost.core", "Booster")}
    | {
        ("xgboost.sklearn", f"XGB{name}")
        for name in ("Classifier", "RFClassifier", "Regressor", "RFRegressor")
    }
    | {
        ("sklearn.ensemble._voting", "VotingClassifier"),
        ("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer"),
        ("sklearn.neural_network._stochastic_optimizers", "SGDOptimizer"),
        ("sklearn.utils", "Bunch"),
        ("sklearn.utils._bunch", "Bunch"),
    }
    | {("numpy", n) for n in ("bool_", "float32", "float64", "int32", "int64", "memmap", "ndarray")}
    | {("builtins", n) for n in ("bool", "dict", "float", "int", "list", "object", "str", "tuple")}
    | {("collections", "Counter"), ("collections", "deque"), ("types", "SimpleNamespace")}
    | {("datetime", n) for n in ("date", "datetime", "time", "timedelta", "timezone")}
    | {("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID")}
    | {
        (m, n)
        for m in ("pathlib", "pathlib._local")
        for n in ("Path", "PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath")
    }
    | {("logging", "Logger"), ("logging", "RootLogger"), ("logging", "getLogger")}
    | {("joblib.numpy_pickle", "NumpyArrayWrapper")}
    | {("pandas", "Index"), ("pandas.core.indexes.base", "Index"), ("pandas.core.indexes.base", "_new_Index")}
)

_OLD_NAMES = {
    ("sklearn.ensemble.forest", "ExtraTreesClassifier"): "sklearn.ensemble._forest",
    ("sklearn.ensemble.forest", "RandomForestClassifier"): "sklearn.ensemble._forest",
    ("sklearn.linear_model.logistic", "LogisticRegression"): "sklearn.linear_model._logistic",
    ("sklearn.preprocessing.data", "StandardScaler"): "sklearn.preprocessing._data",
    ("sklearn.preprocessing.label", "LabelEncoder"): "sklearn.preprocessing._label",
    ("sklearn.tree.tree", "DecisionTreeClassifier"): "sklearn.tree._classes",
    ("sklearn.tree.tree", "ExtraTreeClassifier"): "sklearn.tree._classes",
}

_LOSS = re.compile(r"(__pyx_unpickle_)?Cy[A-Z]\w*")
"""Classes of `sklearn._loss._loss`: scikit-learn 1.5 to 1.8 call the module `_loss`."""

_MODEL_LIBRARIES = frozenset(
    {
        "catboost", "imblearn", "jax", "keras", "lightgbm", "ngboost", "numpy", "optuna", "pandas", "polars",
        "pyarrow", "scipy", "shap", "sklearn", "statsmodels", "tensorflow", "torch", "xgboost",
    }
)  # fmt: skip
"""Files hold objects of these that gradus does not need, and never makes: callbacks, encoders, networks."""
_REBUILDERS = re.compile(
    r"__pyx_unpickle_\w+|newObj|_(rebuild|restore|unpickle|new|reconstruct|load_from_bytes)\w*|deserialize\w*"
    r"|type_for_alias|py_buffer|chunked_array|device"
)
"""Functions by which these libraries' own objects are pickled."""
_OTHER_LIBRARIES = frozenset(
    {
        "cloudpickle", "dill", "joblib", "onnx", "onnxruntime", "pip", "pkg_resources", "setuptools",
        "skl2onnx", "skops", "gradus_convert", "gradus_live", "gradus_runtime", "gradus_train",
    }
)  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99}){0,19}")


def canonical(module: str, name: str) -> Global:
    """Return a name as today's Python and scikit-learn spell it."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        module, name = _compat_pickle.NAME_MAPPING[(module, name)]
    module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    if module == "_loss" and _LOSS.fullmatch(name):
        module = "sklearn._loss._loss"
    return Global(_OLD_NAMES.get((module, name), module), name)


def treatment(module: str, name: str, *, place: str) -> tuple[Global, Treatment]:
    """Decide on a name that a pickle mentions.

    Args:
        module: As written in the file.
        name: As written in the file.
        place: How errors name the file and the position in it.

    Raises:
        UnsafePickleError: The name is not one that models need.
    """
    found = canonical(module, name)
    key = (found.module, found.name)
    if key in _VALUES:
        return found, Treatment.VALUE
    if key in _OBJECTS:
        return found, Treatment.OBJECT
    if not _MODULE.fullmatch(found.module) or not _IDENTIFIER.fullmatch(found.name):
        raise _refusal(found, place, "a name must be a plain identifier in a module")
    top = found.module.partition(".")[0]
    if top in sys.stdlib_module_names or top in _OTHER_LIBRARIES:
        raise _refusal(found, place, "a pickle may mention only what models need")
    return found, Treatment.OBJECT


def check_call(target: Global, *, place: str) -> None:
    """Refuse a call of a name that is not written like a class.

    A class of unknown code becomes a container; a function of unknown code could mean anything. So do the
    functions by which model libraries pickle their own objects.

    Raises:
        UnsupportedPickleError: It is a function of a model library that gradus does not know.
        UnsafePickleError: The name starts with a small letter and is on no list.
    """
    if (target.module, target.name) in _OBJECTS or target.name.lstrip("_")[:1].isupper():
        return
    if target.module.partition(".")[0] in _MODEL_LIBRARIES:
        if _REBUILDERS.fullmatch(target.name):
            return
        raise UnsupportedPickleError(
            "gradus does not support files that call this function",
            place=place,
            value=str(target),
            hint="Nothing of the file was run. Save its models alone, each in a file.",
        )
    raise _refusal(target, place, "a pickle may call only what models need")


def _refusal(target: Global, place: str, rule: str) -> UnsafePickleError:
    return UnsafePickleError(
        rule,
        place=place,
        value=str(target),
        hint="Nothing of the file was run. If you trust it, save its models alone, each in a file.",
    )
