"""The configuration: one YAML file, read once into frozen models."""

from gateway.config.loading import load_config
from gateway.config.schema import Config

__all__ = ["Config", "load_config"]
