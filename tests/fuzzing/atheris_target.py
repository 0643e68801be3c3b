"""One target under atheris: python -m tests.fuzzing.atheris_target NAME FOLDER -runs=N …"""

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge_agent", "calibration", "installer", "tomllib", "tomli", "json"]):
    from tests.fuzzing.targets import targets

if __name__ == "__main__":
    name, folder, *options = sys.argv[1:]
    seeds, files = Path(folder, "seeds"), Path(folder, "files")
    seeds.mkdir()
    files.mkdir()
    logging.disable()
    target = targets(files)[name]
    for number, seed in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], str(seeds), *options], target.run)
    atheris.Fuzz()
