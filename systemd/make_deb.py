"""Make a Debian package: the folder of `make_bundle`, units in their places, and scripts that call the installer.

    python systemd/make_deb.py --target jetpack6

Made by dpkg-deb, which every Debian and Ubuntu has: the package is a tree of files and four short scripts, and so needs
neither debhelper nor a tool to be fetched. dh-virtualenv would tie it to the Python and processor of the machine that
it is made on; wheels fit all of a kind, and are installed on the device.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_bundle import REPOSITORY, SYSTEMD, TARGETS, make

DEBIAN = SYSTEMD / "debian"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SCRIPTS = ("postinst", "prerm", "postrm")
COMMANDS = ("edge-agent", "build-engine", "calibrate")


def package(bundle: Path, output: Path) -> Path:
    """Make the package of a bundle, and return its path.

    Raises:
        subprocess.CalledProcessError: dpkg-deb failed, and has said why.
    """
    _, version, label = bundle.name.split("-", 2)
    python, _, machine = label.partition("-")
    minor = int(python.removeprefix("py3"))
    architecture = ARCHITECTURES[machine]
    with tempfile.TemporaryDirectory(dir=output, prefix=".deb.") as aside:
        root = Path(aside)
        root.chmod(0o755)
        _fill(root, bundle)
        size = sum(path.lstat().st_size for path in root.rglob("*")) // 1024
        said = {
            "@VERSION@": version,
            "@ARCHITECTURE@": architecture,
            "@SIZE@": str(size),
            "@PYTHON@": f"3.{minor}",
            "@NEXT_PYTHON@": f"3.{minor + 1}",
        }
        control = (DEBIAN / "control").read_text(encoding="utf-8")
        for name, value in said.items():
            control = control.replace(name, value)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(control, encoding="utf-8")
        for name in SCRIPTS:
            shutil.copy2(DEBIAN / name, root / "DEBIAN")
        done = output / f"matecheck_{version}_{architecture}_{python}.deb"
        # Wheels are compressed already.
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, done], check=True)
    return done


def _fill(root: Path, bundle: Path) -> None:
    library = root / "usr/lib"
    shutil.copytree(bundle, root / "usr/share/matecheck")
    shutil.copytree(SYSTEMD / "units", library / "systemd/system")
    for kind in ("sysusers", "tmpfiles"):
        shutil.copytree(SYSTEMD / kind, library / f"{kind}.d")
    shutil.copytree(SYSTEMD / "udev", library / "udev/rules.d")
    (root / "usr/bin").mkdir()
    for name in COMMANDS:
        (root / "usr/bin" / name).symlink_to(f"/opt/matecheck/current/bin/{name}")
    (root / "usr/sbin").mkdir()
    shutil.copy2(DEBIAN / "matecheck-setup", root / "usr/sbin")
    (root / "usr/share/doc/matecheck").mkdir(parents=True)
    shutil.copy2(REPOSITORY / "LICENSE", root / "usr/share/doc/matecheck/copyright")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=sorted(TARGETS), default="this", help="default: this machine")
    parser.add_argument("--extras", default="", help='of matecheck, with commas: "jetson" (pycuda) builds on a Jetson')
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist", help="default: dist")
    arguments = parser.parse_args()
    if shutil.which("dpkg-deb") is None:
        print("make_deb: there is no dpkg-deb; make the package on Debian or Ubuntu", file=sys.stderr)
        return 2
    extras = [extra.strip() for extra in arguments.extras.split(",") if extra.strip()]
    try:
        print(package(make(TARGETS[arguments.target], arguments.output, extras), arguments.output))
    except subprocess.CalledProcessError as error:
        print(f"make_deb: {error.cmd[0]} failed; its lines above say why", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
