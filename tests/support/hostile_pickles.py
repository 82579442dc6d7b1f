"""Pickles that would run something, or break something, when read by `pickle.load`."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def call(module: str, name: str, *arguments: str) -> bytes:
    """`module.name(*arguments)` in protocol 2."""
    return b"\x80\x02c%s\n%s\n(" % (module.encode(), name.encode()) + b"".join(map(text, arguments)) + b"tR."


def stack_global(module: str, name: str, *arguments: str) -> bytes:
    """The same in protocol 4, where names come from the stack and may have dots."""
    return b"\x80\x04" + text(module) + text(name) + b"\x93(" + b"".join(map(text, arguments)) + b"tR."


class Reduces:
    """An object that pickles as a call."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def __reduce__(self) -> tuple[object, ...]:
        return self.parts


def running(canary: Path) -> dict[str, tuple[bytes, str]]:
    """By name: a pickle that would touch `canary`, and the name its refusal must show."""
    shell, python = f"touch {canary}", f"open({str(canary)!r}, 'w').close()"
    import builtins
    import functools
    import operator
    import os

    cases: dict[str, tuple[bytes, str]] = {
        "os.system": (call("os", "system", shell), "os.system"),
        "posix.system": (call("posix", "system", shell), "posix.system"),
        "nt.system": (call("nt", "system", shell), "nt.system"),
        "os.popen": (call("os", "popen", shell), "os.popen"),
        "subprocess.getoutput": (call("subprocess", "getoutput", shell), "subprocess.getoutput"),
        "commands of Python 2": (call("commands", "getoutput", shell), "subprocess.getoutput"),
        "eval": (call("builtins", "eval", python), "builtins.eval"),
        "exec": (call("builtins", "exec", python), "builtins.exec"),
        "eval of Python 2": (call("__builtin__", "eval", python), "builtins.eval"),
        "compile": (call("builtins", "compile", python, "x", "exec"), "builtins.compile"),
        "__import__": (call("builtins", "__import__", "antigravity"), "builtins.__import__"),
        "getattr": (pickle.dumps(Reduces(getattr, (os, "system")[1:])), "builtins.getattr"),
        "open": (call("builtins", "open", str(canary), "w"), "open"),
        "type": (call("builtins", "type", "x"), "builtins.type"),
        "io.open": (call("io", "open", str(canary), "w"), "io.open"),
        "functools.partial": (
            pickle.dumps(Reduces(functools.partial(os.system, shell), ())),
            "functools.partial",
        ),
        "functools.reduce": (
            pickle.dumps(Reduces(functools.reduce, (builtins.eval, [python, {}]))),
            "functools.reduce",
        ),
        "operator.methodcaller": (
            pickle.dumps(Reduces(operator.methodcaller("system", shell), (1,))),
            "operator.methodcaller",
        ),
        "operator.attrgetter": (
            pickle.dumps(Reduces(operator.attrgetter("system"), (1,))),
            "operator.attrgetter",
        ),
        "builtins.map": (pickle.dumps(Reduces(map, (os.system, [shell]))), "builtins.map"),
        "runpy": (call("runpy", "run_path", str(canary)), "runpy.run_path"),
        "importlib": (call("importlib", "import_module", "antigravity"), "importlib.import_module"),
        "pickle in a pickle": (pickle.dumps(Reduces(pickle.loads, (b"I1\n.",))), "pickle.loads"),
        "code objects": (call("types", "CodeType", "x"), "types.CodeType"),
        "ctypes": (call("ctypes", "CDLL", str(canary)), "ctypes.CDLL"),
        "timeit": (call("timeit", "timeit", python), "timeit.timeit"),
        "pdb": (call("pdb", "run", python), "pdb.run"),
        "cProfile": (call("cProfile", "run", python), "cProfile.run"),
        "webbrowser": (call("webbrowser", "open", "x"), "webbrowser.open"),
        "shutil.rmtree": (call("shutil", "rmtree", str(canary.parent)), "shutil.rmtree"),
        "pip": (call("pip._internal.cli.main", "main", "x"), "pip._internal.cli.main.main"),
        "an unknown module's function": (call("team.tools", "run", shell), "team.tools.run"),
        "an unknown module's class method": (
            stack_global("team.tools", "Box.open", shell),
            "team.tools.Box.open",
        ),
        "numpy.load": (call("numpy", "load", str(canary)), "numpy.load"),
        "numpy.testing": (
            call("numpy.testing._private.utils", "runstring", python, "{}"),
            "numpy.testing._private.utils.runstring",
        ),
        "numpy.f2py": (call("numpy.f2py.crackfortran", "myeval", python), "numpy.f2py.crackfortran.myeval"),
        "numpy.distutils": (
            call("numpy.distutils.exec_command", "exec_command", shell),
            "numpy.distutils.exec_command.exec_command",
        ),
        "joblib.load": (call("joblib", "load", str(canary)), "joblib.load"),
        "joblib's wrapped calls": (
            call("joblib.parallel", "BatchedCalls", "x"),
            "joblib.parallel.BatchedCalls",
        ),
        "joblib's memory": (call("joblib.memory", "Memory", str(canary)), "joblib.memory.Memory"),
        "sklearn.utils.fixes": (
            call("sklearn.utils.fixes", "parse_version", "1"),
            "sklearn.utils.fixes.parse_version",
        ),
        "sklearn's data loader": (
            call("sklearn.datasets", "fetch_openml", "x"),
            "sklearn.datasets.fetch_openml",
        ),
        "sklearn's function transformer": (
            call("sklearn.preprocessing._function_transformer", "FunctionTransformer", "x"),
            "sklearn.preprocessing._function_transformer.FunctionTransformer",
        ),
        "scipy's weave": (call("scipy.weave", "inline", "x"), "scipy.weave.inline"),
        "pandas.read_pickle": (call("pandas", "read_pickle", str(canary)), "pandas.read_pickle"),
        "pandas eval": (call("pandas", "eval", python), "pandas.eval"),
        "cloudpickle": (
            call("cloudpickle.cloudpickle", "_make_function", "x"),
            "cloudpickle.cloudpickle._make_function",
        ),
        "torch.load": (call("torch", "load", str(canary)), "torch.load"),
        "a file for LightGBM": (
            call("lightgbm.basic", "Dataset", str(canary)),
            "lightgbm.basic.Dataset",
        ),
        "a walk over attributes": (
            stack_global("numpy", "testing._private.utils.runstring", python),
            "numpy.testing._private.utils.runstring",
        ),
        "a walk from an allowed class": (
            stack_global("lightgbm.sklearn", "LGBMClassifier.__init__.__globals__", "x"),
            "LGBMClassifier.__init__.__globals__",
        ),
        "gradus itself": (call("gradus_runtime.cli.main", "main", "x"), "gradus_runtime.cli.main.main"),
        "INST": (b"(" + text(shell) + b"ios\nsystem\n.", "INST"),
        "OBJ": (b"(ccollections\nCounter\n" + text(shell) + b"o.", "OBJ"),
        "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
        "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        "PERSID": (b"Pfile\n.", "PERSID"),
        "BINPERSID": (b"\x80\x02" + text("file") + b"Q.", "BINPERSID"),
        "NEXT_BUFFER": (b"\x80\x05\x97.", "NEXT_BUFFER"),
        "a name with a line of its own": (stack_global("os\nsystem", "x", shell), "x"),
    }
    cases["behind a model"] = (
        pickle.dumps({"models": {}, "weights": Reduces(os.system, (shell,))}),
        "posix.system",
    )
    return cases


