"""What systemd is asked to do, and whether the agent came up."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from installer import files
from installer.errors import InstallError
from installer.layout import AGENT, CSI_DROP_IN, ENGINE, Layout
from installer.report import Report

LAST_WORDS = 15  # lines of the log
LAST_BREATH_S = 20.0  # of an agent that is about to end
OLDEST_SYSTEMD = 247  # LoadCredential
SETTLED_S = 5.0  # an agent that is up for so long has its camera, its engine and its first status behind it


def check_systemd() -> None:
    """Raise InstallError where there is no systemd, or one too old for the units."""
    if shutil.which("systemctl") is None:
        raise InstallError("there is no systemd here", mend="install on the device itself, or in its image")
    words = _ctl("--version").stdout.split()
    version = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    if version < OLDEST_SYSTEMD:
        raise InstallError(f"is {version}, {OLDEST_SYSTEMD} is needed", where="systemd", mend="use JetPack 6 or later")


def is_running() -> bool:
    """Whether systemd runs here; in the image of a device, or a chroot, it does not."""
    return Path("/run/systemd/system").is_dir()


def put_system_files(source: Path, layout: Layout, report: Report) -> None:
    """Copy units, user, folders and rules of a bundle to where the system looks for them."""
    for path, origin in layout.system_files(source).items():
        _copy(origin, path, report)


def put_drop_in(source: Path, layout: Layout, csi: bool, report: Report) -> None:
    """Let the unit reach the daemon of CSI cameras, where the configuration asks for one."""
    path = layout.drop_ins / CSI_DROP_IN
    if csi:
        _copy(source / "drop-ins" / CSI_DROP_IN, path, report)
    elif path.exists() and report.changes("units", f"remove {path}: the camera is none on CSI"):
        path.unlink()


def make_user_and_folders(layout: Layout, *, packaged: bool, report: Report) -> None:
    """Let systemd make what sysusers and tmpfiles say; both do nothing where all is there."""
    etc = layout.root / ("usr/lib" if packaged else "etc")
    what = "the user matecheck and its folders"
    if layout.secrets.is_dir() and layout.outbox.parent.is_dir():
        report.unchanged("folders", what)
    else:
        report.changes("folders", f"make {what}")
    if not report.dry_run:
        _checked("systemd-sysusers", str(etc / "sysusers.d/matecheck.conf"))
        _checked("systemd-tmpfiles", "--create", str(etc / "tmpfiles.d/matecheck.conf"))
        if shutil.which("udevadm"):  # the rules hold for cameras plugged in from now on, or after a boot
            subprocess.run(["udevadm", "control", "--reload"], capture_output=True, check=False)


def put_commands(layout: Layout, report: Report) -> None:
    """Put edge-agent and the others on everyone's path."""
    for path, target in layout.commands.items():
        if path.is_symlink() and path.readlink() == target:
            continue
        if path.exists() and not path.is_symlink():
            report.note("commands", f"{path} is not ours, and stays")
        elif report.changes("commands", f"{path} leads to {target}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.link(path, str(target))


def reload_and_enable() -> None:
    """Let systemd read the units again, and start them at every boot."""
    if is_running():
        _checked("systemctl", "daemon-reload")
    _checked("systemctl", "enable", "--quiet", AGENT, ENGINE)


def start() -> str:
    """Start the agent afresh and watch it; "" if it came up and stayed, else what systemd and its log say."""
    stop()
    # The engine is looked at again after an upgrade. Where it has to be built the agent waits, as at the first boot.
    _ctl("restart", ENGINE)
    if _ctl("restart", AGENT).returncode:
        return _why()
    first = _state()
    end = time.monotonic() + SETTLED_S
    while time.monotonic() < end:
        time.sleep(0.5)
        if _state() != first:
            _await_last_words()
            return _why()
    return ""


def is_active() -> bool:
    """Whether the agent runs."""
    return _ctl("is-active", "--quiet", AGENT).returncode == 0


def stop() -> None:
    """Stop the agent: what it has accepted is finished and recorded first."""
    _ctl("stop", AGENT)
    _ctl("reset-failed", AGENT, ENGINE)


def stop_and_disable() -> None:
    """Stop the agent and start it no more."""
    _ctl("disable", "--quiet", *(["--now"] if is_running() else []), AGENT, ENGINE)
    _ctl("reset-failed", AGENT, ENGINE)


def forget() -> None:
    """Let systemd see that the units are gone."""
    _ctl("daemon-reload")


def _copy(origin: Path, path: Path, report: Report) -> None:
    content = origin.read_bytes()
    if files.same(path, content):
        report.unchanged("units", str(path))
    elif report.changes("units", f"write {path}"):
        files.write(path, content)


def _state() -> str:
    """Differs where the agent ended, or was started again."""
    return _ctl("show", "--property=ActiveState,MainPID,NRestarts", AGENT).stdout


def _await_last_words() -> None:
    """What ends says why when it is done with that: the state tells of the end before."""
    end = time.monotonic() + LAST_BREATH_S
    while "deactivating" in _state() and time.monotonic() < end:
        time.sleep(0.2)


def _why() -> str:
    """The end of the agent's log: what it said last, and what systemd said of its end."""
    subprocess.run(["journalctl", "--sync"], capture_output=True, check=False)
    command = ["journalctl", "--no-pager", "--output=cat", f"--lines={LAST_WORDS}", f"--unit={AGENT}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise InstallError(f"failed: {said}", where=" ".join(command[:2]))


def _ctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
