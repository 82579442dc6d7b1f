"""What runs a graph: the CPU, or an Nvidia GPU by onnxruntime's CUDA provider.

onnxruntime goes on without a provider that it cannot load, and says so in its log alone. So what was taken is
asked of every session: one that was to run on a GPU and would run on the CPU is refused.

Source: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from gradus_runtime.errors import EnvironmentFailedError, let_signals_through
from gradus_runtime.sessions.library import REFUSALS, ort

__all__ = ["CPU", "CUDA", "PROVIDERS", "Provider", "check_provider", "check_taken", "providers_of"]

Provider = Literal["cpu", "cuda"]
PROVIDERS: tuple[str, ...] = get_args(Provider)
CPU: Provider = "cpu"
CUDA: Provider = "cuda"

_CPU_NAME, _CUDA_NAME = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {"use_tf32": "0"}
"""TF32 keeps 10 of the 23 bits of a float32, and is the provider's default."""

_HINT = "Install onnxruntime-gpu in place of onnxruntime, and the CUDA that it needs: docs/gpu.md."
_TROUBLE: tuple[type[Exception], ...] = (*REFUSALS, MemoryError, RuntimeError)
"""CUDA's own libraries raise RuntimeError."""

_SMALLEST = (
    b'\x08\x07:2\n\x0b\n\x01x\x12\x01y"\x03Abs\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""An ONNX file of one operator: y = Abs(x), float32 [1]."""


def providers_of(provider: str) -> list[Any]:
    """Return the `providers` of an InferenceSession; on a GPU the CPU takes the operators that it lacks."""
    return [_CPU_NAME] if provider == CPU else [(_CUDA_NAME, dict(_CUDA_OPTIONS)), _CPU_NAME]


def check_taken(session: Any, provider: str, place: str | None = None) -> None:
    """Hold a session to the provider that it was to run on.

    Raises:
        EnvironmentFailedError: It runs on the CPU instead.
    """
    found = list(session.get_providers())
    if provider == CUDA and _CUDA_NAME not in found:
        raise EnvironmentFailedError(
            f"onnxruntime must be able to use {_CUDA_NAME}", place=place, value=found, hint=_HINT
        )


def check_provider(provider: str) -> None:
    """Hold this machine to a provider, by a session of one operator.

    Raises:
        EnvironmentFailedError: This onnxruntime has no such provider, or cannot load it.
    """
    if provider == CPU:
        return
    if _CUDA_NAME not in ort.get_available_providers():
        raise EnvironmentFailedError(
            f"onnxruntime must have {_CUDA_NAME}",
            place="provider",
            value=ort.get_available_providers(),
            hint=_HINT,
        )
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is raised, and said by us
    try:
        session = ort.InferenceSession(
            _SMALLEST, options, providers=providers_of(provider), enable_fallback=False
        )
    except _TROUBLE as e:
        let_signals_through(e)
        raise EnvironmentFailedError(
            f"onnxruntime must be able to use {_CUDA_NAME}",
            place="provider",
            cause=" ".join(str(e).split())[-200:],
            hint=_HINT,
        ) from e
    check_taken(session, provider, "provider")
