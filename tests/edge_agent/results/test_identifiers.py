import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.results.identifiers import uuid7


@given(st.integers(min_value=0, max_value=(1 << 48) - 1))
def test_an_identifier_is_a_uuid_of_version_7_that_begins_with_its_time(unix_ms: int) -> None:
    parsed = uuid.UUID(uuid7(unix_ms))
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == unix_ms


def test_identifiers_are_unique_and_stamped_with_the_clock() -> None:
    assert len({uuid7(0) for _ in range(1000)}) == 1000
    assert abs((uuid.UUID(uuid7()).int >> 80) / 1000 - time.time()) < 5
