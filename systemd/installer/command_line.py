"""install and uninstall: options, the lock, exit codes."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from installer.errors import InstallError
from installer.install import Wishes, install
from installer.layout import Layout
from installer.report import Report
from installer.uninstall import uninstall

BUNDLE = Path(__file__).resolve().parents[1]
LOCK = Path("/run/lock/matecheck-install")
DESCRIPTION = """\
Install matecheck from this folder, or upgrade what is installed. Nothing is fetched from a network.
The new release is made beside the old one and checked; then the agent is started with it.
If it does not come up, the old release is at work again, and the exit code is 1.
Configuration, recipes and results stay. Installing twice changes nothing the second time.
"""
EPILOG = """\
exit codes:
  0  installed, and the agent is up (or waits for its configuration)
  1  the new release does not come up; the lines above say why
  2  nothing that runs was changed: wrong file, wrong machine, damaged folder

A provisioning file is an agent.toml. The certificates, the password file and the recipe that it names
are looked for beside it, and copied to the device; check it before with: edge-agent check-config FILE
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the two; an expected failure is one line on stderr and exit code 2."""
    arguments = _parser().parse_args(argv)
    report = Report(arguments.dry_run)
    try:
        with _alone(arguments.action):
            code = _act(arguments, report)
    except InstallError as error:
        print(f"{arguments.action}: {error}", file=sys.stderr)
        code = 2
    except OSError as error:
        print(f"{arguments.action}: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        code = 2
    if arguments.report:
        arguments.report.write_text("".join(f"{line}\n" for line in [*report.lines, f"exit code {code}"]))
    return code


@contextmanager
def _alone(action: str) -> Iterator[None]:
    """Raise InstallError unless we are root, and the only installation at work."""
    if os.geteuid() != 0:
        raise InstallError("only root can do this", mend=f"sudo ./{action}")
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InstallError("another installation is at work", mend="wait for its end") from error
        yield


def _act(arguments: argparse.Namespace, report: Report) -> int:
    layout = Layout()
    if arguments.action == "uninstall":
        uninstall(
            layout,
            report,
            purge=arguments.purge,
            discard_results=arguments.discard_results,
            packaged=arguments.packaged,
        )
        return 0
    wishes = Wishes(
        provisioning=arguments.provision,
        system_packages=arguments.system_packages,
        system_opencv=arguments.system_opencv,
        start=arguments.start,
        packaged=arguments.packaged,
    )
    return install(BUNDLE, wishes, layout, report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="matecheck")
    actions = parser.add_subparsers(dest="action", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    put = actions.add_parser("install", prog="install", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    put.add_argument(
        "--provision", metavar="FILE", type=Path, help="agent.toml of this unit, with what it names beside"
    )
    put.add_argument(
        "--system-packages",
        action=argparse.BooleanOptionalAction,
        help="see Python packages of the system; by itself where it has TensorRT, as JetPack does",
    )
    put.add_argument("--system-opencv", action="store_true", help="take JetPack's OpenCV, which CSI cameras need")
    put.add_argument("--no-start", dest="start", action="store_false", help="do not start the agent now")
    gone = actions.add_parser(
        "uninstall",
        prog="uninstall",
        description="Remove matecheck. Configuration, recipes and results stay, unless --purge is given.",
    )
    gone.add_argument("--purge", action="store_true", help="remove configuration, secrets, recipes and results too")
    gone.add_argument("--discard-results", action="store_true", help="even those that the broker has not taken")
    for action in (put, gone):
        action.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
        action.add_argument("--report", metavar="FILE", type=Path, help="write what was said to a file, too")
        action.add_argument("--packaged", action="store_true", help=argparse.SUPPRESS)  # called by the Debian package
    return parser
