"""The fal.ai engine."""
