"""Who is measured: the peers, where each runs, and what it needs to serve."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to serve the models.

    Attributes:
        name: Of its module in `benchmarks.peers`.
        title: For people.
        prepares: Environment that makes its files: "workspace" or "peers".
        serves: Environment that serves: "runtime", "kernels" (the same with gradus-kernels), "workspace" or
            "peers".
        needs: Distributions that serving needs; what these require counts too.
        alone: Whether it takes one LightGBM member only.
        threads: Whether it is measured with two threads as well.
        largest_batch: Rows of the largest batch that it is asked for: fewer for another form of a peer.
    """

    name: str
    title: str
    prepares: str
    serves: str
    needs: tuple[str, ...]
    alone: bool = False
    threads: bool = True
    largest_batch: int = 100_000


_NATIVE = ("lightgbm", "xgboost-cpu", "scikit-learn", "joblib")
_ONNX = ("onnxruntime", "numpy")

PEERS = (
    Peer("gradus", "gradus", "workspace", "runtime", ("gradus-runtime",)),
    Peer(
        "gradus_graph",
        "gradus, the bare graph",
        "workspace",
        "runtime",
        _ONNX,
        threads=False,
        largest_batch=10_000,
    ),
    Peer(
        "gradus_kernels",
        "gradus with its kernel",
        "workspace",
        "kernels",
        ("gradus-runtime", "gradus-kernels"),
    ),
    Peer(
        "gradus_kernels_avx2",
        "gradus with its kernel, AVX2",
        "workspace",
        "kernels",
        ("gradus-runtime", "gradus-kernels"),
        threads=False,
        largest_batch=10_000,
    ),
    Peer("native", "native libraries", "workspace", "workspace", _NATIVE),
    Peer(
        "native_tuned",
        "native, hand-tuned calls",
        "workspace",
        "workspace",
        _NATIVE,
        threads=False,
        largest_batch=10_000,
    ),
    Peer("stock", "stock ONNX, a session a member", "workspace", "runtime", _ONNX),
    Peer("tl2cgen", "TL2cgen", "peers", "peers", ("tl2cgen",)),
    Peer("treelite_gtil", "treelite GTIL", "peers", "peers", ("treelite",)),
    Peer("lleaves", "lleaves", "peers", "peers", ("lleaves",), alone=True),
    Peer("floor", "floor: one Identity node", "workspace", "runtime", _ONNX, threads=False, largest_batch=0),
)
