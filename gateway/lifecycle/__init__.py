"""WHEN an engine starts and stops: pure rules, no clock, no Docker, no await."""
