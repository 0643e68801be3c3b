"""Beyond a limit the device is unwell, and well again only clearly below it."""

from __future__ import annotations

import time

import pytest

from edge_agent import health, health_watch
from edge_agent.errors import ConfigError
from edge_agent.health_settings import HealthSettings
from edge_agent.health_watch import HealthWatch


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_watch, "LOOK_S", 0.0)
    monkeypatch.setattr(health, "temperatures", dict)
    monkeypatch.setattr(health, "memory_available_mb", lambda: 4000)


def _codes(watch: HealthWatch) -> list[str]:
    return [condition.code for condition in watch.look()]


def test_a_machine_within_its_limits_is_well() -> None:
    assert _codes(HealthWatch(HealthSettings(memory_mb=100_000))) == []


def test_the_hottest_zone_counts_and_must_cool_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = {"cpu": 50.0, "gpu": 85.0}
    monkeypatch.setattr(health, "temperatures", lambda: zones)
    watch = HealthWatch(HealthSettings(hot_c=85))
    assert _codes(watch) == ["temperature"]
    zones["gpu"] = 84.0
    assert _codes(watch) == ["temperature"]
    zones["gpu"] = 81.0
    assert _codes(watch) == []
    zones["gpu"] = 84.0
    assert _codes(watch) == []


def test_memory_of_the_agent_and_of_the_machine_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "memory_mb", lambda: 501)
    monkeypatch.setattr(health, "memory_available_mb", lambda: 150)
    watch = HealthWatch(HealthSettings(memory_mb=500, memory_available_mb=200))
    assert _codes(watch) == ["memory", "machine-memory"]
    monkeypatch.setattr(health, "memory_available_mb", lambda: 205)
    assert "machine-memory" in _codes(watch)
    monkeypatch.setattr(health, "memory_available_mb", lambda: 250)
    assert _codes(watch) == ["memory"]


def test_a_clock_in_1970_is_named_with_its_year_until_it_is_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = time.time
    wrong = [real() - 100.0]
    monkeypatch.setattr(time, "time", lambda: real() - wrong[0])
    watch = HealthWatch(HealthSettings())
    assert _codes(watch) == ["clock"]
    wrong[0] = 0.0
    assert _codes(watch) == []
    assert watch.clock_steps == 1
    assert "clock-was-set" in caplog.text


@pytest.mark.parametrize(("must", "codes"), [(True, ["clock"]), (False, [])])
def test_whether_the_clock_must_be_synchronised_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, must: bool, codes: list[str]
) -> None:
    monkeypatch.setattr(health, "_kernel_clock_state", lambda: health.STA_UNSYNC)
    assert _codes(HealthWatch(HealthSettings(clock_must_be_synced=must))) == codes


@pytest.mark.parametrize("key", ["hot_c", "memory_mb", "memory_available_mb", "hang_s", "restarts"])
def test_an_impossible_limit_is_refused_by_name(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HealthSettings(**{key: -1})  # type: ignore[arg-type]
    assert caught.value.where == key
