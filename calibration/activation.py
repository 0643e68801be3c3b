"""Which engine may become current, and making it so."""

from __future__ import annotations

from pathlib import Path

from calibration.errors import CalibrationError
from edge_agent.engines.manifest import Manifest
from edge_agent.engines.store import EngineStore
from edge_agent.errors import ModelError


def candidates(store: EngineStore) -> dict[str, Manifest]:
    """The engines that passed the gate and are not current, by name. Broken ones are left out."""
    current = store.current()
    found = {}
    for name in store.names():
        try:
            manifest = Manifest.read(store.folder / name)
        except ModelError:
            continue
        if manifest.gate and manifest.gate.passed and store.folder / name != current:
            found[name] = manifest
    return found


def choose(store: EngineStore) -> str:
    """The engine that is meant if none is named: the new one. Raises CalibrationError unless there is exactly one."""
    previous = store.previous()
    found = {name: manifest for name, manifest in candidates(store).items() if store.folder / name != previous}
    if len(found) == 1:
        return next(iter(found))
    if not found:
        what, mend = "holds no new engine that passed the gate", "make one with calibrate int8, or name one"
    else:
        what, mend = f"holds {len(found)} engines that passed the gate", f"name one: {', '.join(found)}"
    raise CalibrationError(what, where=str(store.folder), mend=mend)


def activate(store: EngineStore, name: str) -> Manifest:
    """Make an engine current, if it passed the gate and its files are whole.

    Raises:
        CalibrationError: it has not passed the gate.
        ModelError: there is no such engine, or its files are not those that the manifest was written for.
    """
    folder: Path = store.folder / name
    if name not in store.names():
        known = ", ".join(store.names()) or "none"
        raise ModelError(f'there is no engine "{name}"', where=str(store.folder), mend=f"the engines are: {known}")
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    if manifest.gate is None:
        mend = "calibrate int8 or calibrate fp16 goes on with it"
        raise CalibrationError("was never compared with FP32 on this line", where=name, mend=mend)
    if not manifest.gate.passed:
        mend = "collect more pictures, or take calibrate fp16"
        raise CalibrationError(f"did not pass the gate: {manifest.gate.text}", where=name, mend=mend)
    store.activate(name)
    return manifest
