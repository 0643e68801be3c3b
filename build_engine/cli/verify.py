"""build-engine verify: does an engine say the same as the FP32 model?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from build_engine.cli.annotated import read_source
from build_engine.cli.numbers import number, whole

DESCRIPTION = """\
Show an engine and the FP32 model the same pairs of pictures, and compare score maps,
components and verdicts. Run it on the device, where the engine runs.
"""
EPILOG = """\
exit codes:
  0  the engine agrees with FP32 on all pairs
  1  it does not, or no pair could be compared; the table says which and how
  2  it could not be tried; the last line says why
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "verify",
        help="compare an engine with the FP32 model",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("engine", metavar="ENGINE", type=Path, help="an engine's folder, or an ONNX model")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--pairs",
        type=Path,
        metavar="LIST|FOLDER",
        help="CSV with the columns test,template,region,mm_per_px, or a folder of NAME/test.*, NAME/template.*",
    )
    data.add_argument("--deeppcb", type=Path, metavar="LIST", help="trainval.txt or test.txt of DeepPCB")
    parser.add_argument("--model", type=Path, metavar="ONNX", help="the FP32 model (default: the one in the package)")
    parser.add_argument(
        "--backend",
        choices=("auto", "tensorrt", "onnxruntime"),
        default="auto",
        help="what runs the engine (default: TensorRT if it has a plan, and no other)",
    )
    parser.add_argument(
        "--threshold", type=number(0, 1, above=True), metavar="SCORE", help="0..1 (default: the model's own)"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="the first N pairs (default: all)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of the table")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare; figures to stdout, progress to stderr."""
    from contextlib import closing

    from build_engine.evaluation.verification import table, verify
    from edge_agent.engines import load_engine
    from edge_agent.engines.plan import is_artifact, read_artifact

    pairs = read_source(arguments)[: arguments.limit]
    backend = arguments.backend
    if backend == "auto" and is_artifact(arguments.engine) and read_artifact(arguments.engine).manifest.plan_sha256:
        backend = "tensorrt"  # an engine that silently runs elsewhere would prove nothing

    def done(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count} of {len(pairs)} pairs", end="\n" if count == len(pairs) else "", file=sys.stderr)

    with (
        closing(load_engine(arguments.model, "onnxruntime")) as reference,
        closing(load_engine(arguments.engine, backend)) as tested,
    ):
        verification = verify(reference, tested, pairs, threshold=arguments.threshold, done=done)
    if arguments.json:
        print(json.dumps(verification.to_dict(), ensure_ascii=False))
    else:
        print(table(verification))
    return 0 if verification.agrees else 1
