"""Engines that a store has already: nothing is compiled twice, and what has changed since is said."""

from __future__ import annotations

from dataclasses import dataclass

from build_engine.compilation.options import changes, key
from edge_agent.engines.manifest import Manifest
from edge_agent.engines.plan import DeviceInfo
from edge_agent.engines.store import EngineStore
from edge_agent.errors import ModelError


@dataclass(frozen=True)
class Kept:
    """An engine of a store, or the name under which it is to be put there."""

    name: str
    intact: bool


def find(store: EngineStore, name: str) -> Kept:
    """The engine of that name, if its files are whole; else a name that is free. A damaged one may be in use."""
    names = store.names()
    for attempt in range(len(names) + 1):
        candidate = f"{name}-{attempt + 1}" if attempt else name
        if candidate not in names:
            return Kept(candidate, intact=False)
        folder = store.folder / candidate
        try:
            Manifest.read(folder).check_files(folder)
        except ModelError:
            continue
        return Kept(candidate, intact=True)
    raise AssertionError("a store has one more name than engines")


def why_anew(store: EngineStore, wanted: Manifest) -> list[str]:
    """What has changed since this very model was compiled last; empty where it never was."""
    assert wanted.device
    assert wanted.compute_capability
    device = DeviceInfo(wanted.device, wanted.compute_capability, wanted.cuda or "", wanted.driver)
    reasons = []
    for name in store.names():
        try:
            manifest = Manifest.read(store.folder / name)
        except ModelError:
            continue
        if manifest.model_sha256 != wanted.model_sha256 or not manifest.plan_sha256:
            continue
        found = changes(manifest, device, wanted.tensorrt or "")
        if not found and key(manifest) != key(wanted):
            found = ["the options of the build differ"]
        elif not found:
            found = ["its files are damaged"]
        reasons.append(f"{name}: {', '.join(found)}")
    return reasons
