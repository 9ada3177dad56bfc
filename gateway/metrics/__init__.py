"""What Prometheus is told: facts are counted as they are announced, the rest is read when it is asked for."""
