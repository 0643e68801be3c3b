"""A real browser, without a window: what it makes of a page on disk."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Put at the end of a copy of the page; what it finds is read from the DOM that the browser hands out.
PROBE = """<script>addEventListener("load", () => { const d = document; d.body.dataset.seen = JSON.stringify({
  title: d.title, text: d.body.innerText, wide: d.documentElement.scrollWidth > innerWidth,
  pictures: d.images.length, broken: [...d.images].filter(i => !i.complete || !i.naturalWidth).length,
  charts: [...d.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().width > 50).length,
  pairs: d.querySelectorAll(".pair").length,
  outside: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).length })});</script>"""


@dataclass(frozen=True)
class Shown:
    """A page as the browser shows it.

    Attributes:
        seen: title, text, number of pictures, … as PROBE finds them.
        console: what the browser complains about.
        screenshot: BGR uint8 [H, W, 3].
    """

    seen: dict[str, Any]
    console: list[str]
    screenshot: NDArray[np.uint8]


def installed() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def show(browser: str, page: Path, folder: Path, size: tuple[int, int] = (1200, 2400)) -> Shown:
    """Open a page; `folder` is for the browser's own files, the copy and the screenshot."""
    copy, picture = folder / "page.html", folder / "page.png"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--enable-logging=stderr", f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=5000"]
    dumped, _ = (
        subprocess.run([*command, what, copy.as_uri()], check=True, capture_output=True, text=True, timeout=120)
        for what in ("--dump-dom", f"--screenshot={picture}")
    )
    found = re.search(r'data-seen="([^"]*)"', dumped.stdout)
    assert found, dumped.stdout[-500:]
    console = [line for line in dumped.stderr.splitlines() if "CONSOLE" in line]
    screenshot = cv2.imread(str(picture))
    assert screenshot is not None
    return Shown(json.loads(html.unescape(found[1])), console, np.asarray(screenshot, np.uint8))
