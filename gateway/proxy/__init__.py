"""Carries bytes between clients and engines. Knows nothing of containers: it asks to be admitted."""
