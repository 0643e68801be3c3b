"""The page: head, style, and its parts in order."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from build_engine.evaluation.agreement import AgreementLimits
from build_engine.precision import PrecisionReport
from calibration.breadth import Need
from calibration.gate import GateResult
from calibration.pair_set import Entry
from calibration.report import sections
from edge_agent.engines.manifest import Manifest
from edge_agent.errors import StorageError

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto; max-width: 1100px;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } h3 { font-size: 1rem }
.banner { padding: .8rem 1rem; border-left: 6px solid; } .banner ul { margin: .4rem 0 0; }
.good { border-color: #2e8b57; background: #eef7f1 } .bad { border-color: #c0392b; background: #fbeeec }
table { border-collapse: collapse; font-size: 13px } th { text-align: left; font-weight: 600; color: #555 }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #e3e5e8; vertical-align: middle }
.scroll { overflow-x: auto } code { font-size: 12px } .wrong { color: #c0392b }
figure { margin: 0 1rem 1rem 0 } figcaption { font-size: 12px; color: #555 }
.pictures { display: flex; flex-wrap: wrap; margin-top: .8rem } .pair figure { width: 205px; margin-right: .5rem }
.pair img { width: 100%; display: block }
@media print { body { margin: 0; max-width: none; font-size: 11px } .pair, tr, figure { break-inside: avoid }
  .scroll { overflow: visible } .pair figure { width: 18.5% } table { font-size: 10px }
  * { print-color-adjust: exact } }
"""


def write_page(
    path: Path,
    *,
    name: str,
    device: str,
    recipes: Sequence[str],
    manifest: Manifest,
    report: PrecisionReport,
    gate: GateResult,
    entries: Sequence[Entry],
    found: Sequence[Need],
) -> None:
    """Write the page of one engine aside, then rename it into place.

    Args:
        name: of the engine in the store.
        device: as agent.toml names it.
        recipes: names of the recipes at work.
        entries: the pairs of these recipes, for calibration and check.
        found: what the set has and lacks.

    Raises:
        StorageError: it cannot be written.
    """
    int8 = manifest.calibration is not None
    limits = AgreementLimits()
    parts = [
        sections.banner(gate, name),
        sections.facts(_facts(name, recipes, manifest, report)),
        "<h2>Agreement with FP32, on pairs that the calibration never saw</h2>",
        sections.agreement(gate, limits),
        "<h2>The pairs that differ the most</h2>" if gate.shown else "",
        sections.worst(gate.shown),
        "<h2>The pictures</h2>",
        sections.pair_set(entries, found),
        "<h2>Layers and their ranges</h2>" if int8 else "<h2>Layers</h2>",
        sections.layers(report, gate.layers),
    ]
    title = f"Calibration of {device}"
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )
    aside = path.with_suffix(".part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        what = f"the report cannot be written ({error.strerror})"
        raise StorageError(what, where=str(path), mend="check free space and permissions") from error


def _facts(name: str, recipes: Sequence[str], manifest: Manifest, report: PrecisionReport) -> list[tuple[str, str]]:
    shares = ", ".join(f"{report.share(kind):.1%} {kind}" for kind in ("int8", "fp16", "fp32") if report.share(kind))
    rows = [
        ("engine", name),
        ("network", f"{manifest.network} {manifest.version}, tiles of {manifest.tile[1]} × {manifest.tile[0]}"),
        ("recipe", ", ".join(recipes)),
        ("arithmetic of the convolutions", shares),
        ("made at", f"{manifest.made_at} by the clock of the device"),
    ]
    if manifest.calibration:
        used = f"{manifest.calibration.pairs} pairs, method {manifest.calibration.method}"
        rows.append(("ranges from", f"{used}, digest {manifest.calibration.digest[:12]}"))
    if manifest.plan_sha256:
        rows.append(("compiled", f"TensorRT {manifest.tensorrt}, CUDA {manifest.cuda}, for {manifest.device}"))
    else:
        rows.append(("compiled", "no: there is no TensorRT on this machine; compared on ONNX Runtime"))
    return rows
