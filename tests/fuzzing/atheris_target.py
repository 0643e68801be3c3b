"""One target under atheris: python -m tests.fuzzing.atheris_target NAME SEEDS -runs=N …"""

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge_agent", "calibration", "installer", "tomllib", "tomli", "json"]):
    from tests.fuzzing.targets import targets

if __name__ == "__main__":
    name, seeds, *options = sys.argv[1:]
    logging.disable()
    target = targets()[name]
    for number, seed in enumerate(target.seeds):
        Path(seeds, str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], seeds, *options], target.run)
    atheris.Fuzz()
