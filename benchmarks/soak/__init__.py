"""Long runs with real faults: real broker, real processes. `make soak` runs them, each writes its result as text."""
