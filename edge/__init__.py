"""The realtime edge: sockets and the events that reach them. Imports nothing from the engine."""
