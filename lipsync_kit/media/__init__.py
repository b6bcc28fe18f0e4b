"""The thin edge to media files: probing, ffmpeg, sound in blocks, pictures."""
