"""The page that tells what a calibration did: one HTML file, pictures inlined."""

from calibration.report.page import write_page

__all__ = ["write_page"]
