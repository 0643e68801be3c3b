import io

import pytest

from calibration.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_passing_line_fits_and_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output = Terminal()
    progress = Progress(output)
    progress.passing("x" * 100)
    progress.line("done")
    shown = output.getvalue().split("\r\x1b[K")
    assert len(shown[1]) < 40
    assert shown[-1] == "done\n"


def test_in_a_log_file_passing_lines_are_few_and_whole() -> None:
    output = io.StringIO()
    progress = Progress(output)
    for number in range(100):
        progress.passing(f"{number} of 100")
    progress.line("done")
    assert output.getvalue() == "  0 of 100\ndone\n"
