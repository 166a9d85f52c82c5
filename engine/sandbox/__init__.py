"""A double of the platforms over real HTTP, for development, tests and benchmarks.

Run it with ``python -m engine.sandbox``. It takes the same paths, parameters and headers as the
real host, keeps everything in memory, and can be told to misbehave. Product code never imports
it, and it imports nothing of ours: what it knows about the platforms it knows by itself, so that
a wrong belief has to be written down twice to go unnoticed.
"""
