"""Whether two engines could be in each other's way: one container, one port, one record of a process.

Engines of one configuration are not. Here an engine that leaves is compared with one that comes.
"""

from __future__ import annotations

from gateway.config.schema import DockerTarget, EngineSpec


def is_run_alike(one: EngineSpec, other: EngineSpec) -> bool:
    """Whether what runs as the one may go on as the other."""
    return (one.docker, one.process, one.port) == (other.docker, other.process, other.port)


def may_overlap(one: tuple[str, EngineSpec], other: tuple[str, EngineSpec]) -> bool:
    """Whether the engine `one` must be gone before the engine `other` may begin. Both are (name, spec).

    True where nobody can tell, as of a container that may be the one of a compose service.
    """
    (name, spec), (other_name, other_spec) = one, other
    if spec.docker is not None and other_spec.docker is not None:
        return _share_containers(spec.docker, other_spec.docker)
    if spec.process is not None and other_spec.process is not None:
        return name == other_name or spec.port == other_spec.port
    return False


def _share_containers(one: DockerTarget, other: DockerTarget) -> bool:
    if one.container is None and other.container is None:
        return (one.project, one.service) == (other.project, other.service)
    if one.container is None or other.container is None:
        return True
    return one.container in (other.container, *other.depends_on) or other.container in one.depends_on
