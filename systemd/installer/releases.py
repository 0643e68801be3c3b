"""Releases side by side: each a virtual environment of its own; `current` leads to the one at work."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from installer import files
from installer.bundle import Bundle, clean_environment
from installer.errors import InstallError
from installer.layout import Layout

MARKER = "release.json"
NEEDED_MB = 1500


class Releases:
    """What stands below /opt/matecheck."""

    def __init__(self, layout: Layout) -> None:
        self._program = layout.program
        self._releases = layout.program / "releases"

    @property
    def current(self) -> Path | None:
        """The release at work."""
        return self._led_to("current")

    @property
    def previous(self) -> Path | None:
        """The one before it."""
        return self._led_to("previous")

    def find(self, bundle: Bundle, system_packages: bool) -> Path | None:
        """The release of this bundle, if it is there and whole."""
        folder = self._releases / bundle.name
        try:
            said = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return folder if said.get("system_packages") == system_packages else None

    def check_room(self) -> None:
        """Raise InstallError where the disk is too full for one more release."""
        there = next(place for place in (self._releases, *self._releases.parents) if place.exists())
        free = shutil.disk_usage(there).free // 1_000_000
        if free < NEEDED_MB:
            what = f"{free} MB are free, {NEEDED_MB} MB are needed"
            raise InstallError(what, where=str(there), mend="make room")

    def build(self, bundle: Bundle, python: Path, system_packages: bool) -> Path:
        """Make a release of the bundle; what a power cut left of one is made anew.

        Args:
            bundle: what is installed.
            python: of the system; the environment is its.
            system_packages: let it see packages of the system, such as JetPack's TensorRT.

        Raises:
            InstallError: pip failed.
        """
        folder = self._releases / bundle.name
        if folder.exists():
            if folder == self.current:
                raise InstallError(
                    "is at work, and would be made anew", where=str(folder), mend="uninstall first, then install"
                )
            shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fill(folder, bundle, python, system_packages)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def switch(self, release: Path) -> None:
        """Let `current` lead to this release, and `previous` to the one that was current."""
        old = self.current
        if old == release:
            return
        if old is not None:
            files.link(self._program / "previous", f"releases/{old.name}")
        files.link(self._program / "current", f"releases/{release.name}")

    def prune(self) -> list[str]:
        """Delete all releases but the current and the previous; their names."""
        kept = {self.current, self.previous}
        old = [folder for folder in sorted(self._releases.iterdir()) if folder not in kept]
        for folder in old:
            shutil.rmtree(folder)
        return [folder.name for folder in old]

    def _fill(self, folder: Path, bundle: Bundle, python: Path, system_packages: bool) -> None:
        options = ["--without-pip", *(["--system-site-packages"] if system_packages else [])]
        _run([str(python), "-I", "-m", "venv", *options, str(folder)], "python3 -m venv")
        own = folder / "bin/python"
        # --ignore-installed: the release holds its own copy of what the system may upgrade or remove.
        _run([*bundle.pip_command(own), "--ignore-installed", bundle.requirement], "pip")
        shutil.copytree(bundle.folder / "docs", folder / "share/docs")
        said = {
            "version": bundle.version,
            "system_packages": system_packages,
            "python": sys.version.split()[0],
            "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        subprocess.run(["sync", "-f", str(folder)], check=False)  # the marker must not be on disk before the rest
        files.write(folder / MARKER, json.dumps(said).encode())

    def _led_to(self, name: str) -> Path | None:
        link = self._program / name
        target = self._program / link.readlink() if link.is_symlink() else None
        return target if target is not None and target.is_dir() else None


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()
        raise InstallError(f"failed: {lines[-1]}", where=what, mend="mend that and install again")
