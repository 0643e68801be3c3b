"""Shows results as they arrive: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.demo.score import Mark, Row, Tally

FRAME_LINES = 9  # title, headings, rules and tally around the rows
SIGNS = {
    Mark.FOUND: ("✓ found", "green"),
    Mark.PASSED: ("✓", "green"),
    Mark.MISSED: ("✗ missed", "bold red"),
    Mark.FALSE: ("✗ false alarm", "bold red"),
    Mark.ERROR: ("! error", "bold magenta"),
}
COLOURS = {"OK": "green", "NG": "red", "ERROR": "magenta"}


class Display:
    """Shows one row after the other; a context manager.

    Args:
        title: stands above the table.
        parts: how many are to come.
    """

    def __init__(self, title: str, parts: int) -> None:
        self.rows: list[Row] = []
        self._title, self._parts = title, parts
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> Display:
        """Begin to draw."""
        if self._live:
            self._live.start()
            self._draw()
        else:
            self._say(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state standing."""
        if self._live:
            self._live.stop()
        elif self.rows:
            self._say(str(Tally.of(self.rows)))

    def add(self, row: Row) -> None:
        """Show one more part."""
        self.rows.append(row)
        if self._live:
            self._draw()
        else:
            sign = SIGNS[row.mark][0]
            what = f"part {row.part:3d}  {_truth(row.truth):<14}  {row.verdict.value:<5}  {_largest(row):>9}"
            self._say(f"{what}  {row.latency_ms:5.0f} ms  {sign} {row.note}".rstrip())

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)

    def _draw(self) -> None:
        assert self._live is not None
        table = Table(pad_edge=False)
        table.add_column("part", justify="right")
        table.add_column("truth", min_width=14)
        table.add_column("verdict", min_width=7)
        table.add_column("largest", justify="right", min_width=9)
        table.add_column("latency", justify="right", min_width=8)
        table.add_column("", min_width=14)
        room = max(5, self._console.height - FRAME_LINES)
        for row in self.rows[-room:]:
            sign, colour = SIGNS[row.mark]
            verdict = Text(row.verdict.value, style=COLOURS[row.verdict.value])
            note = Text(f"{sign} {row.note}".strip(), style=colour)
            table.add_row(str(row.part), _truth(row.truth), verdict, _largest(row), f"{row.latency_ms:.0f} ms", note)
        tally = Text(f"{len(self.rows)} of {self._parts} parts: {Tally.of(self.rows)}", style="bold")
        self._live.update(Group(Text(self._title, style="bold"), table, tally), refresh=True)


def _truth(truth: SimulatedTruth) -> str:
    return f"{truth.kind} {truth.length_px:.0f} px" if truth.kind else "clean"


def _largest(row: Row) -> str:
    return f"{row.largest_mm:.2f} mm" if row.largest_mm is not None else "–"
