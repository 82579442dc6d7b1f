"""Opening a graph in onnxruntime: the options that fit its encoding, and its tables where they lie."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnxruntime as ort

from gradus_runtime.tables import take_apart

__all__ = ["open_session", "session_options"]

_FOLDER_OF_EXTERNAL_DATA = "session.model_external_initializers_file_folder_path"

_logger = logging.getLogger("gradus_runtime")


def session_options(encoding: str, threads: int) -> Any:
    """Return the options for an encoding; docs/encodings.md says why."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1 if encoding == "compact" else threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if encoding == "compact"
        else ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    options.log_severity_level = 4  # what fails is raised, and said by us
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(model: bytes, encoding: str, threads: int) -> tuple[Any, list[Any]]:
    """Open a session.

    With the compact encoding it uses the large constants of the graph where they lie, in `model`; the options
    of the others let onnxruntime compute with constants, which are then to be in the graph.

    Args:
        model: The graph, verified by the caller.
        encoding: The manifest's word for the form of its trees.
        threads: Of an operator; the compact encoding uses one.

    Returns:
        The session, and what must live as long.

    Raises:
        Exception: onnxruntime refuses the graph.
    """
    place = Path(ort.__file__)  # onnxruntime asks that the file of external data be there, and never opens it
    tables: list[Any] = []
    if encoding == "compact" and (skeleton := take_apart(model, place.name)).tables:
        options = session_options(encoding, threads)
        options.add_session_config_entry(_FOLDER_OF_EXTERNAL_DATA, str(place.parent))
        for name, values in skeleton.tables.items():
            tables.append(ort.OrtValue.ortvalue_from_numpy(values))
            options.add_initializer(name, tables[-1])
        try:
            return _open(skeleton.model, options), tables
        except Exception as e:
            refusal = e
    session = _open(model, session_options(encoding, threads))
    if tables:
        _logger.warning("onnxruntime %s copies the tables of a graph: %s", ort.__version__, refusal)
    return session, []


def _open(model: bytes, options: Any) -> Any:
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.disable_fallback()
    if hasattr(session, "_model_bytes"):
        session._model_bytes = None  # onnxruntime keeps them for a fallback that is switched off
    return session