def breaking() -> dict[str, bytes]:
    """By name: a pickle that would exhaust memory or the stack, or misuse an allowed name."""

    def dtype(code: str) -> bytes:
        return b"cnumpy\ndtype\n(" + text(code) + b"\x89\x88tR"

    def array(state: bytes) -> bytes:
        start = b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01bt"
        return start + b"R(K\x01" + state + b"tb."

    huge = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
    nested = b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."
    return {
        "an array of a terabyte": array(huge + b"\x85" + dtype("f8") + b"\x89C\x00"),
        "an array longer than its bytes": array(b"K\x09\x85" + dtype("f8") + b"\x89C\x08" + bytes(8)),
        "an object array from bytes": array(b"K\x01\x85" + dtype("O8") + b"\x89C\x08" + bytes(8)),
        "an array with a negative size": array(b"J\xff\xff\xff\xff\x85" + dtype("f8") + b"\x89C\x00"),
        "an array of another class": b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n("
        b"clightgbm.basic\nBooster\nK\x00\x85C\x01btR.",
        "a dtype with fields in text": b"\x80\x02" + dtype("f8,f8,O") + b".",
        "a dtype with a subarray": b"\x80\x02" + dtype("(9999999,)f8") + b".",
        "a bytearray of a terabyte": b"\x80\x02cbuiltins\nbytearray\n(" + huge + b"tR.",
        "a codec": call("_codecs", "encode", "x", "zip"),
        "a key of great depth": nested,
        "a set item of great depth": b"\x80\x04\x8f()" + b"\x85" * 200_000 + b"\x90.",
        "a state for a class": b"\x80\x02clightgbm.basic\nBooster\n}" + text("x") + b"K\x01sb.",
        "a state given twice": b"\x80\x02ccollections\nCounter\n)\x81}K\x01K\x02sb}b.",
        "a state for a number": b"\x80\x02K\x01}b.",
        "an append to a tuple": b"\x80\x02)K\x01a.",
        "a pair without its value": b"\x80\x02}(K\x01u.",
        "a memo entry that is not there": b"\x80\x02h\x05.",
        "an empty stack": b"\x80\x02R.",
        "a mark that is not there": b"\x80\x02K\x01t.",
        "a call of a number": b"\x80\x02K\x01)R.",
        "a name that is a number": b"\x80\x04K\x01K\x02\x93.",
        "no end": b"\x80\x02K\x01",
        "no pickle": b"hello, world",
        "nothing": b"",
        "something behind the end": b"\x80\x02K\x01.K\x02.",
        "a string longer than the file": b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"x.",
        "an integer of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
        "joblib's wrapper with a size of its own": b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}("
        + text("dtype")
        + dtype("f8")
        + text("shape")
        + huge
        + b"\x85ub.",
    }


Payload = Callable[[Path], bytes]
