"""Every code that a machine may meet in a status, a result or a reply stands in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CODES = {
    "conditions": r'Condition\(\s*"([a-z-]+)"|^ +\("([a-z-]+)", self\._|\("(worker)", text\)',
    "reasons": r'(?:Reason|_RefusedError)\(\s*"([a-z-]+)"|^(?:UNACKNOWLEDGED) = "([a-z-]+)"',
    "refusals": r'code="([a-z-]+)"|code: str = "([a-z-]+)"|code = error\.code .* else "([a-z-]+)"|"code": "([a-z-]+)"',
}


@pytest.mark.parametrize("kind", CODES)
def test_every_code_is_documented(kind: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "edge_agent").rglob("*.py")]
    matches = (match for source in sources for match in re.finditer(CODES[kind], source, re.MULTILINE))
    emitted = {next(filter(None, match.groups())) for match in matches}
    assert len(emitted) > 5
    pages = [(REPOSITORY / "docs" / page).read_text(encoding="utf-8") for page in ("scada.md", "field-engineers.md")]
    assert emitted - set(re.findall(r"`([a-z-]+)`", "".join(pages))) == set()
