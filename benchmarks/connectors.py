"""Real connectors at native resolution with their regions: objects found, false components.

python -m benchmarks.connectors [--model ONNX]

Inspects each pair at score threshold 0.1 and at the model's own, with default limits. Pictures go to a folder outside
the repository. What is marked beside the annotated objects was looked at in both photos, enlarged seven times, and
judged by one pair of eyes: JUDGED says as what.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.datasets import AnnotatedPair, Box, read_pairs
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX
from build_engine.evaluation.inspecting import inspect_pair
from edge_agent.engines import load_engine
from edge_agent.images import read_image, write_image
from edge_agent.inspection.inspection import Component, Inspection
from edge_agent.inspection.inspector import Inspector

NAME = "connectors"
CLAIM = "every object found; SMA: no false component at threshold 0.1; D-sub: each further mark judged by eye"
# By pair: x, y in px of the test photo. Gloss is no object: the same surface shines otherwise.
JUDGED = {
    "dsub-sliver-and-foil": {
        (2415, 1541): "smudge, on the test photo alone",
        (2464, 1593): "drop, on the template alone",
        (2480, 1569): "drop, its faint ring, on the template alone",
        (2506, 1591): "drop, on the template alone",
        (2474, 1607): "flake or gloss, a bright point on the shell's edge, on the test photo alone",
        (2359, 1443): "dust, on the test photo alone",
        (1433, 1288): "dust, on the test photo alone",
        (1559, 1602): "dust, on the test photo alone",
        (2603, 1559): "dust, on the test photo alone",
        (2591, 1522): "dust, on the test photo alone",
        (1640, 1532): "dust, a pale streak, on the test photo alone",
        (2115, 1441): "smudge, on the test photo alone",
        (1711, 1587): "pore or dark speck, on the test photo alone",
        (1685, 1609): "gloss, the rim shines on the template",
        (2058, 1599): "gloss, the rim shines on the template",
        (2239, 1266): "gloss, the rim shines on the test photo",
        (1570, 1370): "gloss, the socket shines on the test photo",
        (1661, 1538): "gloss, the socket shines on the template",
        (2564, 1561): "nothing that can be named",
    }
}
JUDGED_WITHIN_PX = 8
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()

    engine = load_engine(arguments.model, threads=THREADS)
    inspector = Inspector(engine)
    cv2.setNumThreads(THREADS)
    folder = pictures_folder(NAME)
    lines = []
    for pair in read_pairs(data_folder("connectors")):
        for threshold in (0.1, engine.info.threshold):
            start = time.monotonic()
            inspection = inspect_pair(inspector, pair, threshold)
            seconds = time.monotonic() - start
            lines += [f"{pair.name}, threshold {threshold:g}: {inspection.verdict.value}, {seconds:.1f} s with reading"]
            lines += [f"  {reason.text}" for reason in inspection.reasons]
            lines += [*_said(pair, inspection), ""]
            write_image(folder / f"{pair.name}-{threshold:g}.png", _picture(pair, inspection))
    record(
        NAME,
        claim=CLAIM,
        data="connectors (wangyuecqupt/Zero-shotanomaly-detector), 4096 x 3000, boxes annotated by eye",
        model=engine.info,
        result="\n".join(lines).rstrip(),
        keep=arguments.model is None,
    )
    print(f"pictures in {folder}")


def _said(pair: AnnotatedPair, inspection: Inspection) -> list[str]:
    lines = []
    for box in pair.boxes:
        on_it = [component for component in inspection.components if touches(component, box)]
        pieces = ", ".join(f"score {c.score:.2f} {c.length_px:.0f} x {c.width_px:.0f} px" for c in on_it[:4])
        lines.append(
            f"  object {_text(box)}: " + (f"FOUND, {len(on_it)} component(s): {pieces}" if on_it else "MISSED")
        )
    false = [c for c in inspection.components if not any(touches(c, box) for box in pair.boxes)]
    rejected = sum(component.rejected for component in false)
    lines.append(f"  false components: {len(false)}, of them {rejected} large enough to make the part NG")
    lines += [
        f"    {_text(c.bbox_px)}: score {c.score:.2f}, peak {c.peak_score:.2f}, {c.length_px:.0f} x {c.width_px:.0f} px"
        f", judged: {judged(pair.name, c)}"
        for c in false
    ]
    return lines


def judged(name: str, component: Component) -> str:
    """What was seen by eye where a component of a pair lies."""
    x0, y0, x1, y1 = component.bbox_px
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    near = {math.dist(place, middle): word for place, word in JUDGED.get(name, {}).items()}
    away = min(near, default=math.inf)
    return near[away] if away <= JUDGED_WITHIN_PX else "not looked at"


def touches(component: Component, box: Box) -> bool:
    """Whether a component lies on an annotated box, or as near as annotators stand off."""
    x0, y0, x1, y1 = component.bbox_px
    left, top, right, bottom = box
    margin = ANNOTATION_MARGIN_PX
    return x0 < right + margin and left - margin < x1 and y0 < bottom + margin and top - margin < y1


def _text(box: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{value:.0f}" for value in box) + "]"


def _picture(pair: AnnotatedPair, inspection: Inspection) -> np.ndarray:
    """Test, aligned template and score map, cut to the region: annotated boxes green, components red with scores."""
    test = read_image(pair.test)
    corners = np.array(pair.region or ((0, 0), test.shape[1::-1]))
    (left, top), (right, bottom) = corners.min(axis=0).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    cut = np.s_[max(0, top - 20) : bottom + 20, max(0, left - 20) : right + 20]
    dark = np.zeros(test.shape[:2], np.float32)
    score = dark if inspection.score_map is None else inspection.score_map
    heat = cv2.applyColorMap(np.round(score * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    template = test // 4 if inspection.aligned_template is None else inspection.aligned_template
    layers = [np.ascontiguousarray(layer[cut]) for layer in (test, template, heat)]
    origin = np.array([cut[1].start, cut[0].start] * 2)
    for layer in layers:
        for box in pair.boxes:
            x0, y0, x1, y1 = (int(value) for value in np.array(box) - origin)
            cv2.rectangle(layer, (x0, y0), (x1, y1), (60, 200, 40), 2)
        for component in inspection.components:
            x0, y0, x1, y1 = (int(value) for value in np.array(component.bbox_px) - origin)
            cv2.rectangle(layer, (x0, y0), (x1, y1), (40, 40, 240), 1)
            label = f"{component.score:.2f}"
            cv2.putText(layer, label, (x0, y0 - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 240), 1, cv2.LINE_AA)
    return np.vstack(layers) if layers[0].shape[1] > 2 * layers[0].shape[0] else np.hstack(layers)


if __name__ == "__main__":
    run(main)
