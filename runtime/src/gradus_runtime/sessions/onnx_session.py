"""Opening a graph in onnxruntime: the options that fit its encoding, its tables where they lie, its form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.contracts import graph
from gradus_runtime.errors import EnvironmentFailedError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.rows.base import Float32
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.library import FAULTS, REFUSALS, ort
from gradus_runtime.sessions.one_row_graph import for_one_row, probabilities_alone
from gradus_runtime.sessions.providers import CPU, check_taken, providers_of
from gradus_runtime.sessions.shared_constants import SplitModel, take_apart
from gradus_runtime.sessions.walk_function import with_body, with_call

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KERNEL", "OPERATORS", "OnnxSession", "open_session", "session_options"]

KERNEL, OPERATORS = "kernel", "operators"

_FOLDER_OF_EXTERNAL_DATA = "session.model_external_initializers_file_folder_path"
_FOLDER, _ANY_FILE = os.path.split(ort.__file__)
"""What the constants taken out of a graph refer to: onnxruntime asks that it be there, and never opens it."""

_REPLAY_ROWS = 16


@dataclass(frozen=True, slots=True, eq=False)
class OnnxSession:
    """A graph in onnxruntime.

    Attributes:
        session: The onnxruntime.InferenceSession.
        tables: What it uses and must live as long.
        one_row: Whether it takes one row at a time and never more, and gives no label.
        walk: What walks the trees: `KERNEL`, or `OPERATORS`.
        kernel_problem: Why the kernel does not, though it was given and the graph has a walk; or None.
        remarks: What did not go as it should, for the log; nothing is logged while locks are held.
        provider: What runs it, "cpu" or "cuda".
    """

    session: Any
    tables: list[Any]
    one_row: bool = False
    walk: str = OPERATORS
    kernel_problem: str | None = None
    remarks: tuple[str, ...] = ()
    provider: str = CPU

    @property
    def metadata(self) -> dict[str, str]:
        """What the graph's `metadata_props` hold."""
        return dict(self.session.get_modelmeta().custom_metadata_map)

    def ends(self) -> dict[str, str]:
        """Return the graph's inputs and outputs by name, with their types."""
        return {end.name: end.type for end in (*self.session.get_inputs(), *self.session.get_outputs())}

    def replay(self, features: Float32) -> tuple[Float32, NDArray[np.int64] | None]:
        """Return probabilities [n, C] and the graph's own labels [n], if it has them, in small blocks."""
        step = 1 if self.one_row else _REPLAY_ROWS
        names = [graph.PROBABILITIES] if self.one_row else [graph.PROBABILITIES, graph.LABEL]
        starts = range(0, len(features), step)
        blocks = [self.session.run(names, {graph.INPUT: features[i : i + step]}) for i in starts]
        outputs = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
        return outputs[0], None if self.one_row else outputs[1]


