"""Every name and signature of TensorRT that we use exists in the versions of JetPack 6 and 7, by their own bindings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from enum import EnumMeta
from pathlib import Path

import pytest

from tests.support.gpu import fake_runtime, fake_tensorrt
from tests.support.gpu.bindings import VERSIONS, installed

ROOT = Path(__file__).parents[2]
FAKES = (fake_runtime.__name__, fake_tensorrt.__name__)
USERS = [
    path
    for package in ("edge_agent", "build_engine", "calibration")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "import tensorrt as trt" in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="session", params=VERSIONS)
def types(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not installed(request.param).is_dir():
        pytest.skip(f"NOT RUN: no bindings of TensorRT {request.param}; make test-gpu says why")
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "tests.support.gpu.bindings", request.param, folder]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return folder


def mypy(types: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--no-warn-unused-ignores", "--follow-imports", "silent"]
    command += ["--cache-dir", str(types.parent / "mypy"), *map(str, files)]
    environment = os.environ | {"MYPYPATH": str(types)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_our_use_of_tensorrt_fits_its_bindings(types: Path) -> None:
    assert {path.name for path in USERS} >= {"tensorrt.py", "tensorrt_log.py", "builder.py", "tensorrt_compile.py"}
    done = mypy(types, *USERS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("config.set_flagg(trt.BuilderFlag.GPU_FALLBACK)", "has no attribute"),
        ("config.set_timing_cache(config.get_timing_cache())", "Missing positional argument"),
        ("trt.BuilderFlag.NO_SUCH_FLAG", "has no attribute"),
        ("config.builder_optimization_level = '5'", "Incompatible types"),
        ("runtime.deserialize_cuda_engine(b'').create_execution_context()", 'Item "None"'),
    ],
)
def test_a_wrong_use_would_be_found(types: Path, tmp_path: Path, line: str, complaint: str) -> None:
    wrong = tmp_path / "wrong.py"
    head = "import tensorrt as trt\n\n\ndef use(config: trt.IBuilderConfig, runtime: trt.Runtime) -> None:\n"
    wrong.write_text(f"{head}    {line}\n", encoding="utf-8")
    done = mypy(types, wrong)
    assert complaint in done.stdout


def test_the_fake_has_no_name_that_tensorrt_has_not(types: Path) -> None:
    names = json.loads((types / "names.json").read_text(encoding="utf-8"))
    ours = {name: thing for name, thing in vars(fake_tensorrt).items() if isinstance(thing, type)}
    ours = {name: thing for name, thing in ours.items() if thing.__module__ in FAKES}
    helpers = {"Severity": "ILogger", "Tensor": "ITensor"}  # nested there, or of another name
    for name, thing in ours.items():
        if name in helpers:
            continue
        assert name in names, f"TensorRT has no {name}"
        members = list(thing.__members__) if isinstance(thing, EnumMeta) else list(vars(thing))
        public = {member for member in members if not member.startswith("_")} - {"EXPLICIT_BATCH"}  # gone in 11
        own = {
            "model",
            "inputs",
            "shapes",
            "content",
            "profile",
            "cache",
            "session",
            "tensors",
            "refuses",
            "gain",
            "logger",
        }
        missing = public - own - set(names[name])
        assert not missing, f"{name} has no {', '.join(missing)}"
