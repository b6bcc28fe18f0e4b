"""Engines: what turns a chunk into a clip."""
