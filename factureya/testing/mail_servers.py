"""Real mail servers for tests: a private Postfix and a private Dovecot on loopback, stopped and removed at the end.

    with postfix(main="virtual_alias_domains =", master="", maps={"transport": "…"}) as server:
        smtplib.SMTP("127.0.0.1", server.port)
        server.wait_for("status=sent")

    with dovecot(users={"soporte": "clave"}, extra="") as server:
        imaplib.IMAP4("127.0.0.1", server.imap)
        server.maildir("soporte")

They need root, because both change to users of their own. `documented()` reads a block of docs/operations.md, so that
a test runs what the docs say.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

PROGRAMS = ("postfix", "dovecot")  # Debian's postfix, dovecot-imapd and dovecot-lmtpd
USER = "nobody"  # runs what the docs let the user factureya run
DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.prueba.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
default_database_type = hash
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_client_connection_rate_limit = 0
biff = no
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
"""
POSTFIX_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%n
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%n {folder}/users
}}
userdb {{
  driver = static
  args = home={folder}/mail/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
namespace inbox {{
  inbox = yes
}}
"""


def absent() -> list[str]:
    """Return what is missing on this machine for tests with real mail servers; empty where they can run."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_PATH)]
    return missing if os.geteuid() == 0 else [*missing, "root"]


_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def documented(first_line: str) -> str:
    """Return the block of docs/operations.md that begins with this line, without that line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(f"{first_line}\n")]
    return str(found).partition("\n")[2]


@dataclass
class Server:
    """Hold a running server: its folder, its ports, its log."""

    folder: Path
    ports: list[int]
    process: subprocess.Popen[bytes] = field(init=False)
    _forgotten: int = 0

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_bytes()[self._forgotten :].decode(errors="replace") if path.exists() else ""

    def forget(self) -> None:
        """Begin the log anew, for the next of the tests that share a server."""
        self._forgotten = (self.folder / "log").stat().st_size

    def wait_for(self, words: str, *, count: int = 1, seconds: float = 20) -> str:
        """Wait until the log has the words so many times, and return the log."""
        wait_until(lambda: self.log.count(words) >= count, seconds, lambda: f"no «{words}»:\n{self.log}")
        return self.log

    def start(self, argv: list[str]) -> None:
        """Run it in the foreground of a session of its own; what it prints before it has a log stands in `out`."""
        with (self.folder / "out").open("ab") as output:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        for port in self.ports:
            wait_until(partial(answers, port), 20, self._why)

    def _why(self) -> str:
        return f"{(self.folder / 'out').read_text()}{self.log}"


@dataclass
class Postfix(Server):
    """Hold a private Postfix."""

    @property
    def port(self) -> int:
        return self.ports[0]

    def run(self, program: str, *arguments: str) -> str:
        """Run one of Postfix's programs (postmap, postqueue, postfix…) on this instance; what it printed."""
        path = shutil.which(program, path=_PATH)
        done = subprocess.run(
            [str(path), "-c", str(self.folder / "conf"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr + self.log
        return done.stdout

    def queued(self) -> int:
        """Return how many mails it still has."""
        return len(re.findall(r"^[0-9A-F]{6,}", self.run("postqueue", "-p"), re.MULTILINE))

    def wait_until_empty(self, seconds: float = 30) -> None:
        """Wait until it has delivered, or returned, all it had."""
        wait_until(lambda: not self.queued(), seconds, lambda: self.run("postqueue", "-p") + self.log)

    def write(self, main: str, master: str, maps: Mapping[str, str]) -> None:
        """Write its configuration; of a parameter that is given twice the last one counts, as in Postfix."""
        conf = self.folder / "conf"
        lines = POSTFIX_MAIN.format(folder=self.folder) + main
        given = dict(re.findall(r"^(\w+)[ \t]*=[ \t]*((?:.|\n[ \t])*)$", lines, re.MULTILINE))
        (conf / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in given.items()))
        (conf / "master.cf").write_text(POSTFIX_MASTER.format(port=self.port) + master)
        for name, text in maps.items():
            (conf / name).write_text(text)
            self.run("postmap", f"hash:{conf / name}")


@dataclass
class Dovecot(Server):
    """Hold a private Dovecot: IMAP, LMTP, and IMAP over TLS where `extra` sets a certificate."""

    imap: int = 0
    imaps: int = 0
    lmtp: int = 0

    def maildir(self, name: str) -> Path:
        """Return the folder with `cur`, `new` and Dovecot's own lists of a user."""
        return self.folder / "mail" / name


@contextmanager
def postfix(
    *, main: str = "", master: str = "", maps: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Postfix]:
    """Yield a Postfix with these settings beyond POSTFIX_MAIN, further services, and maps (name in its folder -> text).

    `{conf}` in `main` stands for the folder of its configuration.
    """
    with open_folder("postfix") as folder:
        server = Postfix(folder, [port or free_port()])
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "data", "postfix")
        server.write(main.replace("{conf}", str(folder / "conf")), master, maps or {})
        program = str(shutil.which("postfix", path=_PATH))
        try:
            server.start([program, "-c", str(folder / "conf"), "start-fg"])
            yield server
        finally:
            server.run("postfix", "stop")
            _stop(server)


@contextmanager
def dovecot(*, users: Mapping[str, str], extra: str = "", is_tls: bool = False) -> Iterator[Dovecot]:
    """Yield a Dovecot with these users (name -> password, the name before the @) and further settings.

    `is_tls` opens a port for IMAP over TLS; `extra` then says `ssl = yes`, `ssl_cert = <FILE` and `ssl_key = <FILE`.
    """
    with open_folder("dovecot") as folder:
        imap, lmtp = free_port(), free_port()
        imaps = free_port() if is_tls else 0
        server = Dovecot(folder, [imap, lmtp, *([imaps] if is_tls else [])])
        server.imap, server.imaps, server.lmtp = imap, imaps, lmtp
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", USER, "nogroup")
        (folder / "users").write_text("".join(f"{n}:{{plain}}{p}\n" for n, p in users.items()))
        text = DOVECOT.format(folder=folder, user=USER, group="nogroup", imap=imap, imaps=imaps, lmtp=lmtp)
        (folder / "dovecot.conf").write_text(text + extra)
        program = str(shutil.which("dovecot", path=_PATH))
        try:
            server.start([program, "-F", "-c", str(folder / "dovecot.conf")])
            yield server
        finally:
            _stop(server)


def unprivileged_python() -> list[str] | None:
    """Return how USER runs Python with what the suite's own has installed; None where others can read none of it."""
    packages = sysconfig.get_paths()["purelib"]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        argv = ["env", f"PYTHONPATH={packages}", str(python)]
        probe = ["runuser", "-u", USER, "--", *argv, "-c", "import django, psycopg"]
        done = subprocess.run(probe, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode == 0:
            return argv
    return None


def why_not_as_user(checkout: Path) -> str:
    """Return why USER cannot run the program of this checkout, or an empty text: a folder may be closed to others."""
    probe = ["runuser", "-u", USER, "--", "test", "-r", str(checkout / "manage.py")]
    if subprocess.run(probe, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        return f"{USER} cannot read this checkout"
    return "" if unprivileged_python() else f"{USER} can run no Python that has our packages"


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Look until it holds; fail with what `why` says when the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Make a folder that other users can enter, unlike pytest's own, and remove it at the end."""
    folder = Path(tempfile.gettempdir()) / f"factureya-{name}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(server: Server) -> None:
    """End a process; those that it started end with it."""
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(10)
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait(10)
