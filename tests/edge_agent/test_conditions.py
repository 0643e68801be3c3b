"""What is wrong is said with code, text and since when."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edge_agent import conditions as module
from edge_agent.conditions import Condition, Conditions

CAMERA, HOT = Condition("camera", "camera 0: gone"), Condition("temperature", "hotter than 85 °C")


class Clock:
    """Both clocks of the machine; only the monotonic one can be relied on."""

    monotonic_s = 1000.0

    def monotonic(self) -> float:
        return self.monotonic_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    return clock


def _age_s(since: str) -> float:
    return (datetime.now(timezone.utc) - datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds()


def test_nothing_wrong_is_online() -> None:
    status = Conditions().to_dict()
    assert (status["state"], status["why"], status["reasons"]) == ("online", "", [])


def test_each_condition_has_its_own_since(clock: Clock) -> None:
    conditions = Conditions()
    clock.monotonic_s += 60
    assert conditions.update([CAMERA])
    clock.monotonic_s += 30
    assert conditions.update([CAMERA, HOT])
    clock.monotonic_s += 5
    status = conditions.to_dict()
    assert (status["state"], status["why"]) == ("degraded", "camera 0: gone; hotter than 85 °C")
    assert _age_s(status["since"]) == pytest.approx(35, abs=2)
    ages = {reason["code"]: _age_s(reason["since"]) for reason in status["reasons"]}
    assert ages == {"camera": pytest.approx(35, abs=2), "temperature": pytest.approx(5, abs=2)}


def test_a_new_text_of_the_same_trouble_keeps_its_since(clock: Clock) -> None:
    conditions = Conditions()
    conditions.update([CAMERA])
    clock.monotonic_s += 100
    assert conditions.update([Condition("camera", "camera 0: gone; next try in 8 s")])
    assert _age_s(conditions.to_dict()["reasons"][0]["since"]) == pytest.approx(100, abs=2)


def test_no_news_is_not_published() -> None:
    conditions = Conditions()
    assert not conditions.update([])
    assert conditions.update([HOT])
    assert not conditions.update([HOT])
    assert conditions.update([])
    assert conditions.state == "online"
