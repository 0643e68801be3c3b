from pathlib import Path

import pytest

from edge_agent.errors import ConfigError
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics


@pytest.mark.parametrize(
    "base", ["", "/a", "a/", "a//b", "a/+/b", "a/#", "$SYS/x", "a\x00b", "a\nb", "\ud800", "x" * 513]
)
def test_a_base_that_cannot_begin_a_topic_name_is_refused(base: str) -> None:
    with pytest.raises(ConfigError, match="topic_base"):
        Topics(base)


def test_topics_stand_under_the_base() -> None:
    topics = Topics("plant1/line 3/jetson-07")
    assert topics.status == "plant1/line 3/jetson-07/status"
    assert topics.reply("inspect") == "plant1/line 3/jetson-07/reply/inspect"
    assert topics.command_name("plant1/line 3/jetson-07/command/inspect") == "inspect"
    assert topics.command_name("plant1/line 3/jetson-07/command/a/b") is None
    assert topics.command_name("plant2/command/inspect") is None


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("host", {"host": ""}),
        ("port", {"port": 0}),
        ("protocol", {"protocol": "3.1"}),
        ("keepalive_s", {"keepalive_s": 0}),
        ("reconnect_max_s", {"reconnect_max_s": 0.5}),
        ("reconnect_min_s", {"reconnect_min_s": float("nan")}),
        ("username", {"password_file": Path("secret")}),
        ("key_file", {"cert_file": Path("c.pem")}),
        ("cert_file", {"key_file": Path("k.pem")}),
    ],
)
def test_a_wrong_setting_names_its_key(key: str, values: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as error:
        MqttSettings(topic_base="a", **values)  # type: ignore[arg-type]
    assert error.value.where == key


def test_a_certificate_file_switches_tls_on() -> None:
    settings = MqttSettings(topic_base="a", host="b", port=8883, ca_file=Path("ca.pem"))
    assert settings.uses_tls
    assert settings.address == "mqtts://b:8883"
