"""Does a plan see what its own model sees? Tried on tiles of the line kept beside the engine, and on simulated parts.

No FP32 model and no gate stand behind this: precision is in the model's graph, so that ONNX Runtime computes on the
CPU what the plan has to say. It is what can be proven where nobody is there to collect pictures: after an update of
JetPack, at a boot.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from edge_agent.cameras.simulated import SMALLEST, SimulatedCamera
from edge_agent.engines import Engine, ModelInfo
from edge_agent.engines.engine import Tiles
from edge_agent.errors import EngineError, StorageError

KEPT = "tiles.npz"
MOST_KEPT = 8
SIMULATED, SEED = 6, 2026  # parts; about every second one has an object
GAP = 0.01  # of scores from 0 to 1, on average over a tile; INT8 stands 0.0003 off FP32, a broken plan far more
CHANGED_PX, CHANGED_SHARE = 20, 0.1  # pixels of a tile that may change sides, whichever is more: as the gate has it
TOP = 0.995  # where nothing is marked, the highest scores count as marked: silence alone proves nothing


def keep_tiles(folder: Path, test: Tiles, template: Tiles) -> None:
    """Put tiles of the line, uint8 [N, H, W, 3] each, beside an engine. Raises StorageError."""
    try:
        np.savez_compressed(folder / KEPT, test=test[:MOST_KEPT], template=template[:MOST_KEPT])
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise StorageError(what, where=str(folder / KEPT), mend="check free space and permissions") from error


def kept_tiles(folder: Path, info: ModelInfo) -> tuple[Tiles, Tiles] | None:
    """What `keep_tiles` has put there; None where it has not, or where it is torn or of another size."""
    try:
        with np.load(folder / KEPT, allow_pickle=False) as kept:
            test, template = kept["test"], kept["template"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    shape = (info.height, info.width, 3)
    fits = all(tiles.dtype == np.uint8 and tiles.ndim == 4 and tiles.shape[1:] == shape for tiles in (test, template))
    return (test, template) if fits and len(test) == len(template) > 0 else None


def simulated_tiles(info: ModelInfo) -> tuple[Tiles, Tiles]:
    """Simulated connectors, of the size of a tile or the middle of them, each beside its template."""
    width, height = max(SMALLEST, info.width), max(SMALLEST, info.height)
    camera = SimulatedCamera(size=(width, height), seed=SEED, share=0.5)
    top, left = (height - info.height) // 2, (width - info.width) // 2
    cut = np.s_[top : top + info.height, left : left + info.width]
    test = np.stack([camera.part(number)[0][cut] for number in range(SIMULATED)])
    return test, np.stack([camera.template()[cut]] * SIMULATED)


def try_out(model: Engine, plan: Engine, kept: tuple[Tiles, Tiles] | None) -> str:
    """Compare a plan with its model on the CPU.

    Returns:
        What was shown, for people.

    Raises:
        EngineError: the plan sees otherwise than its model, or these tiles prove nothing.
    """
    spread = 0.0
    trials = {"simulated parts": simulated_tiles(model.info)}
    if kept is not None:
        trials["tiles of the line"] = kept
    for what, (test, template) in trials.items():
        for number in range(len(test)):
            one = slice(number, number + 1)
            scores = [engine.infer(test[one], template[one]) for engine in (model, plan)]
            spread = max(spread, float(np.ptp(scores[0])))
            gap = float(np.abs(scores[0] - scores[1]).mean())
            threshold = min(model.info.threshold, float(np.quantile(scores[0], TOP)))
            expected, found = (map_ >= threshold for map_ in scores)
            changed, marked = int((expected != found).sum()), int(expected.sum())
            if gap > GAP or changed > max(CHANGED_PX, CHANGED_SHARE * marked):
                raise EngineError(
                    f"the plan sees otherwise than its model on {what}: scores differ by {gap:.4f} on average, "
                    f"{changed} pixels change sides, {marked} are marked",
                    mend="the engine that was current stays; calibrate run makes a new one at the line",
                )
    if spread <= GAP:
        mend = "calibrate run makes an engine with tiles of the line"
        raise EngineError("the model sees nothing on the tiles of the trial, which proves nothing", mend=mend)
    return "sees what its model sees on " + " and ".join(f"{len(tiles[0])} {what}" for what, tiles in trials.items())
