"""The parts of the page, each a function from plain values to HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from build_engine.evaluation.agreement import Agreement, AgreementLimits
from build_engine.precision import Layer, PrecisionReport
from calibration.breadth import Need
from calibration.coverage import LayerCoverage
from calibration.gate import GateResult
from calibration.pair_set import Entry
from calibration.report import charts
from calibration.worst_pairs import ShownPair

PICTURES = ("template", "part", "FP32 marks", "this engine marks", "difference × 5")
VERDICTS = ("OK", "NG", "ERROR")


def banner(gate: GateResult, name: str) -> str:
    """The answer, first."""
    if gate.passed:
        return f'<p class="banner good"><b>Passed.</b> {escape(name)} {escape(gate.text)}. It may be activated.</p>'
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in gate.reasons)
    return f'<div class="banner bad"><b>Not passed: {escape(name)} must not be activated.</b><ul>{reasons}</ul></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns."""
    return _table((), [(f"<b>{escape(key)}</b>", escape(value)) for key, value in rows], "facts")


def pair_set(entries: Sequence[Entry], found: Sequence[Need]) -> str:
    """What pictures there were."""
    rows = [
        (escape(need.subject), escape(need.have), escape(need.want), "yes" if need.met else "<b>no</b>")
        for need in found
    ]
    light = charts.histogram([entry.brightness for entry in entries], 0.7, 1.3, ("70 %", "130 % of the template"))
    points = [(*entry.shift, entry.has_object) for entry in entries]
    figures = [(light, "brightness"), (charts.places(points), "where the parts lay (red: with an object)")]
    return _table(("", "there is", "wanted", "enough"), rows) + _figures(figures)


def agreement(gate: GateResult, limits: AgreementLimits) -> str:
    """What both engines say of the pairs of the check."""
    agreements = [agreement for _, agreement in gate.agreements]
    rows = [
        (
            f"<b>FP32: {first}</b>",
            *(_marked(sum(a.verdicts == (first, second) for a in agreements), first != second) for second in VERDICTS),
        )
        for first in VERDICTS
        if any(a.verdicts[0] == first for a in agreements)
    ]
    top = max([0.001, *(agreement.gap_mean for agreement in agreements)])
    chart = charts.histogram([agreement.gap_mean for agreement in agreements], 0.0, top, ("0", f"{top:.4f}"))
    compared = sum(agreement.components for agreement in agreements)
    text = f"{compared} objects were compared. Each has to agree within: {escape(str(limits))}."
    return (
        _table(("", *(f"this engine: {verdict}" for verdict in VERDICTS)), rows)
        + f"<p>{text}</p>"
        + _figures([(chart, "mean difference of the score maps, number of pairs")])
        + _differences(gate.agreements)
    )


def _differences(agreements: Sequence[tuple[Entry, Agreement]]) -> str:
    rows = [
        (f"<code>{entry.id[:8]}</code>", "<br>".join(escape(text) for text in agreement.differences))
        for entry, agreement in agreements
        if agreement.differences
    ]
    return _table(("picture", "what differs"), rows) if rows else ""


def worst(shown: Sequence[ShownPair]) -> str:
    """The pairs that differ the most, side by side."""
    blocks = []
    for pair in shown:
        verdicts = " / ".join(pair.agreement.verdicts)
        figures = "".join(
            f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}" alt="{title}">'
            f"<figcaption>{title}</figcaption></figure>"
            for title, picture in zip(PICTURES, pair.pictures, strict=False)
        )
        numbers = (
            f"score maps differ by {pair.agreement.gap_mean:.4f} on average, {pair.agreement.gap_max:.2f} at most; "
            f"{pair.agreement.changed} pixels change sides"
        )
        blocks.append(
            f'<div class="pair"><h3><code>{pair.entry.id[:8]}</code> FP32 / this engine: {verdicts}</h3>'
            f"<p>{numbers}</p><div class=pictures>{figures}</div></div>"
        )
    return "".join(blocks)


def layers(report: PrecisionReport, covered: Sequence[LayerCoverage]) -> str:
    """Every convolution: how much of the arithmetic, in what precision, with which range."""
    needed = {layer.layer: layer for layer in covered}
    total = sum(layer.macs for layer in report.layers) or 1
    rows = [_layer(layer, needed.get(layer.name), total) for layer in report.layers]
    head = ("layer", "arithmetic", "runs in", "values (red: range of INT8)", "range", "beyond", "alone", "note")
    explained = (
        "<p>Each chart shows how often which value came, in logarithmic height, on the pictures of the calibration. "
        "“beyond” is the share of values cut off on the pairs of the check; “alone” is how much the scores change "
        "(rms) with this layer alone in INT8.</p>"
    )
    return explained + _table(head, rows)


def _layer(layer: Layer, covered: LayerCoverage | None, total: int) -> tuple[str, ...]:
    chart = ""
    if layer.histogram and layer.low is not None and layer.high is not None:
        chart = charts.distribution(layer.histogram, layer.low, layer.high, layer.range, (150, 28))
    trouble = covered.trouble if covered else ""
    return (
        f"<code>{escape(layer.name.removesuffix('/Conv').removesuffix('/ConvTranspose'))}</code>",
        f"{layer.macs / total:.1%}",
        layer.precision,
        chart,
        "" if layer.range is None else f"{layer.range:.3g}",
        "" if covered is None else f"{covered.beyond:.4%}",
        "" if layer.sensitivity is None else f"{layer.sensitivity:.4f}",
        f"<b>{escape(trouble)}</b>" if trouble else escape(layer.reason),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    top = f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>" if head else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}">{top}{body}</table></div>'


def _figures(figures: Sequence[tuple[str, str]]) -> str:
    shown = "".join(f"<figure>{chart}<figcaption>{text}</figcaption></figure>" for chart, text in figures)
    return f"<div class=pictures>{shown}</div>"


def _marked(count: int, wrong: bool) -> str:
    return f'<b class="wrong">{count}</b>' if wrong and count else str(count)
