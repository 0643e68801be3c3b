"""The folder that is installed from: complete, undamaged, fit for this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from installer.errors import InstallError

SUMS = "SHA256SUMS"


class Bundle:
    """A folder made by `make bundle`.

    Raises:
        InstallError: something is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        listed = self._read(SUMS)
        self._verify(listed)
        self.version = self._read("VERSION").strip()
        self.extras = self._read("EXTRAS").split()
        # The same version made twice, of different wheels, is two releases.
        self.name = f"{self.version}-{hashlib.sha256(listed.encode()).hexdigest()[:8]}"

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"matecheck[{','.join(self.extras)}]" if self.extras else "matecheck"

    @property
    def pip(self) -> Path:
        """pip as a wheel: devices often lack their own."""
        found = sorted(self.wheels.glob("pip-*.whl"))
        if not found:
            raise InstallError("there is no wheel of pip", where=str(self.wheels), mend="make the folder again")
        return found[-1]

    def pip_command(self, python: Path | str) -> list[str]:
        """pip, run by this Python, that knows the wheels of the folder and nothing else."""
        options = ["--disable-pip-version-check", "--no-input", "--quiet"]
        own = ["--no-index", "--find-links", str(self.wheels), "--no-cache-dir", "--only-binary=:all:"]
        return [str(python), "-I", f"{self.pip}/pip", *options, "install", *own]

    def check_fits(self, python: Path) -> None:
        """Raise InstallError where the wheels are for another Python or processor."""
        options = ["--dry-run", "--ignore-installed", "--no-warn-script-location", "--break-system-packages"]
        command = [*self.pip_command(python), *options, self.requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
            raise InstallError(
                errors[0].removeprefix("ERROR: "),
                where=f"{self.folder.name} with {python}",
                mend="make the folder for this Python and processor: make bundle TARGET=…",
            )

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InstallError(
                f"cannot be read ({error})", where=name, mend="run the installer of a folder made by `make bundle`"
            ) from error

    def _verify(self, sums: str) -> None:
        """A stick that was pulled too early is found here, not at the line."""
        for line in sums.splitlines():
            digest, _, name = line.partition("  ")
            path = self.folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                state = "is damaged" if path.is_file() else "is missing"
                raise InstallError(state, where=str(path), mend="copy the folder again")


def clean_environment() -> dict[str, str]:
    """No PIP_*, no PYTHON*: what someone's shell says must not change what is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
