"""Compiled plans: native code, so they are looked at closely before they are loaded."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from edge_agent.engines.artifact import ModelFile, read_model
from edge_agent.engines.manifest import MANIFEST, MODEL, PLAN, REBUILD, Manifest
from edge_agent.errors import ModelError, PlanError

ROOT = 0


@dataclass(frozen=True)
class DeviceInfo:
    """A GPU, as far as a plan is bound to it.

    Attributes:
        name: "Orin", ….
        compute_capability: "8.7", ….
        cuda: version of CUDA that the driver speaks, "12.6", ….
        driver: version of the kernel module, or the release of L4T; None where neither is told.
        maps_host_memory: whether its kernels can work in page-locked memory of the host.
    """

    name: str
    compute_capability: str
    cuda: str
    driver: str | None
    maps_host_memory: bool = False


@dataclass(frozen=True)
class Artifact:
    """An engine's folder, its manifest, and its model as it was when its hash was compared."""

    folder: Path
    manifest: Manifest
    model: ModelFile


def is_artifact(path: Path) -> bool:
    """Whether this is a folder with a manifest (or a link to one, such as a store's `current`)."""
    return (path / MANIFEST).is_file()


def read_artifact(path: Path) -> Artifact:
    """Read the manifest and the model. A link is followed once: what it points at later makes no mixture.

    Raises:
        ModelError: something is missing or broken, or the model is not the manifest's.
    """
    folder = path.resolve()
    manifest = Manifest.read(folder)
    model = read_model(folder / MODEL)
    if model.digest != manifest.model_sha256:
        raise ModelError("is not the file that the manifest was written for", where=str(model.path), mend=REBUILD)
    return Artifact(folder, manifest, model)


def read_plan(artifact: Artifact, device: DeviceInfo, tensorrt: str, owner: int = ROOT) -> bytes:
    """The plan, once it is known to be ours and made for this very device and TensorRT.

    Args:
        artifact: whose plan.
        device: what it is to run on.
        tensorrt: version of the TensorRT that is to run it.
        owner: user id that has to own the plan and every folder above it.

    Raises:
        PlanError: it does not fit, is not the manifest's, or others than its owner could have changed it.
    """
    manifest, path = artifact.manifest, artifact.folder / PLAN
    if manifest.plan_sha256 is None:
        raise _refusal(artifact, "the engine has no compiled plan")
    for what, built, here in (
        ("TensorRT", manifest.tensorrt, tensorrt),
        ("the device", manifest.device, device.name),
        ("its compute capability", manifest.compute_capability, device.compute_capability),
    ):
        if built != here:
            raise _refusal(artifact, f"was compiled where {what} was {built}, but here it is {here}")
    for place in (path, artifact.folder / MANIFEST, *path.parents):
        _check_place(artifact, place, owner)
    plan = read_model(path)
    if plan.digest != manifest.plan_sha256:
        raise _refusal(artifact, "is not the file that the manifest was written for")
    return plan.content


def _check_place(artifact: Artifact, place: Path, owner: int) -> None:
    """Refuse what others may write. A folder with the sticky bit, such as /tmp, protects what stands in it."""
    try:
        found = place.lstat()
    except OSError as error:
        raise _refusal(artifact, f"{place} cannot be looked at ({error.strerror})") from error
    if found.st_uid not in {ROOT, owner}:
        raise _refusal(artifact, f"is not to be trusted: {place} belongs to user {found.st_uid}, not to root")
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    others = found.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if found.st_gid != ROOT else 0))
    if others and not sticky:
        raise _refusal(artifact, f"is not to be trusted: others may write {place}")


def _refusal(artifact: Artifact, what: str) -> PlanError:
    mend = f"compile it anew on this device: sudo build-engine compile {artifact.model.path}"
    return PlanError(what, where=str(artifact.folder / PLAN), mend=mend)
