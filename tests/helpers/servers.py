"""An S3 endpoint, an sshd, and a relay that cuts connections to them, all on loopback."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread

from tests.helpers.paths import ROOT

MOTO = shutil.which("moto_server", path=ROOT / ".venv-servers" / ("Scripts" if os.name == "nt" else "bin"))
SSHD = None if os.name == "nt" else shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
START_SECONDS = 60  # at most, until a server listens

Address = tuple[str, int]


@contextmanager
def s3_server(folder: Path) -> Iterator[Address]:
    """Yield where an S3 endpoint listens that keeps all in memory, its log in `folder`."""
    log = folder / "s3.log"
    with running([MOTO, "-H", "127.0.0.1", "-p", "0"], log) as alive:
        while not (result := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8"))):
            alive()
        yield "127.0.0.1", int(result[1])


def s3_request(address: Address, method: str, path: str, body: bytes | None = None) -> bytes:
    """Return what the endpoint answers; it asks for some signature and checks none."""
    connection = HTTPConnection(*address)
    connection.request(method, path, body, {"Authorization": "AWS anyone:anything"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return content


@contextmanager
def ssh_server(folder: Path) -> Iterator[Address]:
    """Yield where an sshd of this user's listens that lets in whoever has `folder`/key."""
    for name in ("host_key", "key"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(keygen, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd locks part of itself in there
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    config = {
        "ListenAddress": "{}:{}".format(*address),
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "key.pub",
        "PidFile": "none",
        "StrictModes": "no",  # folders of tests lie below /tmp, where all may write
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    lines = "".join(f"{key} {value}\n" for key, value in config.items())
    (folder / "sshd_config").write_text(lines, encoding="utf-8")
    with running([SSHD, "-D", "-e", "-f", folder / "sshd_config"], folder / "sshd.log") as alive:
        while not listens(address):
            alive()
        yield address


@contextmanager
def running(command: list, log: Path) -> Iterator[Callable[[], None]]:
    """Yield a function that waits a moment, and fails once the server has ended or is late."""
    late = time.monotonic() + START_SECONDS
    with log.open("w", encoding="utf-8") as message:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=message, stderr=message)

    def alive() -> None:
        assert server.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < late, log.read_text(encoding="utf-8")
        time.sleep(0.05)

    try:
        yield alive
    finally:
        server.terminate()
        server.wait()


def listens(address: Address) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(address):
        return True
    return False


class Relay(ThreadingTCPServer):
    """Passes bytes on to `target` and back until `left` of them have gone, then cuts whoever is connected."""

    daemon_threads = True
    target: Address
    left: float

    def copy(self, source: socket.socket, to: socket.socket) -> None:
        """Pass on what `source` sends, and end both ways when it ends or the cut has come."""
        to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # SSH sends many small packets
        with suppress(OSError):
            while data := source.recv(65_536):
                with self.lock:
                    data = data[: int(min(self.left, len(data)))]
                    self.left -= len(data)
                if not data:
                    break
                to.sendall(data)
        for side in (source, to):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Connection(BaseRequestHandler):
    """One connection of a relay."""

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as there:
            back = Thread(target=self.server.copy, args=(there, self.request))
            back.start()
            self.server.copy(self.request, there)
            back.join()


@contextmanager
def relay(target: Address) -> Iterator[Relay]:
    """Yield a relay to `target`, which lets all pass until its `left` is set."""
    with Relay(("127.0.0.1", 0), Connection) as server:
        server.target, server.left, server.lock = target, float("inf"), Lock()
        Thread(target=server.serve_forever, args=(0.02,)).start()  # seconds until a shutdown is seen
        yield server
        server.shutdown()
