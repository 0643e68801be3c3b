"""The back end for TensorRT on a GPU that is not there: the real pycuda over a fake driver, in a process of its own.

The driver can only be loaded once and stands in the way of a real one, so that these run by `make test-gpu` alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.gpu.fake_cuda import FakeCuda

if not os.environ.get("MATECHECK_FAKE_GPU"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeCuda:
    if not find_spec("pycuda"):
        pytest.skip("NOT RUN: pycuda could not be installed; make test-gpu says why")
    from tests.support.gpu import fake_tensorrt

    driver = FakeCuda(tmp_path_factory.mktemp("driver"))
    fake_tensorrt.install(driver)
    return driver


@pytest.fixture
def cuda(driver: FakeCuda) -> FakeCuda:
    """The driver, sound, and without what an earlier test has left in its trace."""
    driver.mend()
    driver.seed(1)
    driver.trace()
    return driver


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker").start()
    yield broker
    broker.stop()
