"""What can be set on a GigE Vision camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_agent.cameras.pixel_formats import FORMATS
from edge_agent.errors import ConfigError


@dataclass(frozen=True)
class GigeSettings:
    """The `[gige]` section: used by a camera of kind "gige".

    How it is triggered follows from the trigger mode: "command" takes each picture by a software trigger, "camera" when
    `trigger_line` says so, "free-run" lets the camera run.

    Attributes:
        exposure_us: exposure time in microseconds, switches automatic exposure off; 0 leaves it as the camera has it.
        gain: in the camera's unit, mostly dB, switches automatic gain off; None leaves it as the camera has it.
        pixel_format: name after GenICam ("Mono8", "BayerRG8", …); "" leaves it as the camera has it.
        software_trigger: False for a camera that has none: it runs, and a trigger gets the first picture after it.
        trigger_line: input of the camera that the light barrier is wired to.
        packet_size: bytes of a network packet; 0 has camera and network card find the largest.
    """

    exposure_us: float = 0.0
    gain: float | None = None
    pixel_format: str = ""
    software_trigger: bool = True
    trigger_line: str = "Line1"
    packet_size: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.exposure_us <= 60e6:
            raise ConfigError("is out of range", where="exposure_us", mend="give 0 to 60000000")
        if self.gain is not None and not math.isfinite(self.gain):
            raise ConfigError("is no number", where="gain", mend="give a number, mostly in dB")
        if self.pixel_format and self.pixel_format not in FORMATS:
            raise ConfigError(
                "cannot be read by the agent", where="pixel_format", mend=f"take one of: {', '.join(FORMATS)}"
            )
        if not self.trigger_line:
            raise ConfigError("must not be empty", where="trigger_line", mend='name an input, such as "Line1"')
        if self.packet_size and not 576 <= self.packet_size <= 16_000:
            raise ConfigError("is out of range", where="packet_size", mend="give 0, or 576 to 16000")
