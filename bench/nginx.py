"""nginx in front of the backend: the reference for throughput. Also the stand-in for the gateway in a self-check."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from bench import procfs
from bench.errors import MissingError
from bench.processes import Child, accepts, free_port

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

_CONFIG = """\
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {temporary}
    keepalive_requests 100000000;
    upstream backend {{
        server 127.0.0.1:{backend};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        client_max_body_size 0;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""
# Left at their defaults on purpose: all buffer sizes (client_body_buffer_size is 16k), proxy_buffering, sendfile.
# keepalive_requests only keeps nginx from closing each connection after its thousandth request.


def program() -> str:
    """Where nginx is. Raises MissingError if it is not installed."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise MissingError("nginx is not installed (Debian: apt-get install nginx-light)")
    return found


def version() -> str:
    """Such as "nginx 1.22.1"."""
    said = subprocess.run([program(), "-v"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"nginx/([\d.]+)", said)
    return f"nginx {found[1]}" if found else "nginx"


class Nginx:
    """One nginx with one worker process, proxying everything to the backend's port. `stack` ends it.

    buffering: it keeps a request until all of it is there (nginx's own default), in a file if it is large.
    """

    def __init__(self, stack: ExitStack, folder: Path, backend: int, *, buffering: bool = False) -> None:
        self.port = free_port()
        folder.mkdir()
        config = folder / "nginx.conf"
        config.write_text(_configuration(folder, self.port, backend, "on" if buffering else "off"))
        command = [program(), "-e", "stderr", "-p", str(folder), "-c", str(config)]
        self._child = stack.enter_context(Child("nginx", command, folder / "nginx.log"))
        self._child.wait_for(lambda: accepts(self.port), 10, "nginx to listen")

    @property
    def pids(self) -> list[int]:
        """The worker, which does the work."""
        return procfs.descendants(self._child.pid)


def _configuration(folder: Path, port: int, backend: int, buffering: str) -> str:
    # The compiled-in folders for temporary files are writable for root only; all are moved, those of modules that
    # are compiled in (nginx refuses a setting of a module that it lacks).
    built = subprocess.run([program(), "-V"], capture_output=True, text=True, check=False).stderr
    optional = [name for name in ("fastcgi", "uwsgi", "scgi") if f"--without-http_{name}_module" not in built]
    temporary = [f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", *optional)]
    # As root nginx would run its worker as "nobody", which cannot enter our temporary folder.
    user = f"user {pwd.getpwuid(0).pw_name};\n" if os.geteuid() == 0 else ""
    return _CONFIG.format(
        user=user,
        folder=folder,
        temporary="\n    ".join(temporary),
        backend=backend,
        port=port,
        buffering=buffering,
    )
