"""A relay in front of a server that cuts connections in the middle."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Cutter:
    """Resets a connection after so many bytes in one direction, so many times.

    Attributes
    ----------
    server_url : str
        Where the relay leads.
    upward : bool
        Whether bytes to the server are counted, or those from it.
    after_bytes : int
        How many pass on each connection.
    times : float
        How often it happens.
    cuts : int
        How often it did.
    """

    server_url: str
    upward: bool
    after_bytes: int
    times: float
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Listen; yield the URL of the relay."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            scheme = urlsplit(self.server_url).scheme
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        place = urlsplit(self.server_url)
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((place.hostname or "", place.port or 0))
                pair = (client, server)
                for source, sink, upward in ((client, server, True), (server, client, False)):
                    words = (source, sink, pair, upward == self.upward)
                    threading.Thread(target=self._pass_on, args=words, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, ...], cut: bool
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                passed += len(data)
                if cut and passed > self.after_bytes and self._may_cut():
                    for one in pair:  # a reset instead of an orderly end
                        now = struct.pack("ii", 1, 0)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                        one.shutdown(socket.SHUT_RD)
                    break
        for one in pair:
            one.close()

    def _may_cut(self) -> bool:
        with self._lock:
            if self.cuts >= self.times:
                return False
            self.cuts += 1
            return True
