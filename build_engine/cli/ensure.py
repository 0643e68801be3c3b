"""build-engine ensure: an engine that fits this device, built where there is none; the service calls it at boots."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build_engine.compilation.options import BuildOptions
    from edge_agent.engines.manifest import Manifest

DESCRIPTION = """\
See that the current engine of STORE fits this device: its GPU and its TensorRT, which change with
JetPack. If not, compile its model anew with the same options; without any engine the model of agent.toml
is taken, else the one that comes with matecheck. The new plan becomes the current one if it sees what its
model sees on the CPU: on the tiles of the line that calibrate keeps with an engine, and on simulated
parts. What the gate of calibrate said of the model then goes on to hold. Compiling takes minutes.
"""
EPILOG = """\
exit codes:
  0  the current engine fits, or there is no TensorRT here and the agent runs on the CPU
  2  it could not be built, or sees otherwise than its model; the last line says why, and the agent goes on with
     what is there: the same model on the CPU, slower
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
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="agent.toml: the model that it names goes before the shipped one"
    )
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
    from build_engine.compilation.trial import KEPT
    from edge_agent.engines.manifest import MODEL
    from edge_agent.engines.store import EngineStore

    engines, place = EngineStore(arguments.store), here()
    current = engines.current()
    manifest, damage = _read(current)
    if current is not None:
        anew = manifest is not None and manifest.plan_sha256
        reasons = changes(manifest, place.device, place.tensorrt) if manifest and anew else []
        reasons += [damage] if damage else []
        if anew and not reasons:
            print(f"{current}: fits this device")
            return 0
        print(f"{current.name}: compiling anew, {', '.join(reasons) or 'it has no plan'}", flush=True)
    model = current / MODEL if current is not None and manifest is not None else _first_model(arguments.config)
    options = _options(manifest) or BuildOptions()
    found = find(engines, name(expected(model, options, place)))
    if not found.intact:
        print(
            f"compiling {model} for {place.device.name} with TensorRT {place.tensorrt}; this takes minutes", flush=True
        )
        with engines.staged(found.name) as folder:
            compile(model, folder, options)
            if manifest is not None and current is not None and (current / KEPT).is_file():
                shutil.copyfile(current / KEPT, folder / KEPT)
    built = engines.folder / found.name
    shown = _tried(built)
    _go_on_with_gate(manifest, built, shown)
    engines.activate(found.name)
    print(f"{built}: {shown}; it is the current engine")
    return 0


def _read(current: Path | None) -> tuple[Manifest | None, str]:
    """The manifest of the current engine if its model is whole, and what is damaged."""
    from edge_agent.engines.manifest import MODEL, Manifest, sha256_of
    from edge_agent.errors import ModelError

    if current is None:
        return None, ""
    try:
        manifest = Manifest.read(current)
        if sha256_of(current / MODEL) != manifest.model_sha256:
            return None, "its model is damaged, so that the one of agent.toml is taken"
    except ModelError as error:
        return None, str(error)
    try:
        manifest.check_files(current)
    except ModelError as error:
        return manifest, str(error)
    return manifest, ""


def _first_model(config: Path | None) -> Path:
    """What an engine is made of where there is none: the model that agent.toml names, else the shipped one."""
    from edge_agent.config import load
    from edge_agent.engines.artifact import shipped_model

    model = load(config).engine.model if config is not None and config.is_file() else None
    return model or shipped_model()


def _options(manifest: Manifest | None) -> BuildOptions | None:
    """Those of an engine that was compiled before."""
    from build_engine.compilation.options import BuildOptions

    if manifest is None or not manifest.plan_sha256:
        return None
    said = manifest.builder
    return BuildOptions(manifest.batch, said["workspace_mb"], said["level"], said["dla_core"])


def _tried(folder: Path) -> str:
    """What the trial of a plan has shown. Raises MatecheckError unless it loads, and sees what its model sees."""
    from contextlib import closing

    from build_engine.compilation.trial import kept_tiles, try_out
    from edge_agent.engines import load_engine
    from edge_agent.engines.manifest import MODEL

    with closing(load_engine(folder / MODEL, "onnxruntime")) as model, closing(load_engine(folder, "tensorrt")) as plan:
        return try_out(model, plan, kept_tiles(folder, model.info))


def _go_on_with_gate(before: Manifest | None, folder: Path, shown: str) -> None:
    """The gate's word on a model holds for another plan of it that sees the same; it says by what."""
    from dataclasses import replace

    from edge_agent.engines.manifest import GateRecord, Manifest

    manifest = Manifest.read(folder)
    if manifest.gate is not None or before is None or before.gate is None or not before.gate.passed:
        return
    first = before.gate.text.partition("; compiled anew")[0]
    text = f"{first}; compiled anew by TensorRT {manifest.tensorrt}, {shown}"
    replace(manifest, gate=GateRecord(True, text, before.gate.figures)).write(folder)
