"""TensorRT on a Jetson's GPU: the back end that runs plans which `build-engine compile` made.

Works with TensorRT 10.3 to 11.4. One execution context on one stream runs the network; two slots feed it, so that the
next tiles are copied while it looks at these. Imported when it is chosen: it needs TensorRT and pycuda.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt

from edge_agent.engines.cuda import Gpu
from edge_agent.engines.engine import Engine, ScoreMaps, Tiles
from edge_agent.engines.onnx_runtime import OnnxRuntimeEngine
from edge_agent.engines.plan import ROOT, Artifact, read_plan
from edge_agent.engines.slots import OUTPUT, Slot
from edge_agent.engines.tensorrt_log import TensorRtLog
from edge_agent.errors import EngineError, PlanError
from edge_agent.log import event

log = logging.getLogger(__name__)

SLOTS = 2
WARM_UP, TIMED = 2, 5  # inferences, when it is measured which memory is faster


class TensorRtEngine(Engine):
    """Runs the plan of an artifact. The thread that makes it is the one to use and close it.

    Args:
        artifact: as `read_artifact` gives it.
        memory: "mapped" (the GPU works in the host's memory), "copied", or "auto": the faster one as measured now.
        owner: user id that has to own the plan.

    Raises:
        PlanError: the plan does not fit this device or TensorRT, or is not to be trusted.
        ModelError: the model beside it is not one of ours.
        EngineError: there is no GPU, or it is out of memory.
    """

    backend = "tensorrt"

    def __init__(
        self, artifact: Artifact, memory: Literal["auto", "mapped", "copied"] = "auto", owner: int = ROOT
    ) -> None:
        reader = OnnxRuntimeEngine(artifact.model)  # one reader of our contract, whatever runs it
        self.info = reader.info
        reader.close()
        self.runtime = f"TensorRT {trt.__version__}"
        self._gpu: Gpu | None = None
        self._slots: list[Slot] = []
        self._runtime: trt.Runtime | None = None
        self._engine: trt.ICudaEngine | None = None
        self._context: trt.IExecutionContext | None = None
        self._log = TensorRtLog()
        gpu = Gpu()
        try:
            plan = read_plan(artifact, gpu.info, trt.__version__, owner)
            with gpu.current():
                self._load(gpu, plan, artifact)
                self.memory = self._choose_memory(gpu) if memory == "auto" else memory
                self._make_slots(self.memory == "mapped")
            self._gpu = gpu
            self._try_out()
        except BaseException:
            self._release(gpu)
            raise

    def _load(self, gpu: Gpu, plan: bytes, artifact: Artifact) -> None:
        runtime = trt.Runtime(self._log)
        core = artifact.manifest.builder.get("dla_core")
        if core is not None:
            runtime.DLA_core = core
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise PlanError(self._log.why("TensorRT cannot load the plan"), where=str(artifact.folder))
        self._runtime, self._engine = runtime, engine
        needed, free = int(engine.device_memory_size_v2), gpu.free_bytes()
        if needed > free:
            what = f"the engine needs {needed >> 20} MB of GPU memory, {free >> 20} MB are free"
            raise EngineError(what, mend="stop what else uses the GPU, or compile for fewer tiles at once (--batch)")
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(self._log.why("TensorRT cannot make room to run the engine"))
        self._inputs = self._check_tensors(engine, artifact)
        self._least, self._usual, self._most = (int(shape[0]) for shape in engine.get_tensor_profile_shape("test", 0))
        self._network = cuda.Stream()

    def _check_tensors(self, engine: trt.ICudaEngine, artifact: Artifact) -> tuple[str, ...]:
        """The names of the inputs, once all tensors are what the model's contract says."""
        info = self.info
        inputs = ("test", "template") if info.kind == "pair" else ("test",)
        tile = (info.height, info.width)
        wanted: dict[str, tuple[object, ...]] = {
            OUTPUT: (trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (-1, *tile)),
            **dict.fromkeys(inputs, (trt.TensorIOMode.INPUT, trt.DataType.UINT8, (-1, *tile, 3))),
        }
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        found = {
            name: (
                engine.get_tensor_mode(name),
                engine.get_tensor_dtype(name),
                (-1, *tuple(engine.get_tensor_shape(name))[1:]),  # a plan for the DLA has a fixed N
            )
            for name in names
        }
        if found != wanted:
            raise PlanError(
                f"its tensors are not those of the model beside it: {', '.join(names)}", where=str(artifact.folder)
            )
        return inputs

    def _make_slots(self, mapped: bool) -> None:
        shape = (self._most, self.info.height, self.info.width)
        self._slots.extend(Slot(self._inputs, shape, mapped) for _ in range(SLOTS))

    def _free_slots(self) -> None:
        slots, self._slots = self._slots, []
        for slot in slots:
            slot.free()

    def _choose_memory(self, gpu: Gpu) -> Literal["mapped", "copied"]:
        """Which memory is faster here: a Jetson's two processors share theirs, but how well depends on the model."""
        if not gpu.info.maps_host_memory:
            return "copied"
        tiles = np.zeros((self._usual, self.info.height, self.info.width, 3), np.uint8)
        took_ms: dict[Literal["mapped", "copied"], float] = {}
        for kind in ("mapped", "copied"):
            self._make_slots(kind == "mapped")
            took_ms[kind] = self._median_ms(tiles)
            self._free_slots()
        best = min(took_ms, key=lambda kind: took_ms[kind])
        figures = {f"{kind}_ms": round(ms, 2) for kind, ms in took_ms.items()}
        log.info(event("engine-memory", takes=best, tiles=self._usual, **figures))
        return best

    def _median_ms(self, tiles: Tiles) -> float:
        scores = np.empty(tiles.shape[:3], np.float32)
        times = []
        for _ in range(WARM_UP + TIMED):
            began = time.perf_counter()
            self._run(tiles, tiles, scores)
            times.append((time.perf_counter() - began) * 1e3)
        return float(np.median(times[WARM_UP:]))

    def _try_out(self) -> None:
        """One inference before the first part: what is wrong shows now, and the first part is as quick as the rest."""
        tile = np.zeros((1, self.info.height, self.info.width, 3), np.uint8)
        self.infer(tile, tile)

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        if self._gpu is None:
            raise EngineError("the engine is closed")
        scores = np.empty(test.shape[:3], np.float32)
        with self._gpu.current():
            self._run(test, template, scores)
        return scores

    def _run(self, test: Tiles, template: Tiles, scores: ScoreMaps) -> None:
        """Batches of the plan's size through the slots in turn; a slot is emptied before it is filled again."""
        try:
            for turn, start in enumerate(range(0, len(test), self._most)):
                rows = slice(start, min(start + self._most, len(test)))
                slot = self._slots[turn % SLOTS]
                slot.collect(scores)
                slot.fill(test[rows], template[rows], rows, self._network)
                self._enqueue(slot, rows.stop - rows.start)
                slot.fetch(self._network)
            for slot in self._slots:
                slot.collect(scores)
        except Exception:
            self._abandon()
            raise

    def _enqueue(self, slot: Slot, tiles: int) -> None:
        context = self._context
        assert context is not None
        shape = (max(tiles, self._least), self.info.height, self.info.width, 3)
        done = all(context.set_input_shape(name, shape) for name in self._inputs)
        done = done and all(context.set_tensor_address(name, at) for name, at in slot.addresses().items())
        if not (done and context.execute_async_v3(self._network.handle)):
            raise EngineError(self._log.why(f"TensorRT cannot run {tiles} tiles"))

    def _abandon(self) -> None:
        """Nothing may write into the slots once an inference has failed half-way."""
        for work in (self._network.synchronize, *(slot.abandon for slot in self._slots)):
            try:
                work()
            except Exception as error:  # noqa: BLE001 - of the failure that led here; that one is told
                log.debug(event("gpu-abandoned", why=error))

    def close(self) -> None:
        """Free the GPU. May be called twice."""
        gpu, self._gpu = self._gpu, None
        if gpu is not None:
            self._release(gpu)

    def _release(self, gpu: Gpu) -> None:
        try:
            with gpu.current():
                self._free_slots()
                # in this order: each holds on to the next
                self._context = self._network = self._engine = self._runtime = None
        except EngineError as error:
            log.warning(event("gpu-not-released", why=error))
        gpu.close()
