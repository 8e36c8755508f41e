"""A mailbox for tests: as much of IMAP4rev1 as polling needs, on a free port of this machine, with TLS if wanted."""

import re
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from imaplib import Time2Internaldate
from typing import Any

RECEIVED_AT = datetime(2026, 3, 24, 18, tzinfo=UTC)  # of mails whose date is not given


@dataclass
class Mailbox:
    """Hold the mails of one folder by UID, and what its clients asked for."""

    mails: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    dates: dict[int, datetime] = field(default_factory=dict)
    uid_validity: int = 7
    asked: list[str] = field(default_factory=list)
    # What it says of a mail's size, where that is not true.
    sizes: dict[int, int] = field(default_factory=dict)
    vanished: set[int] = field(default_factory=set)  # still listed, no longer there
    vanishing: set[int] = field(default_factory=set)  # there at the first question alone
    date_first: bool = True
    is_read_only: bool = False
    cut_at: int = 0  # the command that gets no answer, counted from 1; 0: none

    def add(self, raw: bytes, date: datetime | None = None, *, is_seen: bool = False) -> int:
        """Add a mail and return its UID."""
        uid = max(self.mails, default=10) + 1
        self.mails[uid] = raw
        if date:
            self.dates[uid] = date
        if is_seen:
            self.seen.add(uid)
        return uid

    def rebuild(self, *, keeps_flags: bool = True, moment: datetime | None = None) -> None:
        """Number the mails anew, as a restore does; `moment` is the date of all where theirs was lost."""
        new = {uid: 101 + place for place, uid in enumerate(sorted(self.mails))}
        self.dates = {new[uid]: moment or self.date(uid) for uid in new}
        self.seen = {new[uid] for uid in self.seen if uid in new and keeps_flags}
        self.mails = {new[uid]: raw for uid, raw in self.mails.items()}
        self.uid_validity += 1

    def date(self, uid: int) -> datetime:
        """Return the INTERNALDATE of a mail."""
        return self.dates.get(uid, RECEIVED_AT)


class Session(socketserver.StreamRequestHandler):
    """Talk with one client."""

    mailbox: Mailbox
    tls: ssl.SSLContext | None
    is_starttls: bool

    def say(self, text: str | bytes) -> None:
        self.wfile.write(text.encode() + b"\r\n" if isinstance(text, str) else text)

    def handle(self) -> None:
        try:
            if self.tls and not self.is_starttls:
                self.encrypt(self.tls)
            self.talk()
        except OSError:
            return  # who does not believe our certificate hangs up
        finally:
            self.request.close()

    def encrypt(self, tls: ssl.SSLContext) -> None:
        self.request: ssl.SSLSocket = tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)

    def talk(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, command = line.split(" ", 1)
            self.mailbox.asked.append(command)
            if len(self.mailbox.asked) == self.mailbox.cut_at:
                self.request.shutdown(socket.SHUT_RDWR)
                return
            status = self.answer(command)
            if command == "LOGOUT":
                self.say("* BYE")
            self.say(f"{tag} {status} done")
            if command == "LOGOUT":
                return
            if command == "STARTTLS" and self.tls:
                self.encrypt(self.tls)

    def answer(self, command: str) -> str:
        box = self.mailbox
        verb = " ".join(command.split()[:2]) if command.startswith("UID") else command.split()[0]
        if verb == "LOGIN" and "secreto" not in command:
            return "NO"
        if verb == "CAPABILITY":
            self.say("* CAPABILITY IMAP4rev1" + " STARTTLS" * (self.tls is not None))
        elif verb == "SELECT":
            self.say(f"* {len(box.mails)} EXISTS")
            self.say(f"* OK [UIDVALIDITY {box.uid_validity}] ok")
        elif verb == "UID SEARCH":
            self.say("* SEARCH " + " ".join(str(uid) for uid in self.found(command)))
        elif verb == "UID STORE":
            return self.store(int(command.split()[2]))
        elif verb == "UID FETCH":
            for uid in command.split()[2].split(","):
                self.fetch(int(uid), command)
        return "OK"

    def store(self, uid: int) -> str:
        if self.mailbox.is_read_only:
            return "NO"
        self.mailbox.seen.add(uid)
        return "OK"

    def found(self, command: str) -> list[int]:
        box = self.mailbox
        if since := re.search(r"UID (\d+):\*", command):
            newer = [uid for uid in box.mails if uid >= int(since.group(1))]
            return newer or list(box.mails)[-1:]  # «*» is the last one, however old
        if since := re.search(r"SINCE (\S+-\d{4})", command):
            day = datetime.strptime(since.group(1), "%d-%b-%Y").replace(tzinfo=UTC)
            return [uid for uid in box.mails if box.date(uid) >= day]
        return [uid for uid in box.mails if "UNSEEN" not in command or uid not in box.seen]

    def fetch(self, uid: int, command: str) -> None:
        """Return the answer about one mail, between two that say something of others."""
        box = self.mailbox
        if uid in box.vanished or uid not in box.mails:
            return
        if uid in box.vanishing:
            box.vanished.add(uid)
        raw = box.mails[uid]
        head = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        literal = head if "BODY.PEEK[HEADER]" in command else raw
        if "RECEIVED" in command:
            literal = head if head.startswith(b"Received:") else b"\r\n"
        seen = "\\Seen" * (uid in box.seen)
        said = f" FLAGS ({seen}) RFC822.SIZE {box.sizes.get(uid, len(raw))}"
        said += f" INTERNALDATE {Time2Internaldate(box.date(uid))}"
        before, after = (said, "") if box.date_first else ("", said)
        self.say("* 90 FETCH (UID 9990 FLAGS ())")
        self.say(f"* 1 FETCH (UID {uid}{before} BODY[] {{{len(literal)}}}")
        self.say(literal + after.encode() + b")\r\n")
        self.say("* 91 FETCH (FLAGS (\\Seen))")


class Server(socketserver.ThreadingTCPServer):
    """Serve one mailbox; `url` is what MAIL_IN_IMAP_URL takes. With `tls` by imaps, or by STARTTLS."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mailbox: Mailbox, tls: ssl.SSLContext | None = None, *, is_starttls: bool = False) -> None:
        about = {"mailbox": mailbox, "tls": tls, "is_starttls": is_starttls}
        session: Any = type("SessionOf", (Session,), about)
        super().__init__(("127.0.0.1", 0), session)
        scheme = "imap" if tls is None else "imap+tls" if is_starttls else "imaps"
        port = self.server_address[1]
        self.url = f"{scheme}://soporte%40factureya.com:secreto@127.0.0.1:{port}/INBOX"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
