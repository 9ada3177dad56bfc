"""Figures of the faster-whisper engine, against its library called directly."""
