"""From docker-autostart's JSON file to a configuration of ours, for those who come from there."""

from gateway.migration.migrate import Migration, migrated, write

__all__ = ["Migration", "migrated", "write"]
