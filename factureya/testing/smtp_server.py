"""A mail server for tests: as much of SMTP as sending needs, on a free port of this machine, in any mood."""

import socketserver
import threading
from enum import StrEnum


class Mood(StrEnum):
    """Say what it does with whoever comes; the place says at which step."""

    TAKES = "takes"
    REFUSES = "refuses"  # nobody listens
    CLOSED = "554 greeting"
    LATER = "451 rcpt"
    LATER_AFTER_DATA = "451 data"
    HANGS = "hangs greeting"
    HANGS_AFTER_DATA = "hangs data"
    CUTS = "cuts data"  # it has the whole mail and does not say so
    NOBODY = "550 rcpt"
    UNWANTED = "550 data"


SAYS = {"550": "550 5.1.1 No existe ese buzón", "451": "451 4.7.1 Intente más tarde"}


class Session(socketserver.StreamRequestHandler):
    """Talk with one client."""

    server: "Server"

    def handle(self) -> None:
        self.server.visits += 1
        what, _, where = self.server.mood.partition(" ")
        if where == "greeting":
            self.meet(what)
            return
        self.say("220 prueba")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                self.say("354 go on")
                raw = self.mail()
                if where == "data" and self.meet(what):
                    return
                if where != "data":
                    self.server.took.append(raw)
                    self.say("250 2.0.0 taken")
            elif verb == "RCPT" and where == "rcpt":
                self.meet(what)
            else:
                self.say("221 bye" if verb == "QUIT" else "250 ok")

    def meet(self, what: str) -> bool:
        """Behave as the mood is; return whether the session ends by it."""
        self.server.met.set()
        if what == "hangs":
            self.server.let_go.wait(60)
        elif what != "cuts":
            self.say(SAYS.get(what, f"{what} no service"))
        return what in {"hangs", "cuts"}

    def mail(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        raw = b"".join(lines)
        self.server.read.append(raw)
        return raw

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    """Serve SMTP: `read` are the mails it had whole, `took` those it said 250 to, `met` says that its mood was met."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, mood: Mood) -> None:
        super().__init__(("127.0.0.1", 0), Session, bind_and_activate=False)
        self.server_bind()
        self.port: int = self.server_address[1]
        self.mood, self.visits = Mood.REFUSES, 0
        self.read: list[bytes] = []
        self.took: list[bytes] = []
        self.met, self.let_go = threading.Event(), threading.Event()
        self.change(mood)

    def change(self, mood: Mood) -> None:
        """Change its mood; one that refused begins to listen."""
        if self.mood == Mood.REFUSES != mood:
            self.server_activate()
            threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        self.mood = mood

    def end(self) -> None:
        """Let go of who hangs, and take nobody any more."""
        self.let_go.set()
        if self.mood != Mood.REFUSES:
            self.shutdown()
        self.server_close()
