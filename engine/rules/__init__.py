"""Decisions without I/O: values and ``now`` in, values out."""
