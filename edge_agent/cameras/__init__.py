"""Where frames come from. Each kind of camera is one module; `open_camera` picks it from the settings."""

from edge_agent.cameras.camera import Camera, Frame, SimulatedTruth
from edge_agent.cameras.opening import open_camera

__all__ = ["Camera", "Frame", "SimulatedTruth", "open_camera"]
