"""whisper-gateway: one door for self-hosted speech-to-text."""

from gateway.app import create_app
from gateway.config import Config, load_config
from gateway.errors import ConfigError, GatewayError

__all__ = ["Config", "ConfigError", "GatewayError", "create_app", "load_config"]
