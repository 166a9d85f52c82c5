"""Adapters to the platforms: siblings that do not know one another, behind ``engine.ports``."""
