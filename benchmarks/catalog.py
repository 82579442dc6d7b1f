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
        alone: The members that it takes, one of them alone; none for those that take a whole ensemble.
        threads: Whether it is measured with two threads as well.
        files_of: The peer whose files it serves from, if it makes none.
        largest_batch: Rows of the largest batch that it is asked for: fewer for another form of a peer.
    """

    name: str
    title: str
    prepares: str
    serves: str
    needs: tuple[str, ...]
    alone: tuple[str, ...] = ()
    threads: bool = True
    files_of: str = ""
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
        files_of="gradus",
    ),
    Peer(
        "gradus_kernels_avx2",
        "gradus with its kernel, AVX2",
        "workspace",
        "kernels",
        ("gradus-runtime", "gradus-kernels"),
        files_of="gradus",
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
    Peer("lleaves", "lleaves", "peers", "peers", ("lleaves",), alone=("lightgbm",)),
    Peer(
        "daal4py",
        "daal4py (scikit-learn-intelex)",
        "peers",
        "peers",
        ("scikit-learn-intelex",),
        alone=("lightgbm", "xgboost"),
    ),
    Peer("timber", "Timber", "peers", "peers", ("timber-compiler",), alone=("lightgbm", "xgboost")),
    Peer("ydf", "YDF", "peers", "peers", ("ydf",), alone=("random_forest",)),
    Peer(
        "gradus_compiled",
        "gradus compile, in a bare session",
        "workspace",
        "runtime",
        _ONNX,
        alone=("lightgbm", "xgboost", "random_forest"),
        threads=False,
    ),
    Peer("floor", "floor: one Identity node", "workspace", "runtime", _ONNX, threads=False, largest_batch=0),
)
