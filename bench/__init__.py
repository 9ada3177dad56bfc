"""What anyone can run to check a performance claim: `python -m bench`. README.md says what each figure is."""
