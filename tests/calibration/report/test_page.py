"""The report of a calibration as a field engineer sees it: in a browser, from a file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.cli.main import main
from calibration.place import Place
from tests.support import browser


@pytest.fixture
def chromium() -> str:
    found = browser.installed()
    if found is None:
        pytest.skip("NOT RUN: the report was shown in no browser: sudo apt-get install chromium")
    return found


def test_the_report_opens_in_a_browser_with_its_pictures_and_the_worst_pairs(
    place: Place, config: Path, chromium: str, tmp_path: Path
) -> None:
    assert main(["int8", str(config)]) == 0
    shown = browser.show(chromium, place.report, tmp_path)
    seen = shown.seen
    assert shown.console == []
    assert (seen["broken"], seen["outside"], seen["wide"]) == (0, 0, False)
    assert seen["pairs"] == 6
    assert seen["pictures"] == 5 * seen["pairs"]
    assert seen["charts"] >= 5  # light, places, agreement, and a histogram for each layer
    for text in ("Passed.", "The pairs that differ the most", "FP32 / this engine: NG / NG", "Layers and their ranges"):
        assert text in seen["text"]
    dark = (shown.screenshot.max(axis=2) < 100).mean()
    assert dark > 0.02  # pictures of parts, which are dark on a white page


def test_a_complaint_of_the_browser_would_be_found(chromium: str, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text('<!doctype html><body><img src="data:image/jpeg;base64,AAAA"><script>no()</script></body>')
    shown = browser.show(chromium, page, tmp_path)
    assert shown.seen["broken"] == 1
    assert any("no is not defined" in line for line in shown.console)
