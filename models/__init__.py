"""The contract between processes: rows, events, names of channels. Imports nothing of ours."""
