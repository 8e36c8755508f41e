"""A mailbox for tests: as much of IMAP4rev1 as polling needs, on a free port of this machine."""

import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Mailbox:
    """The mails of one folder by UID, and what its clients asked for."""

    mails: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    uid_validity: int = 7
    asked: list[str] = field(default_factory=list)
    sizes: dict[int, int] = field(
        default_factory=dict
    )  # what it says of a mail, where that is not true
    vanished: set[int] = field(default_factory=set)  # still listed, no longer there
    date_first: bool = True

    def add(self, raw: bytes) -> int:
        """A new mail; its UID."""
        uid = max(self.mails, default=10) + 1
        self.mails[uid] = raw
        return uid


class Session(socketserver.StreamRequestHandler):
    """One client."""

    mailbox: Mailbox

    def say(self, text: str | bytes) -> None:
        self.wfile.write(text.encode() + b"\r\n" if isinstance(text, str) else text)

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, command = line.split(" ", 1)
            self.mailbox.asked.append(command)
            status = self.answer(command)
            if command == "LOGOUT":
                self.say("* BYE")
            self.say(f"{tag} {status} done")
            if command == "LOGOUT":
                return

    def answer(self, command: str) -> str:
        box = self.mailbox
        verb = " ".join(command.split()[:2]) if command.startswith("UID") else command.split()[0]
        if verb == "LOGIN" and "secreto" not in command:
            return "NO"
        if verb == "CAPABILITY":
            self.say("* CAPABILITY IMAP4rev1")
        elif verb == "SELECT":
            self.say(f"* {len(box.mails)} EXISTS")
            self.say(f"* OK [UIDVALIDITY {box.uid_validity}] ok")
        elif verb == "UID SEARCH":
            self.say("* SEARCH " + " ".join(str(uid) for uid in self.found(command)))
        elif verb == "UID STORE":
            box.seen.add(int(command.split()[2]))
        elif verb == "UID FETCH":
            self.fetch(int(command.split()[2]), command)
        return "OK"

    def found(self, command: str) -> list[int]:
        box = self.mailbox
        if since := re.search(r"UID (\d+):\*", command):
            newer = [uid for uid in box.mails if uid >= int(since.group(1))]
            return newer or list(box.mails)[-1:]  # «*» is the last one, however old
        return [uid for uid in box.mails if "UNSEEN" not in command or uid not in box.seen]

    def fetch(self, uid: int, command: str) -> None:
        box = self.mailbox
        if uid in box.vanished:
            return
        raw = box.mails[uid]
        if "SIZE" in command:
            self.say(f"* 1 FETCH (UID {uid} RFC822.SIZE {box.sizes.get(uid, len(raw))})")
            return
        literal = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if "HEADER" in command else raw
        date = 'INTERNALDATE "24-Mar-2026 12:00:00 -0600"'
        before, after = (f" {date}", "") if box.date_first else ("", f" {date}")
        self.say(f"* 1 FETCH (UID {uid}{before} BODY[] {{{len(literal)}}}")
        self.say(literal + after.encode() + b")\r\n")


class Server(socketserver.ThreadingTCPServer):
    """Serves one mailbox; `url` is what MAIL_IN_IMAP_URL takes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mailbox: Mailbox) -> None:
        session: Any = type("SessionOf", (Session,), {"mailbox": mailbox})
        super().__init__(("127.0.0.1", 0), session)
        self.url = (
            f"imap://soporte%40factureya.com:secreto@127.0.0.1:{self.server_address[1]}/INBOX"
        )
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
