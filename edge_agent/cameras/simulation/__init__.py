"""Renderer of connector faces for the simulated camera: geometry, light, foreign objects, parts."""
