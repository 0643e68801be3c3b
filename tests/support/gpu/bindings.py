"""TensorRT's own Python bindings, without TensorRT: what names and signatures a version really has.

As a command it writes types for mypy and names.json, read off them: python -m tests.support.gpu.bindings VERSION FOLDER
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

VERSIONS = ("10.3.0", "10.13.3.9.post1", "11.4.0.106")
STUB = Path(__file__).with_name("nvinfer_stub.c")
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
MAY_BE_NONE = ("deserialize_cuda_engine", "build_serialized_network", "create_execution_context", "create_timing_cache")


def installed(version: str) -> Path:
    """Where `install.sh` has put the bindings of a version."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "matecheck" / "gpu-py{}.{}".format(*sys.version_info) / f"tensorrt-{version}"


def load(version: str) -> ModuleType:
    """Import the bindings of one version; a process can have one."""
    major = version.partition(".")[0]
    with tempfile.TemporaryDirectory() as folder:
        for name in LIBRARIES:
            library = Path(folder) / f"lib{name}.so.{major}"
            subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", library, STUB], check=True)
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        sys.path.insert(0, str(installed(version)))
        import tensorrt_bindings

    module: ModuleType = tensorrt_bindings
    return module


def write_types(version: str, folder: Path) -> None:
    """Write `tensorrt/__init__.pyi`: what pybind11-stubgen reads off the bindings, made good for mypy; and names."""
    bindings = load(version)
    names = {name: dir(thing) for name, thing in vars(bindings).items()}
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    from pybind11_stubgen import main

    sys.argv = ["pybind11-stubgen", "tensorrt_bindings", "-o", str(folder), "--ignore-all-errors"]
    main()
    source = (folder / "tensorrt_bindings" / "tensorrt.pyi").read_text(encoding="utf-8")
    (folder / "tensorrt").mkdir()
    (folder / "tensorrt" / "__init__.pyi").write_text(_mended(source), encoding="utf-8")


def _mended(source: str) -> str:
    source = re.sub(r"(?<=[(, ])in: ", "in_: ", source)  # a keyword
    source = re.sub(r"(?<=def )(\w+)\(self: (.*)\)(?= ->)", lambda m: f"{m[1]}(self{_after_first(m[2])})", source)
    source = re.sub(r"= <[^>]*>", "= ...", source)
    source = re.sub(r"= None(?=[,)])", "= ...", source)
    source = re.sub(r"(?<=: )([\w.]+)(?= = \.\.\.[,)])", r"\1 | None", source)
    source = source.replace("typing.SupportsInt", "int").replace("typing.SupportsFloat", "float")
    for name in MAY_BE_NONE:  # what they answer where they fail: whoever does not look is told by mypy
        source = re.sub(rf"(def {name}\(.*?\) -> )([\w.]+):", r"\1\2 | None:", source)
    source = re.sub(
        r"(class IHostMemory[^\n]*\n)", r"\1    def __buffer__(self, flags: int, /) -> memoryview: ...\n", source
    )
    source = re.sub(r"(?<=: )Dims(?=[,)| ])", "Dims | tuple[int, ...]", source)  # converted by the bindings
    source = re.sub(r"(class Dims:\n)", r"\1    def __iter__(self) -> typing.Iterator[int]: ...\n", source)
    source = re.sub(r"(?<=def )(\w+)\((.*)\)(?= ->)", lambda m: f"{m[1]}({_in_order(m[2])})", source)
    source = re.sub(r"^bool: DataType.*$", "", source, flags=re.MULTILINE)  # hides the type of that name
    tree = ast.parse(source + "\n__version__: str\n")
    return "# mypy: ignore-errors\n" + ast.unparse(tree) + "\n"


def _split(parameters: str) -> list[str]:
    """At the commas that stand in no brackets."""
    found, depth = [""], 0
    for sign in parameters:
        depth += (sign in "[(") - (sign in "])")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


def _after_first(parameters: str) -> str:
    return "".join(f",{text}" for text in _split(parameters)[1:])


def _in_order(parameters: str) -> str:
    """A default for each parameter that comes after one with a default: the bindings have some without."""
    found = _split(parameters)
    first = next((place for place, text in enumerate(found) if "= " in text), len(found))
    return ",".join(
        f"{text} = ..." if place > first and "= " not in text and "*" not in text else text
        for place, text in enumerate(found)
    )


if __name__ == "__main__":
    write_types(sys.argv[1], Path(sys.argv[2]))
