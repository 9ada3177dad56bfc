"""Who may come in: API keys on disk, and the door that every request passes."""
