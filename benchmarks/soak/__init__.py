"""Long tests with faults, one command each: see benchmarks/README.md."""
