"""Millimetres per pixel and the lens, from photos of a printed ChArUco board."""
