"""What a benchmark keeps from the last time is used again only by the code that made it."""

from __future__ import annotations

from benchmarks.inspected import digest_of_code


def test_a_change_of_any_named_file_changes_the_digest(tmp_path) -> None:
    own, package = tmp_path / "own.py", tmp_path / "package"
    package.mkdir()
    own.write_text("LEVEL = 1")
    (package / "shapes.py").write_text("SIDES = 4")
    digests = [digest_of_code(), digest_of_code(own), digest_of_code(own, package)]
    own.write_text("LEVEL = 2")
    digests.append(digest_of_code(own, package))
    (package / "shapes.py").write_text("SIDES = 5")
    digests.append(digest_of_code(own, package))
    assert len(set(digests)) == len(digests)
    assert digest_of_code(own, package) == digests[-1]
