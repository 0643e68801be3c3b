"""What was made of a model, layer by layer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_agent.errors import ModelError, StorageError

SCHEMA = "matecheck/precision/1"


@dataclass(frozen=True)
class Difference:
    """How far score maps stand off those of the float32 model on the same tiles.

    Attributes:
        rms, mean: of the difference of the scores, over all pixels.
        changed: pixels that change sides at the model's threshold …
        marked: … and pixels that the float32 model marks there.
    """

    rms: float
    mean: float
    changed: int
    marked: int


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes:
        name: of its node.
        operator: "Conv" or "ConvTranspose".
        macs: multiply-accumulates for one pair of tiles.
        precision: "int8", "fp16" or "fp32".
        low, high: lowest and highest value at its input over all calibration tiles; None where nothing was calibrated.
        range: the largest magnitude that its input can say in int8, 127 steps; None where it is not in int8.
        clipped: share of the values at its input that lie beyond that range.
        histogram: counts of the values at its input, in bins of one width from `low` to `high`.
        sensitivity: rms difference of the scores with this layer alone in int8; None where it was not tried.
        reason: why it is not in int8; empty where it is, or was not to be.
    """

    name: str
    operator: str
    macs: int
    precision: str
    low: float | None = None
    high: float | None = None
    range: float | None = None
    clipped: float | None = None
    histogram: tuple[int, ...] = ()
    sensitivity: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class PrecisionReport:
    """One conversion.

    Attributes:
        network, version: of the model.
        source: sha256 of the float32 model, hexadecimal.
        precision: "fp16", "int8" or "int8+fp16".
        layers: every convolution, in the order in which they run.
        method: of the ranges: "minmax", "entropy" or "percentile"; empty for FP16.
        tiles: pairs of tiles that it was calibrated on.
        digest: sha256 over these tiles, hexadecimal.
        difference: from the float32 model on some of them; None for FP16.
        tried: the same of each method that was tried.
    """

    network: str
    version: str
    source: str
    precision: str
    layers: tuple[Layer, ...]
    method: str = ""
    tiles: int = 0
    digest: str = ""
    difference: Difference | None = None
    tried: dict[str, Difference] | None = None

    @property
    def int8_share(self) -> float:
        """Share of the multiply-accumulates whose inputs and weights are int8 in the graph."""
        return self.share("int8")

    def share(self, precision: str) -> float:
        """Share of the multiply-accumulates in that precision; 0 without any convolution."""
        total = sum(layer.macs for layer in self.layers)
        return sum(layer.macs for layer in self.layers if layer.precision == precision) / (total or 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the schema's name."""
        return {"schema": SCHEMA, "int8_share": self.int8_share, **asdict(self)}


def write_report(report: PrecisionReport, file: Path) -> None:
    """Write the report as JSON. Raises StorageError."""
    try:
        file.write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror})",
            where=str(file),
            mend="make room, or name a place that you may write to",
        ) from error


def read_report(file: Path) -> PrecisionReport:
    """A report that `write_report` wrote. Raises ModelError where it is not one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        del content["schema"], content["int8_share"]
        content["layers"] = tuple(Layer(**row | {"histogram": tuple(row["histogram"])}) for row in content["layers"])
        if content["difference"]:
            content["difference"] = Difference(**content["difference"])
        if content["tried"]:
            content["tried"] = {method: Difference(**values) for method, values in content["tried"].items()}
        return PrecisionReport(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"is no report of a precision ({error})", where=str(file), mend="quantize again") from error


def table(report: PrecisionReport) -> str:
    """The report in plain text, one line a convolution."""
    total = sum(layer.macs for layer in report.layers) or 1
    width = max((len(layer.name) for layer in report.layers), default=5)
    lines = [f"{'layer':<{width}}  {'MMAC':>7} {'share':>6}  {'runs in':<7} {'range':>8} {'beyond':>8} {'alone':>9}"]
    for layer in report.layers:
        numbers = (
            _number(layer.range, "8.3g"),
            _number(None if layer.clipped is None else 100 * layer.clipped, "7.4f", "%"),
            _number(layer.sensitivity, "9.5f"),
        )
        line = f"{layer.name:<{width}}  {layer.macs / 1e6:>7.1f} {layer.macs / total:>6.1%}  {layer.precision:<7} "
        lines.append((line + " ".join(numbers) + f"  {layer.reason}").rstrip())
    shares = ", ".join(f"{report.share(p):.1%} {p}" for p in ("int8", "fp16", "fp32") if report.share(p))
    lines += ["", f"{report.network} {report.version}, {report.precision}: {shares} of {total / 1e9:.2f} GMAC"]
    if report.tiles:
        lines.append(f"ranges: {report.method}, from {report.tiles} tiles, digest {report.digest[:12]}…")
    for method, difference in (report.tried or {}).items():
        lines.append(f"  {method:<10} {difference_text(difference)}")
    if report.difference:
        lines.append(f"against float32: {difference_text(report.difference)}")
    return "\n".join(lines)


def difference_text(difference: Difference) -> str:
    """A difference in words."""
    return (
        f"scores differ by {difference.mean:.5f} on average (rms {difference.rms:.5f}); "
        f"{difference.changed} pixels change sides, {difference.marked} are marked"
    )


def _number(value: float | None, form: str, unit: str = "") -> str:
    length = int(form.split(".", maxsplit=1)[0]) + len(unit)
    return " " * length if value is None else f"{value:{form}}{unit}"