def session_options(encoding: str, threads: int, *, one_row: bool = False) -> Any:
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
    options.enable_mem_reuse = not one_row  # the values of one row are small, and planning them costs time
    options.log_severity_level = 4  # what fails is raised, and said by us
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(
    model: bytes,
    encoding: str,
    threads: int,
    *,
    one_row: bool = False,
    kernel: Kernel | None = None,
    provider: str = CPU,
) -> OnnxSession:
    """Open a session.

    With the compact encoding it uses the large constants of the graph where they lie, in `model`; the options
    of the others let onnxruntime compute with constants, which are then to be in the graph.

    Args:
        model: The graph, verified by the caller.
        encoding: The manifest's word for the form of its trees.
        threads: Of an operator; the compact encoding uses one.
        one_row: Prefer a session that takes single rows alone, where the graph has a part for them.
        kernel: Walks the trees, where the graph has a walk and onnxruntime takes both. For the CPU alone.
        provider: What is to run it. Another than the CPU gets the graph as it is: it copies the constants
            to its own memory, and single rows gain nothing there.

    Raises:
        Exception: One of onnxruntime's own classes: it refuses the graph.
        EnvironmentFailedError: The machine has no thread or memory for it, or not this provider.
        MemoryError: The same.
    """
    if provider != CPU:
        session = _open(model, session_options(encoding, threads), provider)
        return OnnxSession(session, [], provider=provider)
    remarks: list[str] = []
    skeleton = take_apart(model, _ANY_FILE) if encoding == "compact" else SplitModel(model, {})
    called = with_call(skeleton) if kernel is not None else None
    problem = None
    if kernel is not None and called is not None:
        try:
            return _open_kernel(called, threads, kernel, one_row=one_row)
        except FAULTS as e:
            let_signals_through(e)
            problem = " ".join(str(e).split())[-300:]
            library = os.path.basename(kernel.path)
            remarks.append(f"onnxruntime {ort.__version__} walks trees without {library}: {problem}")
    for form, alone, otherwise in _forms(skeleton, encoding, one_row=one_row):
        try:
            session, tables = _open_form(form, threads, one_row=alone)
        except REFUSALS as e:
            let_signals_through(e)
            remarks.append(f"onnxruntime {ort.__version__} {otherwise}: {e}")
        else:
            return OnnxSession(session, tables, alone, OPERATORS, problem, tuple(remarks))
    session = _open(model, session_options(encoding, threads))
    return OnnxSession(session, [], False, OPERATORS, problem, tuple(remarks))


def _open_kernel(called: SplitModel, threads: int, kernel: Kernel, *, one_row: bool) -> OnnxSession:
    """Open a graph that has the call of its walk and no body: what walks can only be the kernel."""
    single = probabilities_alone(called) if one_row else None
    form, alone = (called, False) if single is None else (single, True)
    session, tables = _open_form(form, threads, one_row=alone, kernel=kernel)
    return OnnxSession(session, tables, alone, KERNEL)


def _forms(skeleton: SplitModel, encoding: str, *, one_row: bool) -> list[tuple[SplitModel, bool, str]]:
    """Return the forms to prefer to the graph itself, whether for one row, and what goes without them."""
    if encoding != "compact":
        return []
    skeleton = with_body(skeleton) or skeleton
    forms = []
    if one_row and (single := for_one_row(skeleton)) is not None:
        forms.append((single, True, "scores single rows by the graph for tables"))
    if skeleton.tables:
        forms.append((skeleton, False, "copies the tables of a graph"))
    return forms


def _open_form(
    form: SplitModel, threads: int, *, one_row: bool, kernel: Kernel | None = None
) -> tuple[Any, list[Any]]:
    options = session_options("compact", threads, one_row=one_row)
    if kernel is not None:
        options.register_custom_ops_library(kernel.path)
    options.add_session_config_entry(_FOLDER_OF_EXTERNAL_DATA, _FOLDER)
    tables = _hand_over(form.tables, options)
    session = _open(form.model, options)
    session.tables = tables  # it reads them where they lie: whoever keeps it alone keeps them, too
    return session, tables


def _hand_over(tables: Mapping[str, NDArray[Any]], options: Any) -> list[Any]:
    """Let a session use arrays as constants where they lie; return what must live as long."""
    held = {name: ort.OrtValue.ortvalue_from_numpy(values) for name, values in tables.items()}
    for name, value in held.items():
        options.add_initializer(name, value)
    return list(held.values())


def _open(model: bytes, options: Any, provider: str = CPU) -> Any:
    try:  # without the fallback, which prints to standard output and tries the same again
        session = ort.InferenceSession(
            model, options, providers=providers_of(provider), enable_fallback=False
        )
    except RuntimeError as e:
        let_signals_through(e)
        if type(e) is not RuntimeError:
            raise
        raise EnvironmentFailedError(  # onnxruntime's words for a thread that cannot be started
            "onnxruntime must be able to open the graph", cause=" ".join(str(e).split())[-200:]
        ) from e
    check_taken(session, provider)
    session.disable_fallback()
    if hasattr(session, "_model_bytes"):
        session._model_bytes = None  # onnxruntime keeps them for a fallback that is switched off
    return session
