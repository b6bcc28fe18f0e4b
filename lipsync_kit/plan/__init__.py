"""Where the sound is cut, and what it will cost."""
