"""A machine to install on and throw away: this one's file system under an overlay, with a systemd of its own.

Process numbers, mounts, network and control groups are its own: nothing that is done in it reaches this machine. It
has no network but its own loopback. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
BOOT = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount --rbind "$2" srv
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind proc/sys proc/sys && mount -o remount,ro,bind proc/sys
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd; touch dev/console
mount -t tmpfs tmpfs dev/shm; mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp
mkdir -p run/lock
rm -f etc/machine-id; touch etc/machine-id
export container=other
# not chroot: the kernel refuses user namespaces, which the units ask for, to who is in one
mkdir -p mnt/before && pivot_root . mnt/before && umount -l mnt/before && rmdir mnt/before
mount --make-rshared /  # as at a boot; systemd leaves that to others where it believes to be in a container
exec /lib/systemd/systemd --system --log-target=journal --unit=basic.target
"""


class Machine:
    """Boots in the constructor's `with` block, is gone after it.

    Args:
        folder: for what is written in it.
        given: seen in it as /srv.
    """

    def __init__(self, folder: Path, given: Path) -> None:
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        self._folder, self._given = folder, given
        self._cgroup = _cgroup2() / f"matecheck-test-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Machine:
        self._cgroup.mkdir(exist_ok=True)
        join = f"echo $$ > {self._cgroup}/cgroup.procs && exec "
        namespaces = "unshare --mount --pid --fork --ipc --uts --cgroup --net --kill-child --propagation private"
        command = ["sh", "-c", f'{join} {namespaces} sh -c "$0" sh "$@"', BOOT, str(self._folder), str(self._given)]
        with (self._folder / "boot.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait_for_boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)  # --kill-child: its process 1 goes too, and all below it
            self._process.wait(10)
        end = time.monotonic() + 10
        while self._cgroup.exists() and time.monotonic() < end:
            for group in sorted(self._cgroup.rglob("*/"), reverse=True):
                if group.is_dir():
                    _remove(group)
            _remove(self._cgroup)
            time.sleep(0.05)
        shutil.rmtree(self._folder / "upper", ignore_errors=True)

    def run(self, command: str, *, check: bool = True, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a shell command in it, as root. With `check`, a failure fails the test and says all."""
        done = subprocess.run(
            [*self._enter, "/bin/sh", "-c", command],
            capture_output=True, text=True, timeout=timeout_s, check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start a shell command in it, and go on."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            [*self._enter, "/bin/sh", "-c", command], env=ENVIRONMENT, stdin=quiet, stdout=quiet, stderr=quiet
        )

    def path(self, path: str) -> Path:
        """A path of it, as this machine sees it."""
        return Path(f"/proc/{self._init}/root{path}")

    def wait(self, command: str, timeout_s: float = 180) -> None:
        """Wait until the command succeeds in it."""
        end = time.monotonic() + timeout_s
        while (done := self.run(command, check=False)).returncode:
            if time.monotonic() > end:
                journal = self.run("journalctl --no-pager -n 60 -u 'matecheck*'", check=False).stdout
                raise AssertionError(
                    f"waited {timeout_s} s in vain for: {command}\n{done.stdout}{done.stderr}\n{journal}"
                )
            time.sleep(0.2)

    @property
    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self._init}", "-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w"]

    def _wait_for_boot(self) -> None:
        assert self._process is not None
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self._process.poll() is not None:
                said = (self._folder / "boot.log").read_text(encoding="utf-8")
                pytest.skip(f"NOT RUN: no machine can be made here: {said.strip()[-300:]}")
            self._init = self._find_init()
            if self._init and self.run("systemctl is-active basic.target", check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("systemd did not boot: " + (self._folder / "boot.log").read_text(encoding="utf-8"))

    def _find_init(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in children.read_text(encoding="ascii").split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(str(SYSTEMD).encode()):
                return int(child)
        return 0


ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def require() -> None:
    """Skip the test where no such machine can be made, saying why."""
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: installs for real, which needs root: sudo make test-install")
    missing = [name for name in ("unshare", "nsenter", "systemctl") if shutil.which(name) is None]
    if missing or not SYSTEMD.exists():
        pytest.skip(f"NOT RUN: {', '.join(missing) or SYSTEMD} is missing; apt-get install systemd util-linux")


def _cgroup2() -> Path:
    for line in Path("/proc/mounts").read_text(encoding="ascii").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" and "ro" not in options.split(","):
            return Path(place)
    pytest.skip("NOT RUN: there is no cgroup2 that systemd could have")


def _remove(group: Path) -> None:
    with suppress(OSError):  # a process in it is still dying
        group.rmdir()
