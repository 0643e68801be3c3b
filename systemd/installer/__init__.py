"""Installs, upgrades and removes matecheck. Standard library alone: it runs before anything is installed."""
