"""Aravis, the library for GenICam cameras, behind one door: it belongs to the system, not to this package."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_agent.errors import CameraError

API = "0.8"
INSTALL = (
    "sudo apt-get install gir1.2-aravis-0.8 python3-gi, and make the environment with --system-site-packages"
    " or install matecheck[gige] in it"
)


def load_aravis() -> Any:
    """The Aravis module. Raises CameraError that says what has to be installed."""
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Aravis", API)
        return importlib.import_module("gi.repository.Aravis")
    except (ImportError, ValueError) as error:  # ValueError: PyGObject is there, Aravis is not
        raise CameraError(f"Aravis {API} is not installed ({error})", where="gige", mend=INSTALL) from error


@contextmanager
def aravis_errors(what: str, where: str, mend: str) -> Iterator[None]:
    """Whatever Aravis raises inside becomes a CameraError with this text and Aravis' own."""
    glib = importlib.import_module("gi.repository.GLib")
    try:
        yield
    except glib.Error as error:
        raise CameraError(f"{what} ({error.message})", where=where, mend=mend) from error


def list_cameras() -> list[tuple[str, str]]:
    """Name and address of each GigE Vision camera that answers; takes a second. Raises CameraError without Aravis."""
    aravis = load_aravis()
    aravis.update_device_list()
    return [
        (aravis.get_device_id(number), aravis.get_device_address(number))
        for number in range(aravis.get_n_devices())
        if aravis.get_device_protocol(number) == "GigEVision"
    ]
