"""From the calibration set to an engine in the store: ranges, model, plan, gate. Each step is kept when it is done.

The steps write into a folder that is named after all they depend on. A run that is killed leaves whole steps, and the
next one goes on after the last of them; other pictures, another model or another TensorRT begin anew.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from build_engine.compilation.trial import keep_tiles
from build_engine.precision import Budget, PrecisionReport, read_report, to_fp16, to_int8, write_report
from calibration.breadth import LEAST_PAIRS, needs
from calibration.coverage import LayerCoverage, cover
from calibration.errors import CalibrationError
from calibration.gate import LEAST_CALIBRATED, UNUSABLE_SHARE, GateResult, check
from calibration.pair_set import Entry, PairSet, set_digest
from calibration.place import Place
from calibration.progress import Progress
from calibration.registered_pairs import PairTiles, RegisteredPairs
from calibration.report import write_page
from calibration.telling_tiles import telling_tiles
from calibration.turns import alone, make_folder
from edge_agent.engines import load_engine
from edge_agent.engines.artifact import read_model
from edge_agent.engines.manifest import MODEL, CalibrationRecord, Manifest
from edge_agent.errors import EngineError, ModelError
from edge_agent.inspection.recipe import Recipe

INT8, FP16 = "int8", "fp16"
METHOD = "auto"  # all of them are tried, the one that stands least off FP32 is taken
TILES = 200  # pairs of tiles in all; more do not change the ranges
REPORT = "precision.json"
BATCH = (1, 4, 8)


@dataclass(frozen=True)
class Made:
    """An engine in the store, and how it was judged."""

    name: str
    manifest: Manifest
    gate: GateResult


@dataclass
class Making:
    """One engine in the making.

    Args:
        place: of the agent.
        precision: INT8 or FP16.
        progress: tells how far it is.
        budget: how much may stay out of int8; None is the default of the conversion.

    Raises:
        CalibrationError: the set is too small.
    """

    place: Place
    precision: str
    progress: Progress
    budget: Budget | None = None

    def __post_init__(self) -> None:
        self.recipes: dict[str, Recipe] = self.place.recipes()
        self.pairs = PairSet(self.place.pairs)
        self.entries = tuple(entry for entry in self.pairs.entries if entry.recipe in self.recipes)
        _enough(self.entries, len(self.pairs.entries), self.recipes)
        self.calibration = [entry for entry in self.entries if not entry.for_check]
        self.digest = set_digest(self.calibration)
        self.here = _device()
        source = read_model(self.place.model).digest
        depends_on = (source, self.digest if self.precision == INT8 else "", self.here, repr(self.budget), METHOD)
        self.name = f"{self.precision}-{hashlib.sha256(repr(depends_on).encode()).hexdigest()[:12]}"
        self.folder = self.place.work / self.name
        self.threads = self.place.settings.engine.inference_threads

    def make(self) -> Made:
        """Do what is not done yet. Raises MatecheckError; an engine that does not pass the gate is no error."""
        with alone(self.place.work):
            report = self._converted()
            manifest = self._compiled(report)
            layers = self._covered(report)
            result = self._judged(manifest, layers)
            manifest = replace(manifest, gate=result.record())
            write_page(
                self.place.report,
                name=self.name,
                device=self.place.settings.device.name,
                recipes=[f"{recipe.name}, version {recipe.version}" for recipe in self.recipes.values()],
                manifest=manifest,
                report=report,
                gate=result,
                entries=self.entries,
                found=needs(self.entries, max(LEAST_PAIRS, len(self.entries)), self.recipes),
            )
            manifest.write(self.place.store.folder / self.name)
            self._tidy()
        return Made(self.name, manifest, result)

    def _converted(self) -> PrecisionReport:
        """The model of that precision; INT8 needs the ranges."""
        model, report_file = self.folder / MODEL, self.folder / REPORT
        if report_file.is_file():
            try:
                load_engine(model, "onnxruntime", 1).close()
                report = read_report(report_file)
            except ModelError as error:  # torn by a power cut
                self.progress.line(f"model      is made anew: {error}")
            else:
                self.progress.line(f"model      {self.precision} model is there from an earlier call")
                return report
        make_folder(self.folder)
        report = to_fp16(self.place.model, model) if self.precision == FP16 else self._calibrated(model)
        aside = report_file.with_suffix(".part")
        write_report(report, aside)
        aside.replace(report_file)
        self.progress.line(f"model      {_shares(report)}")
        return report

    def _calibrated(self, model: Path) -> PrecisionReport:
        registered = RegisteredPairs(self.pairs, self.calibration, self.recipes)
        tiles = PairTiles(registered, self.place.reference().info, TILES)

        def done(what: str, count: int) -> None:
            if what == "tiles":
                self.progress.passing(f"ranges: {tiles.done} of {len(self.calibration)} pairs")
            else:
                self.progress.passing(f"trying each layer in int8 alone: {count}")

        report = to_int8(
            self.place.model,
            tiles,
            model,
            method=METHOD,
            mixed_fp16=bool(self.here),  # on a CPU half is slower than float
            budget=self.budget,
            threads=self.threads,
            progress=done,
        )
        if registered.unusable:
            why = next(iter(registered.unusable.values()))
            if tiles.done < max(LEAST_CALIBRATED, (1 - UNUSABLE_SHARE) * len(self.calibration)):
                model.unlink()
                what = f"only {tiles.done} of {len(self.calibration)} pictures can be calibrated on ({why})"
                raise CalibrationError(
                    what, where=str(self.pairs.folder), mend="calibrate collect --fresh takes others"
                )
            self.progress.line(f"           {len(registered.unusable)} pictures could not be used: {why}")
        self.progress.line(f"ranges     from {tiles.done} pairs, {report.tiles} pairs of tiles, method {report.method}")
        return report

    def _compiled(self, report: PrecisionReport) -> Manifest:
        """The artifact in the store."""
        store = self.place.store
        if self.name in store.names():
            try:
                manifest = Manifest.read(store.folder / self.name)
                manifest.check_files(store.folder / self.name)
            except ModelError as error:
                self.progress.line(f"engine     is made anew: {error}")
                store.remove(self.name)
            else:
                self.progress.line(f"engine     {self.name} is in the store from an earlier call")
                return manifest
        calibration = None
        if self.precision == INT8:
            calibration = CalibrationRecord(self.digest, len(self.calibration), report.method)
        with store.staged(self.name) as folder:
            shutil.copyfile(self.folder / MODEL, folder / MODEL)
            manifest = self._compile(folder) if self.here else self._uncompiled(folder, report)
            manifest = replace(manifest, calibration=calibration)
            manifest.write(folder)
            tiles = telling_tiles(self._checked(), self.place.reference().info)
            if tiles is not None:
                keep_tiles(folder, *tiles)
        how = f"compiled by TensorRT {manifest.tensorrt}" if manifest.plan_sha256 else "ONNX alone, not compiled"
        self.progress.line(f"engine     {self.name}, {how}")
        if not self.here:
            self.progress.line("           there is no TensorRT on this machine: INT8 and FP16 are no faster here")
        return manifest

    def _compile(self, folder: Path) -> Manifest:
        from build_engine import tensorrt_compile  # noqa: PLC0415 - needs TensorRT

        def told(phase: str, _around: str, done: int, steps: int) -> None:
            self.progress.passing(f"compiling for this device: {phase}, {done} of {steps}")

        return tensorrt_compile.compile(folder / MODEL, folder, told=told)

    def _uncompiled(self, folder: Path, report: PrecisionReport) -> Manifest:
        file = read_model(folder / MODEL)
        info = self.place.reference().info
        return Manifest(
            model_sha256=file.digest,
            precision=report.precision,
            network=info.network,
            version=info.version,
            tile=(info.height, info.width),
            batch=BATCH,
            made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _checked(self) -> RegisteredPairs:
        return RegisteredPairs(self.pairs, [entry for entry in self.entries if entry.for_check], self.recipes)

    def _covered(self, report: PrecisionReport) -> list[LayerCoverage]:
        """Whether the ranges hold what the pairs of the check cause."""
        if self.precision != INT8:
            return []
        self.progress.passing("looking whether the ranges fit the pairs of the check")
        tiles = PairTiles(self._checked(), self.place.reference().info, TILES)
        return cover(self.place.model, report, tiles, self.threads)

    def _judged(self, manifest: Manifest, layers: list[LayerCoverage]) -> GateResult:
        registered = self._checked()
        count = len(registered.entries)
        reference = self.place.reference()
        tested = load_engine(
            self.place.store.folder / self.name, "tensorrt" if manifest.plan_sha256 else "onnxruntime", self.threads
        )
        try:
            return check(
                reference,
                tested,
                registered,
                layers=layers,
                calibrated_pairs=len(self.calibration) if self.precision == INT8 else None,
                done=lambda number: self.progress.passing(f"gate: {number} of {count} pairs under both engines"),
            )
        finally:
            reference.close()
            tested.close()

    def _tidy(self) -> None:
        """Remove engines of this precision that nobody uses, and what other calls have half done."""
        store = self.place.store
        used = {path.name for path in (store.current(), store.previous()) if path is not None}
        for name in store.names():
            if name.startswith(f"{self.precision}-") and name != self.name and name not in used:
                store.remove(name)
        for folder in self.place.work.glob(f"{self.precision}-*"):
            if folder != self.folder:
                shutil.rmtree(folder, ignore_errors=True)


def _enough(entries: tuple[Entry, ...], total: int, recipes: dict[str, Recipe]) -> None:
    missing = [need for need in needs(entries, LEAST_PAIRS, recipes) if need.vital and not need.met]
    if not missing:
        return
    lacks = "; ".join(f"{need.subject}: {need.have}, wanted at least {need.want}" for need in missing)
    others = f" ({total - len(entries)} more belong to other recipes)" if total > len(entries) else ""
    raise CalibrationError(
        f"the calibration set is too small: {lacks}{others}", mend="calibrate collect goes on with it"
    )


def _device() -> str:
    """Device and TensorRT that a plan would be bound to; "" where there is no TensorRT, or no GPU for it."""
    if any(importlib.util.find_spec(name) is None for name in ("tensorrt", "pycuda")):
        return ""
    from build_engine.tensorrt_compile import here  # noqa: PLC0415 - needs TensorRT

    try:
        return repr(here())
    except EngineError:
        return ""


def _shares(report: PrecisionReport) -> str:
    shares = [f"{report.share(name):.1%} of the arithmetic in {name}" for name in ("int8", "fp16", "fp32")]
    return ", ".join(text for text in shares if not text.startswith("0.0%"))
