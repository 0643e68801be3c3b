"""The matecheck agent: from a camera frame to a verdict on MQTT."""

__version__ = "0.1.0"
