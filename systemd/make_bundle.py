"""Make the folder from which a device is installed without a network: wheels, units and the installer.

    python systemd/make_bundle.py --target jetpack6

The wheels come from the package index that pip is set up for. A target other than "this" is resolved for another
Python and processor, and takes ready-made wheels alone.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SYSTEMD = REPOSITORY / "systemd"
CARRIED = ("install", "uninstall", "installer", "units", "drop-ins", "sysusers", "tmpfiles", "udev")
DOCUMENTS = ("install.md", "threat-model.md", "integrators.md", "field-engineers.md", "scada.md", "agent.example.toml")
SUMS = "SHA256SUMS"
# pip does not derive older manylinux tags from a newer one; Ubuntu 22.04 has glibc 2.35.
MANYLINUX: tuple[str, ...] = (
    "manylinux2014",
    "manylinux_2_17",
    "manylinux_2_24",
    "manylinux_2_26",
    "manylinux_2_27",
    "manylinux_2_28",
)
MANYLINUX += ("manylinux_2_31", "manylinux_2_34", "manylinux_2_35")


@dataclass(frozen=True)
class Target:
    """What the wheels are for.

    Attributes:
        python: "3.10"; "" is the Python that runs this.
        machine: as `uname -m` says it; "" is this machine.
        constraints: for pip.
    """

    python: str = ""
    machine: str = ""
    constraints: tuple[str, ...] = ()

    @property
    def pip_options(self) -> list[str]:
        """What tells pip to look for wheels of this target; nothing for this machine."""
        if not self.python:
            return []
        tags = [f"--platform={tag}_{self.machine}" for tag in MANYLINUX]
        return [*tags, f"--python-version={self.python}", "--implementation=cp", "--only-binary=:all:"]

    @property
    def label(self) -> str:
        """Names the bundle: "py310-aarch64"."""
        python = self.python or f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"py{python.replace('.', '')}-{self.machine or platform.machine()}"


# JetPack's own OpenCV (GStreamer, for CSI cameras), TensorRT and pycuda are built against numpy 1.
TARGETS = {
    "this": Target(),
    "jetpack6": Target("3.10", "aarch64", ("numpy<2",)),
    "jetpack7": Target("3.12", "aarch64", ("numpy<2",)),
}


def make(target: Target, output: Path, extras: Sequence[str] = (), wheels: Path | None = None) -> Path:
    """Make the folder.

    Args:
        target: what the device is.
        output: where the folder is put; one of the same name that stands there is replaced.
        extras: of matecheck, such as "jetson".
        wheels: a folder of wheels, taken before the package index is asked.

    Returns:
        the folder.

    Raises:
        subprocess.CalledProcessError: pip failed, and has said why.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".bundle.") as aside:
        folder = Path(aside, "bundle")
        version = _download(target, folder / "wheels", extras, wheels)
        for name in CARRIED:
            source = SYSTEMD / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=_compiled)
            else:
                shutil.copy2(source, folder)
        (folder / "docs").mkdir()
        for name in DOCUMENTS:
            shutil.copy2(REPOSITORY / "docs" / name, folder / "docs")
        shutil.copy2(REPOSITORY / "LICENSE", folder)
        (folder / "VERSION").write_text(f"{version}\n", encoding="ascii")
        (folder / "EXTRAS").write_text("".join(f"{extra}\n" for extra in extras), encoding="ascii")
        (folder / SUMS).write_text(sums(folder), encoding="utf-8")
        done = output / f"matecheck-{version}-{target.label}"
        if done.exists():
            shutil.rmtree(done)
        folder.rename(done)
    return done


def _download(target: Target, folder: Path, extras: Sequence[str], wheels: Path | None) -> str:
    """Fill `folder` with matecheck, all that it needs, and pip itself; returns matecheck's version."""
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, REPOSITORY], check=True)
    (own,) = folder.glob("matecheck-*.whl")
    constraints = folder.with_name("constraints.txt")
    constraints.write_text("\n".join(target.constraints), encoding="utf-8")
    # tomli by name: pip judges `python_version < "3.11"` by the Python that it runs on, not by the target's.
    wanted = [f"{own}[{','.join(extras)}]" if extras else str(own), "tomli", "pip"]
    found = ["--find-links", str(wheels)] if wheels else []
    command = ["download", *target.pip_options] if target.python else ["wheel"]
    place = "--dest" if target.python else "--wheel-dir"
    subprocess.run([*pip, *command, place, folder, "--constraint", constraints, *found, *wanted], check=True)
    constraints.unlink()
    return own.name.split("-")[1]


def _compiled(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def sums(folder: Path) -> str:
    """The checksum of each file in a bundle, as `sha256sum --check` reads them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=sorted(TARGETS), default="this", help="default: this machine")
    parser.add_argument("--extras", default="", help='of matecheck, with commas: "jetson" (pycuda) builds on a Jetson')
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist", help="default: dist")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to take before the package index is asked")
    arguments = parser.parse_args()
    extras = [extra.strip() for extra in arguments.extras.split(",") if extra.strip()]
    try:
        folder = make(TARGETS[arguments.target], arguments.output, extras, arguments.wheels)
    except subprocess.CalledProcessError:
        print("make_bundle: pip could not get the wheels; its lines above say why", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder} ({size / 1e6:.0f} MB); copy it to the device, then there: sudo ./install --provision unit.toml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
