"""Figures of the WhisperX engine, against its library called directly and against what was really said."""
