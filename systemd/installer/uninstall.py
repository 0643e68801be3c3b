"""uninstall: all that was installed goes; configuration, recipes and results stay unless they are purged."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from installer import outbox, services
from installer.errors import InstallError
from installer.layout import CSI_DROP_IN, USER, Layout
from installer.report import Report


def uninstall(
    layout: Layout, report: Report, *, purge: bool = False, discard_results: bool = False, packaged: bool = False
) -> None:
    """Remove matecheck; a second time it finds nothing to do.

    Raises:
        InstallError: results that the broker has not taken would be lost, or a package manager is in charge.
    """
    if layout.packaged and not packaged:
        raise InstallError("is installed as a Debian package", where="matecheck", mend="apt remove matecheck")
    services.check_systemd()
    may_lose = discard_results or not purge
    if not may_lose:
        _refuse_loss(layout)  # before anything is stopped
    unit_is_there = any(path.exists() for path in layout.system_files(Path()))
    if (unit_is_there or packaged) and report.changes("agent", "stop it; what it has accepted is recorded first"):
        _stop(layout, may_lose)
    for path in _what_goes(layout, purge=purge, packaged=packaged):
        if (path.is_symlink() or path.exists()) and report.changes("remove", str(path)):
            _remove(path)
    if not report.dry_run:
        services.forget()
    if purge and report.changes("remove", f"user {USER}"):
        subprocess.run(["userdel", USER], capture_output=True, check=False)
    kept = [str(path) for path in (layout.config.parent, layout.state) if path.exists()]
    if kept and not purge:
        report.note("kept", f"{' and '.join(kept)}; --purge removes them too")


def _stop(layout: Layout, may_lose: bool) -> None:
    """Stop the agent; it goes on where what it recorded last would be lost."""
    services.stop_and_disable()
    try:
        if not may_lose:
            _refuse_loss(layout)
    except InstallError:
        services.reload_and_enable()
        services.start()
        raise


def _what_goes(layout: Layout, *, purge: bool, packaged: bool) -> list[Path]:
    gone = [*layout.commands, layout.program]
    if not packaged:
        gone += [*layout.system_files(Path()), layout.drop_ins / CSI_DROP_IN]
    if purge:
        gone += [*layout.caches, layout.config.parent, layout.state, layout.drop_ins]
    return gone


def _refuse_loss(layout: Layout) -> None:
    waiting = outbox.waiting(layout)
    if waiting:
        raise InstallError(
            f"holds {waiting} results that the broker has not taken",
            where=str(layout.outbox),
            mend="let the agent deliver them, or give --discard-results",
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
