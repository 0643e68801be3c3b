"""The picture that opens the README: `edge-agent inspect --draw` on a simulated part.

python -m benchmarks.readme_picture [--model ONNX]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.record import REPOSITORY, run
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.cli.main import main as edge_agent
from edge_agent.images import write_image
from edge_agent.inspection.recipe import Limits, Recipe

CONNECTOR, SEED, PART = "dsub25", 2026, 1
PICTURE = REPOSITORY / "docs" / "images" / "sheet.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--connector", default=CONNECTOR)
    parser.add_argument("--part", type=int, default=PART)
    parser.add_argument("--output", type=Path, default=PICTURE)
    arguments = parser.parse_args()

    camera = SimulatedCamera(arguments.connector, seed=SEED, share=1.0)
    recipe = Recipe(
        arguments.connector, "1", camera.template(), tuple(camera.region()), camera.mm_per_px, Limits(min_length_mm=0.1)
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    model = arguments.model and arguments.model.resolve()
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.output.resolve()
        os.chdir(folder)  # the picture names the file as it is given
        recipe.save(Path("recipe"))
        part = f"{arguments.connector}-part-{arguments.part}.png"
        write_image(Path(part), camera.part(arguments.part)[0])
        command = ["inspect", "--recipe", "recipe", part, "--draw", str(output)]
        edge_agent(command + (["--model", str(model)] if model else []))


if __name__ == "__main__":
    run(main)
