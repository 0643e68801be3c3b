"""install: software, units, configuration, in an order that leaves the running agent alone until the last step."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from installer import outbox, provision, services
from installer.bundle import Bundle, clean_environment
from installer.errors import InstallError
from installer.layout import AGENT, Layout
from installer.releases import Releases
from installer.report import Report
from installer.snapshot import Snapshot


@dataclass(frozen=True)
class Before:
    """What a failed installation goes back to.

    Attributes:
        release: that was at work; None at the first installation.
        files: as they were.
        outbox: a copy of the outbox, where the new release changes its tables.
    """

    release: Path | None
    files: Snapshot
    outbox: Path | None


@dataclass(frozen=True)
class Wishes:
    """The options of the command line.

    Attributes:
        provisioning: the file; None keeps the configuration that is there.
        system_packages: True or False; None looks whether the system has TensorRT.
        system_opencv: take the OpenCV of the system, which has GStreamer.
        start: start the agent and see that it comes up.
        packaged: called by the Debian package, which brings the units itself.
    """

    provisioning: Path | None = None
    system_packages: bool | None = None
    system_opencv: bool = False
    start: bool = True
    packaged: bool = False


def install(folder: Path, wishes: Wishes, layout: Layout, report: Report) -> int:
    """Install or upgrade; 0, or 1 where the new release did not come up and the old one is at work again.

    Raises:
        InstallError: nothing that runs has been changed.
    """
    bundle = Bundle(folder)
    python = Path(sys.executable)
    services.check_systemd()
    if layout.packaged and not wishes.packaged:
        raise InstallError("is installed as a Debian package", where="matecheck", mend="upgrade it with apt or dpkg")
    bundle.check_fits(python)
    wanted = provision.read(wishes.provisioning, layout, bundle.wheels) if wishes.provisioning else None
    releases = Releases(layout)
    system_packages = wishes.system_opencv or (
        _has_tensorrt(python) if wishes.system_packages is None else wishes.system_packages
    )
    release = _build(bundle, releases, python, system_packages, wishes.system_opencv, report)
    before = Snapshot.take(layout.small_files)
    try:
        _configure(bundle, wanted, wishes, layout, report)
        if report.dry_run or release is None:
            report.note("dry run", "nothing was changed")
            return 0
        _check(release, layout.config if layout.config.is_file() else None, report)
        starts = wishes.start and services.is_running() and layout.config.is_file()
        kept = _stop_old(release, releases, layout) if starts else None
    except BaseException:
        before.restore()
        raise
    return _take(release, Before(releases.current, before, kept), starts, wishes, layout, releases, report)


def _configure(
    bundle: Bundle, wanted: provision.Provisioning | None, wishes: Wishes, layout: Layout, report: Report
) -> None:
    """Small files, user and folders: all that comes before the agent is touched."""
    if not wishes.packaged:
        services.put_system_files(bundle.folder, layout, report)
    services.make_user_and_folders(layout, packaged=wishes.packaged, report=report)
    if wanted is not None:
        provision.apply(wanted, layout, report)
        csi = wanted.csi
    else:
        csi = layout.config.is_file() and provision.is_csi(layout.config, bundle.wheels)
    services.put_drop_in(bundle.folder, layout, csi, report)


def _build(
    bundle: Bundle, releases: Releases, python: Path, system_packages: bool, system_opencv: bool, report: Report
) -> Path | None:
    there = releases.find(bundle, system_packages)
    if there is not None:
        report.unchanged("release", there.name)
        return there
    releases.check_room()
    if not report.changes("release", f"install {bundle.name} beside what is there"):
        return None
    release = releases.build(bundle, python, system_packages)
    if system_opencv:
        _use_system_opencv(bundle, release)
    return release


def _stop_old(release: Path, releases: Releases, layout: Layout) -> Path | None:
    """Stop the release at work for another one; the copy of its outbox, where that would not fit any more."""
    if releases.current in {None, release}:
        return None
    services.stop()
    try:
        return outbox.keep_for(layout, release)
    except InstallError:
        services.start()
        raise


def _take(
    release: Path, before: Before, starts: bool, wishes: Wishes, layout: Layout, releases: Releases, report: Report
) -> int:
    """Let the release be the current one and see that it comes up; else go back. 0 if it is at work."""
    releases.switch(release)
    services.reload_and_enable()
    if not wishes.packaged:
        services.put_commands(layout, report)
    why = services.start() if starts and (report.changed or not services.is_active()) else ""
    if why:
        report.broken("agent", f"does not come up with {release.name}:\n{why}")
        if before.release is None:
            report.note("next", f"mend what the lines above say, then: systemctl restart {AGENT}")
        else:
            _go_back(before.release, before, layout, releases, report)
        return 1
    if starts:
        report.unchanged("agent", f"up with {release.name}; its log: journalctl -u {AGENT}")
    elif not layout.config.is_file():
        example = release / "share/docs/agent.example.toml"
        report.note("next", f"give a provisioning file, or write {layout.config} (all keys: {example})")
        report.note("next", f"then: systemctl start {AGENT}")
    else:
        report.note("next", f"systemctl start {AGENT}; by itself at the next boot")
    if before.outbox is not None:
        before.outbox.unlink()
    for name in releases.prune():
        report.note("release", f"{name} deleted; the one before this stays, for going back")
    return 0


def _go_back(old: Path, before: Before, layout: Layout, releases: Releases, report: Report) -> None:
    """Put the old release to work again, with the files that it had."""
    services.stop()
    if before.outbox is not None:
        try:
            aside, carried = outbox.put_back(layout, before.outbox)
        except (sqlite3.Error, OSError) as error:  # a full disk: the old release has to come up all the same
            report.broken("outbox", f"{before.outbox} cannot be put back ({error}); rename it to {layout.outbox.name}")
        else:
            news = "with what the new release recorded" if carried else f"{aside} holds what the new release recorded"
            report.note("outbox", f"as before the upgrade, {news}")
    releases.switch(old)
    before.files.restore()
    services.reload_and_enable()
    why = services.start()
    if why:
        report.broken("agent", f"does not come up with {old.name} either:\n{why}")
    else:
        report.note("agent", f"went back to {old.name}, which is up again")


def _check(release: Path, config: Path | None, report: Report) -> None:
    """Raise InstallError where something is wrong with the release on this machine. The old one still runs."""
    checks = [["doctor"], *([["check-config", str(config)]] if config else [])]
    for check in checks:
        command = [str(release / "bin/edge-agent"), *check]
        environment = clean_environment()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(("ok", "note"))]
            raise InstallError("\n  ".join([*lines, "nothing that runs was changed"]), where=f"edge-agent {check[0]}")
        report.unchanged("check", f"edge-agent {' '.join(check)}: nothing is broken")


def _has_tensorrt(python: Path) -> bool:
    """Whether the system has TensorRT for its Python, as JetPack does."""
    found = subprocess.run([str(python), "-c", "import tensorrt"], capture_output=True, check=False, cwd="/")
    return found.returncode == 0


def _use_system_opencv(bundle: Bundle, release: Path) -> None:
    """Take our OpenCV out of the release, so that the system's is found. Raises InstallError where there is none."""
    python = release / "bin/python"
    pip = [str(python), "-I", f"{bundle.pip}/pip", "--quiet", "uninstall", "--yes", "opencv-python-headless"]
    subprocess.run(pip, capture_output=True, check=False, env=clean_environment())
    asked = "import cv2; raise SystemExit('GStreamer:                   YES' not in cv2.getBuildInformation())"
    done = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it has no GStreamer"])[-1]
        (release / "release.json").unlink()
        raise InstallError(f"cannot be used: {said}", where="OpenCV of the system", mend="install JetPack's OpenCV")
