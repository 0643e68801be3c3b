"""What the installer says when it cannot go on."""

from __future__ import annotations


class InstallError(Exception):
    """An expected failure, in one line: where, what, and how to mend it."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.mend}" if self.mend else head
