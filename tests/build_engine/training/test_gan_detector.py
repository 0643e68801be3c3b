"""Runs of cnn-gan that were saved."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from build_engine.training.gan_detector import DetectorSettings, restore_settings
from edge_agent.errors import ModelError


def test_settings_come_back_and_those_of_another_version_are_refused() -> None:
    settings = DetectorSettings()
    assert restore_settings({"settings": asdict(settings)}) == settings
    other = {**asdict(settings), "encoder": {"iterations": 300, "vector": 0.3}}
    with pytest.raises(ModelError, match="another version of matecheck; train anew"):
        restore_settings({"settings": other})
