"""Where everything stands on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

USER = "matecheck"
AGENT, ENGINE = "matecheck-agent.service", "matecheck-engine.service"
CSI_DROP_IN = "csi-camera.conf"
# Keys of [mqtt] that name a file, and what the unit calls that file.
SECRETS = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem", "password_file": "password"}  # nosec B105 # names
COMMANDS = ("edge-agent", "build-engine", "calibrate")


@dataclass(frozen=True)
class Layout:
    """All paths, below `root` ("/" on a device)."""

    root: Path = Path("/")

    @property
    def program(self) -> Path:
        """Releases side by side, and the symlinks `current` and `previous`."""
        return self.root / "opt/matecheck"

    @property
    def config(self) -> Path:
        """The configuration; kept by upgrades."""
        return self.root / "etc/matecheck/agent.toml"

    @property
    def secrets(self) -> Path:
        """Password, certificates and key; read by root alone."""
        return self.root / "etc/matecheck/secrets"

    @property
    def state(self) -> Path:
        """Results, recipes, engines; kept by upgrades."""
        return self.root / "var/lib/matecheck"

    @property
    def outbox(self) -> Path:
        """Results that the broker has not taken, and those that it may be asked for again."""
        return self.state / "results/outbox.sqlite"

    @property
    def outboxes_in_memory(self) -> list[Path]:
        """Results that a full disk has refused."""
        return sorted((self.root / "run/matecheck").glob("matecheck-*/outbox.sqlite"))

    @property
    def caches(self) -> tuple[Path, ...]:
        """What can be made again, or waits in memory for room on the disk."""
        names = ("var/cache/matecheck", "var/cache/matecheck-engine", "run/matecheck")
        return tuple(self.root / name for name in names)

    @property
    def drop_ins(self) -> Path:
        """Changes to the agent's unit: those of the installer, and of `systemctl edit`."""
        return self.root / f"etc/systemd/system/{AGENT}.d"

    @property
    def commands(self) -> dict[Path, Path]:
        """Symlinks that put the commands on everyone's path, and where they lead."""
        return {self.root / "usr/local/bin" / name: self.program / "current/bin" / name for name in COMMANDS}

    def system_files(self, source: Path) -> dict[Path, Path]:
        """Files of the system, and the files in the bundle `source` that they are copies of."""
        etc = self.root / "etc"
        return {
            etc / "systemd/system" / AGENT: source / "units" / AGENT,
            etc / "systemd/system" / ENGINE: source / "units" / ENGINE,
            etc / "sysusers.d/matecheck.conf": source / "sysusers/matecheck.conf",
            etc / "tmpfiles.d/matecheck.conf": source / "tmpfiles/matecheck.conf",
            etc / "udev/rules.d/70-matecheck.rules": source / "udev/70-matecheck.rules",
        }

    @property
    def small_files(self) -> list[Path]:
        """All files that an installation may write, but the releases and the recipe."""
        secrets = [self.secrets / name for name in SECRETS.values()]
        return [self.config, *secrets, *self.system_files(Path()), self.drop_ins / CSI_DROP_IN]

    @property
    def packaged(self) -> bool:
        """Whether a Debian package owns the units."""
        return (self.root / "usr/lib/systemd/system" / AGENT).exists()
