"""On-site calibration for field engineers."""
