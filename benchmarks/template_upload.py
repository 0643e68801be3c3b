"""What it costs that the template is moved onto each part: its tiles are new with each part that lies elsewhere.

Says how often that happens, what a tile of the template weighs beside what the convolutions of one pair of tiles move,
and how long the CPU needs to write the tiles into the memory that a GPU reads, beside the registration. That tiles
which are the same are not uploaded again is a test of `make test-gpu`.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.record import record, run
from benchmarks.simulated_parts import CONNECTORS, SEED, SHARE
from build_engine.precision.graph import convolutions, prepared
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.engines import load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.registration import Registered, Registrar

NAME = "template_upload"
PARTS, NOISE = 20, 2.0  # standard deviation of a camera's noise, in grey levels
CLAIM = "the template's tiles of a part that lies as the last one are the same; moving the others' to the GPU is cheap"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    cv2.setNumThreads(1)
    info = load_engine(threads=1).info
    times: list[tuple[float, float]] = []
    lines = []
    for kind in CONNECTORS:
        camera = SimulatedCamera(kind, seed=SEED, share=SHARE)
        recipe = Recipe(kind, "1", camera.template(), tuple(camera.region()), camera.mm_per_px)
        registrar, rng = Registrar(), np.random.default_rng(SEED)
        new = []
        for pictures in (
            (_noisy(camera.template(), rng) for _ in range(PARTS)),
            (camera.part(number)[0] for number in range(PARTS)),
        ):
            known: NDArray[np.uint8] | None = None
            changed = 0
            for picture in pictures:
                registered = registrar.register(picture, recipe, model=info, clock=time.process_time_ns)
                assert isinstance(registered, Registered), registered.reasons
                assert registered.cut
                tiles = registered.cut.template
                times.append((registered.timing_ms["alignment"], _writing_ms(tiles)))
                changed += known is None or not np.array_equal(tiles, known)
                known = tiles
            new.append(changed)
        lines.append(
            f"{kind:<18} new tiles: {new[0]:>2} of {PARTS} parts in a fixture, {new[1]:>2} of {PARTS} lying freely"
        )
    alignment, writing = np.median(times, axis=0)
    graph, _ = prepared(shipped_model())
    tile, moved = info.height * info.width * 3, _moved(graph)
    lines += [
        "",
        f"a tile of the template has {tile / 1e6:.2f} MB; the convolutions read (int8) and write (half)",
        f"{moved / 1e6:.1f} MB for a pair of tiles: an upload adds {tile / moved:.1%} to that, and overlaps with the",
        "network's look at the tiles before",
        f"registration takes {alignment:.0f} ms a part on one core, writing its {len(tiles)} template tiles to where",
        f"the GPU reads them {writing:.2f} ms (medians of processor time)",
    ]
    data = (
        f"simulated parts of {', '.join(CONNECTORS)}, {PARTS} each; in a fixture: the clean part, other noise each time"
    )
    record(NAME, claim=CLAIM, data=data, model=info, result="\n".join(lines), keep=True)


def _noisy(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(np.clip(picture + rng.normal(0, NOISE, picture.shape), 0, 255), np.uint8)


def _moved(graph: onnx.ModelProto) -> int:
    """Bytes that the convolutions read and write for one pair of tiles: inputs in int8, outputs in half."""
    values = (*graph.graph.input, *graph.graph.value_info, *graph.graph.output)
    sizes = {v.name: np.prod([max(1, d.dim_value) for d in v.type.tensor_type.shape.dim]) for v in values}
    outputs = {node.name: node.output[0] for node in graph.graph.node}
    return int(sum(sizes[layer.activation] + 2 * sizes[outputs[layer.name]] for layer in convolutions(graph)))


def _writing_ms(tiles: NDArray[np.uint8]) -> float:
    host = np.ones_like(tiles)
    began = time.process_time()
    host[...] = tiles
    return (time.process_time() - began) * 1e3


if __name__ == "__main__":
    run(main)
