"""The mail listener: SMTP or LMTP from our own mail server, 250 only after the mail is committed (M6).

It listens on the machine itself (`MAIL_IN_LISTEN`), asks for no password and relays nothing: whatever it is given
is a mail to us. The database is spoken to in threads of its own, each with a connection of its own.
"""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

from factureya.core import intake
from factureya.core.models import InboundMessage

logger = logging.getLogger(__name__)
THREADS = 4
LONGEST_LINE = 1024 * 1024  # bytes; the standard says 998, real mail does not
RETRY_SECONDS = 30.0  # until a port that was taken is tried again
GRACE_SECONDS = 15.0  # for deliveries under way when the process is to end
KEPT = "250 2.0.0 kept"
TRY_AGAIN = "451 4.3.0 the mail could not be kept; try again later"
TOO_LARGE = "552 5.3.4 the mail is larger than is kept"


class MailSMTP(SMTP):
    """SMTP that takes the long lines of real mail."""

    line_length_limit = LONGEST_LINE


class MailLMTP(LMTP):
    """LMTP that takes the long lines of real mail."""

    line_length_limit = LONGEST_LINE


class Handler:
    """Takes mails; `is_lmtp` answers once for every recipient, as LMTP wants it."""

    def __init__(self, *, is_lmtp: bool = False) -> None:
        self.is_lmtp = is_lmtp
        self.under_way = 0
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, dispose of it, and say whether it was kept."""
        content = envelope.original_content or b""
        path = (envelope.mail_from or "").strip("<>").encode("utf-8", "surrogateescape")
        recipients = [str(address) for address in envelope.rcpt_tos]
        self.under_way += 1
        try:
            # The last server that has a mail writes its return path (RFC 5321, 4.4): an empty one marks a robot.
            raw = b"Return-Path: <%s>\r\n%s" % (path, content)
            status = await asyncio.get_running_loop().run_in_executor(
                self.threads, take, raw, recipients
            )
        finally:
            self.under_way -= 1
        return "\r\n".join([status] * len(recipients)) if self.is_lmtp else status


def take(raw: bytes, recipients: list[str]) -> str:
    """Keep a mail and dispose of it; the answer: 250 as soon as it is kept, the sweep does the rest."""
    try:
        inbound, is_new = _keep(raw, recipients)
    except intake.TooLarge:
        return TOO_LARGE
    except Exception:
        logger.exception("a mail of %s bytes was not kept", len(raw))
        connection.close()
        return TRY_AGAIN
    try:
        intake.finish(inbound, is_new)
    except Exception:
        logger.exception("mail %s is kept and not yet disposed of", inbound.pk)
        connection.close()
    return KEPT


def _keep(raw: bytes, recipients: list[str]) -> tuple[InboundMessage, bool]:
    """Keep it; a connection that was lost while the thread was idle is no reason to refuse a mail."""
    try:
        return intake.keep(raw, source=intake.Source.SMTP, recipients=recipients)
    except (OperationalError, InterfaceError):
        connection.close()
        return intake.keep(raw, source=intake.Source.SMTP, recipients=recipients)


def address(listen: str) -> tuple[str, int]:
    """HOST:PORT in two. Raises ImproperlyConfigured."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"MAIL_IN_LISTEN takes HOST:PORT, not {listen!r}")
    return host.strip("[]"), int(port)


async def serve(host: str, port: int, *, is_lmtp: bool) -> None:
    """Listen until TERM or INT; then let what is under way end. A port that is taken is tried again for ever."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    handler = Handler(is_lmtp=is_lmtp)
    server = await _listen(host, port, handler, stop)
    await stop.wait()
    if server:
        server.close()
    until = loop.time() + GRACE_SECONDS
    while handler.under_way and loop.time() < until:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)  # the last answers leave
    handler.threads.shutdown(wait=False, cancel_futures=True)


async def _listen(
    host: str, port: int, handler: Handler, stop: asyncio.Event
) -> asyncio.Server | None:
    """The server, as soon as the port can be had; None when the process is to end before."""
    loop, warned = asyncio.get_running_loop(), False

    def protocol() -> SMTP:
        kind = MailLMTP if handler.is_lmtp else MailSMTP
        return kind(
            handler,
            data_size_limit=intake.MAX_KEPT,
            enable_SMTPUTF8=True,
            hostname="factureya",
            ident="mail",
            loop=loop,
        )

    while not stop.is_set():
        try:
            server = await loop.create_server(protocol, host, port)
        except OSError as error:
            if not warned:
                logger.warning("no mail is taken on %s:%s: %s", host, port, error)
            warned = True
            await _wait(stop, RETRY_SECONDS)
        else:
            logger.info(
                "mail is taken on %s:%s (%s)", host, port, "LMTP" if handler.is_lmtp else "SMTP"
            )
            return server
    return None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
