"""edge-agent demo as a user starts it: the whole product in one process, results over MQTT."""

import os
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.demo.broker import EmbeddedBroker
from tests.support.models import write_difference_model

# A process begun in the background of a script ignores Ctrl-C: here it must not, wherever the tests run.
CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from edge_agent.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def model(tmp_path):
    return write_difference_model(tmp_path / "model.onnx")


def start(tmp_path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "demo", "--output", str(tmp_path / "pictures"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def test_the_demo_shows_each_part_once_leaves_pictures_and_ends_by_itself(tmp_path, model):
    demo = start(tmp_path, "--parts", "4", "--interval", "0", "--connector", "dsub9", "--model", str(model))
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("part ")] == ["0", "1", "2", "3"]
    assert lines[-2].startswith("found ")
    assert str(tmp_path / "pictures") in lines[-1]
    thumbnails = [path for path in (tmp_path / "pictures").glob("part-*.jpg") if "sheet" not in path.name]
    assert len(thumbnails) == 4
    for path in thumbnails:
        assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) is not None
    assert "agent-stopped results=4 waiting=0" in (tmp_path / "pictures" / "agent.log").read_text()


def test_ctrl_c_ends_the_demo_in_order(tmp_path, model):
    demo = start(tmp_path, "--parts", "500", "--connector", "dsub9", "--model", str(model))
    deadline = time.monotonic() + 60
    for line in demo.stdout:
        if line.startswith("part ") or time.monotonic() > deadline:
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    assert err == ""
    assert "found " in out
    assert "agent-stopped" in (tmp_path / "pictures" / "agent.log").read_text()


def test_a_wrong_model_is_one_line(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    demo = start(tmp_path, "--parts", "2", "--connector", "dsub9", "--model", str(tmp_path / "broken.onnx"))
    _, err = demo.communicate(timeout=120)
    assert demo.returncode == 2
    assert "broken.onnx" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--parts", "0"], "--parts must be 1 or more, but got 0"),
        (["--interval", "-1"], "--interval must be 0 to 3600 seconds"),
        (["--connector", "usb-c"], "there is no simulated connector 'usb-c'"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, arguments, text):
    demo = start(tmp_path, *arguments)
    _, err = demo.communicate(timeout=120)
    assert demo.returncode == 2
    assert text in err
    assert len(err.splitlines()) == 1


def test_without_the_extra_the_demo_names_the_command_that_installs_it(tmp_path):
    hide = "import sys; sys.modules['amqtt'] = None; "  # as if it were not installed
    demo = subprocess.run(
        [sys.executable, "-c", hide + CODE, "demo"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert demo.returncode == 2
    assert demo.stderr == 'edge-agent: the demo needs amqtt; pip install "matecheck[demo]"\n'


def test_the_embedded_broker_listens_on_loopback_only_and_frees_its_port():
    with EmbeddedBroker() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        assert client.connect("127.0.0.1", broker.port) == mqtt.MQTT_ERR_SUCCESS
        client.disconnect()
        with socket.socket() as outside:  # all of 127/8 reaches this machine, but only 127.0.0.1 is listened to
            assert outside.connect_ex(("127.0.0.2", broker.port)) != 0
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", broker.port)) != 0
