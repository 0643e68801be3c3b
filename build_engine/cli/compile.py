"""build-engine compile: a model as a plan for the GPU of this very device."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from build_engine.cli.numbers import whole

DESCRIPTION = """\
Compile MODEL with TensorRT for the device at hand, and put model, plan and manifest
into an engine store. Takes minutes; Ctrl-C ends it and leaves the store as it was.
Precision is the model's own: make FP16 and INT8 with build-engine quantize.
"""
EPILOG = """\
exit codes:
  0  the engine is in the store (also if it was there already)
  2  it could not be built; the last line says why
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "compile",
        help="compile a model for the GPU of this device",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="an ONNX model, or an engine's folder to do it anew")
    parser.add_argument(
        "--store", metavar="FOLDER", type=Path, help="engine store (default: the one that MODEL stands in)"
    )
    parser.add_argument(
        "--batch",
        type=whole(1),
        nargs=3,
        metavar=("LEAST", "USUAL", "MOST"),
        default=(1, 4, 8),
        help="tiles of one inference (default: 1 4 8); fewer need less memory",
    )
    parser.add_argument(
        "--workspace-mb", type=whole(1), default=1024, help="memory for one layer (default: %(default)s)"
    )
    parser.add_argument(
        "--level", type=int, choices=range(6), default=3, help="how long TensorRT tries (default: %(default)s)"
    )
    parser.add_argument("--dla", metavar="CORE", type=whole(0), help="run what it can on this DLA core")
    parser.add_argument("--layers", action="store_true", help="list the layers with the precision that each got")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Compile, unless that very engine is there."""
    from edge_agent.engines.manifest import MODEL
    from edge_agent.engines.plan import is_artifact
    from edge_agent.engines.store import EngineStore
    from edge_agent.errors import EngineError, UsageError

    model: Path = arguments.model / MODEL if is_artifact(arguments.model) else arguments.model
    store = arguments.store
    if store is None:
        if not is_artifact(model.parent):
            raise UsageError("where to is not said", where="--store", mend="name the engine store, as in agent.toml")
        store = model.parent.resolve().parent
    if not arguments.batch[0] <= arguments.batch[1] <= arguments.batch[2]:
        raise UsageError("must rise", where="--batch", mend="give fewest, usual and most tiles")
    try:
        from build_engine.tensorrt_compile import compile, expected, here  # noqa: A004
    except ImportError as error:
        from edge_agent.engines import NO_TENSORRT

        raise EngineError(f"TensorRT cannot be used ({error})", mend=NO_TENSORRT) from error
    from build_engine.compilation.bar import bar
    from build_engine.compilation.kept import find, why_anew
    from build_engine.compilation.options import BuildOptions, name

    options = BuildOptions(tuple(arguments.batch), arguments.workspace_mb, arguments.level, arguments.dla)
    engines, place = EngineStore(store), here()
    wanted = expected(model, options, place)
    found = find(engines, name(wanted))
    if found.intact:
        print(f"{engines.folder / found.name}: is there already, compiled with the same options on this device")
        return _told(engines.folder / found.name, arguments.layers)
    for reason in why_anew(engines, wanted):
        print(f"compiling anew: {reason}")
    print(
        f"compiling {wanted.network} {wanted.version}, {wanted.precision}, for {wanted.device} "
        f"(compute capability {wanted.compute_capability}) with TensorRT {wanted.tensorrt}; this takes minutes",
        flush=True,
    )
    began = time.monotonic()
    with engines.staged(found.name) as folder, bar() as told:
        compile(model, folder, options, told)
    print(f"{engines.folder / found.name}: compiled in {time.monotonic() - began:.0f} s")
    if os.geteuid() != 0:
        print("note: the agent loads plans of root alone; build with sudo on the device", file=sys.stderr)
    return _told(engines.folder / found.name, arguments.layers)


def _told(folder: Path, each: bool) -> int:
    from build_engine.compilation.layers import read_layers, summary, table

    layers = read_layers(folder)
    if each:
        print(table(layers))
    print(f"  {summary(layers)}")
    print(f"  compare it with FP32: build-engine verify {folder} --pairs …")
    return 0
