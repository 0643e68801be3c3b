"""`python3 installer install …`: what the scripts install and uninstall call."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if sys.version_info < (3, 10):  # noqa: UP036 - this is the place that says so to an older one
    sys.exit(f"install: this is Python {sys.version.split()[0]}, 3.10 or later is needed; set MATECHECK_PYTHON")

from installer.command_line import main

sys.exit(main())
