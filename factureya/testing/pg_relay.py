"""A relay before PostgreSQL that cuts off, or kills, the client at its k-th message, before or after it."""

import contextlib
import os
import signal
import socket
import threading

PLAIN = {"sslmode": "disable", "gssencmode": "disable", "connect_timeout": 5}  # what it understands
ANSWERED = {b"S", b"Q"}  # Sync and Query: after these the server answers


class Listener:
    """Take connections at `port` of this machine, and serve each in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class Relay(Listener):
    """Pass bytes from `port` to the database; cut once, at the message number `at` (from 1), and then pass all again.

    `is_after` hands the message on and waits for the server's answer, which it drops: the server has done what it was
    asked, and the client does not know. `steps` counts Sync and Query alone: one for each statement. A `victim` is the
    client's process, which is killed at that instant instead of losing its connection.
    """

    def __init__(self, host: str, port: int, *, at: int, is_after: bool, steps: bool = False) -> None:
        self.target, self.at, self.is_after, self.steps = (host, port), at, is_after, steps
        self.seen, self.victim = 0, 0
        self.has_cut = False
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            first = client.recv(4, socket.MSG_WAITALL)
            server.sendall(first + client.recv(int.from_bytes(first) - 4, socket.MSG_WAITALL))
            back.start()
            while message := _message(client):
                if self._is_the_one(message[:1]):
                    self._cut(message, client, server, back)
                    return
                server.sendall(message)
            server.shutdown(socket.SHUT_RDWR)

    def _is_the_one(self, kind: bytes) -> bool:
        if self.has_cut or (self.steps and kind not in ANSWERED):
            return False
        self.seen += 1
        self.has_cut = self.seen == self.at
        return self.has_cut

    def _cut(self, message: bytes, client: socket.socket, server: socket.socket, back: threading.Thread) -> None:
        if self.victim:
            os.kill(self.victim, signal.SIGKILL)
        with contextlib.suppress(OSError):  # the dead have no connection
            client.shutdown(socket.SHUT_RDWR)
        if self.is_after:
            server.sendall(message)
            server.shutdown(socket.SHUT_WR)  # what was sent is carried out, then the server sees the end
            back.join(5)
        # Closing alone would not end it: `back` still reads.
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _message(client: socket.socket) -> bytes:
    head = client.recv(5, socket.MSG_WAITALL)
    if len(head) < 5:
        return b""
    return head + client.recv(int.from_bytes(head[1:]) - 4, socket.MSG_WAITALL)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while True:
        try:
            data = source.recv(65536)
        except OSError:
            return
        if not data:
            return
        with contextlib.suppress(OSError):
            sink.sendall(data)
