"""build-engine ensure: an engine that fits this device, built where there is none; the service calls it at boots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build_engine.compilation.options import BuildOptions
    from edge_agent.engines.manifest import Manifest

DESCRIPTION = """\
See that the current engine of STORE fits this device: its GPU and its TensorRT, which change with
JetPack. If not, compile its model anew with the same options and make that the current one;
without any engine the model that comes with matecheck is taken. Compiling takes minutes.
"""
EPILOG = """\
exit codes:
  0  the current engine fits, or there is no TensorRT here and the agent runs on the CPU
  2  it could not be built; the last line says why, and the agent goes on with what is there
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "ensure",
        help="build the engine of this device where there is none that fits",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--store", metavar="FOLDER", type=Path, required=True, help="engine store, as in agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and build if need be. Raises MatecheckError if it cannot be built."""
    try:
        from build_engine.tensorrt_compile import compile, expected, here  # noqa: A004
    except ImportError as error:
        print(f"no TensorRT here ({error}): the agent runs on the CPU, nothing is built")
        return 0
    from build_engine.compilation.kept import find
    from build_engine.compilation.options import BuildOptions, changes, name
    from edge_agent.engines.artifact import shipped_model
    from edge_agent.engines.manifest import MODEL
    from edge_agent.engines.store import EngineStore

    engines, place = EngineStore(arguments.store), here()
    current = engines.current()
    manifest = _read(current)
    if current is not None and manifest is not None and manifest.plan_sha256:
        reasons = changes(manifest, place.device, place.tensorrt)
        if not reasons:
            print(f"{current}: fits this device")
            return 0
        print(f"{current.name}: compiling anew, {', '.join(reasons)}", flush=True)
    model = current / MODEL if current is not None else shipped_model()
    options = _options(manifest) or BuildOptions()
    found = find(engines, name(expected(model, options, place)))
    if not found.intact:
        print(
            f"compiling {model} for {place.device.name} with TensorRT {place.tensorrt}; this takes minutes", flush=True
        )
        with engines.staged(found.name) as folder:
            compile(model, folder, options)
    _try_out(engines.folder / found.name)
    engines.activate(found.name)
    print(f"{engines.folder / found.name}: is the current engine")
    return 0


def _read(current: Path | None) -> Manifest | None:
    """The manifest of the current engine, if its files are whole."""
    from edge_agent.engines.manifest import Manifest
    from edge_agent.errors import ModelError

    if current is None:
        return None
    try:
        manifest = Manifest.read(current)
        manifest.check_files(current)
    except ModelError as error:
        print(f"compiling anew: {error}", flush=True)
        return None
    return manifest


def _options(manifest: Manifest | None) -> BuildOptions | None:
    """Those of an engine that was compiled before."""
    from build_engine.compilation.options import BuildOptions

    if manifest is None or not manifest.plan_sha256:
        return None
    said = manifest.builder
    return BuildOptions(manifest.batch, said["workspace_mb"], said["level"], said["dla_core"])


def _try_out(folder: Path) -> None:
    """Raise MatecheckError unless the plan loads, and sees what the same model sees on the CPU."""
    import numpy as np

    from edge_agent.engines import load_engine
    from edge_agent.engines.manifest import MODEL
    from edge_agent.errors import EngineError

    cpu, plan = load_engine(folder / MODEL, "onnxruntime"), load_engine(folder, "tensorrt")
    try:
        rng = np.random.default_rng(0)
        template = rng.integers(0, 256, (1, cpu.info.height, cpu.info.width, 3), np.uint8)
        test = template.copy()
        test[:, cpu.info.height // 3 : cpu.info.height // 2, cpu.info.width // 3 : cpu.info.width // 2] = 255
        difference = float(np.abs(cpu.infer(test, template) - plan.infer(test, template)).mean())
    finally:
        cpu.close()
        plan.close()
    if difference > MOST_DIFFERENCE:
        raise EngineError(
            f"the plan sees otherwise than its model: scores differ by {difference:.3f} on average",
            where=str(folder),
            mend="compare them with build-engine verify; the engine that was current stays",
        )


MOST_DIFFERENCE = 0.05  # of scores from 0 to 1, on average; INT8 differs by 0.003, a broken plan by far more
