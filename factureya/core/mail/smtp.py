"""Listen for mail by SMTP and LMTP from our own mail server; it gets 250 only after the mail is committed (M6).

The listener serves this machine only (`MAIL_IN_LISTEN`), asks for no password and relays nothing: every mail is for us.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress

from aiosmtpd.smtp import SMTP, Envelope
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

from factureya.core.mail import intake
from factureya.core.models import InboundMessage

logger = logging.getLogger(__name__)
THREADS = 4
LONGEST_LINE = 1024 * 1024  # bytes that are buffered of one connection
LARGE = 1024 * 1024  # bytes
LARGE_AT_ONCE = 1  # mails in memory: one of 24 MB takes 150 MB while it is read
RETRY_SECONDS = 30.0  # until a port that was taken is tried again
GRACE_SECONDS = 15.0  # for deliveries under way when the process is to end
KEPT = "250 2.0.0 kept"
TRY_AGAIN = "451 4.3.0 the mail could not be kept; try again later"
TOO_LARGE = "552 5.3.4 the mail is larger than is kept"


class MailServer(SMTP):
    """Speak SMTP after HELO or EHLO, and LMTP after LHLO: a mail server with either setting can deliver (M6)."""

    line_length_limit = LONGEST_LINE  # of a command; a line of a mail may be of any length
    is_lmtp = False
    handler: "Handler"

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        """Begin SMTP after the greeting HELO: one answer follows a mail, however many recipients it has."""
        self.is_lmtp = False
        await super().smtp_HELO(hostname)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        """Begin SMTP after the greeting EHLO: one answer follows a mail, however many recipients it has."""
        self.is_lmtp = False
        await super().smtp_EHLO(hostname)

    async def smtp_LHLO(self, hostname: str) -> None:  # noqa: N802
        """Begin LMTP (RFC 2033) after the greeting LHLO: an answer for each recipient follows a mail."""
        self.is_lmtp = True
        await super().smtp_EHLO(hostname)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Receive a mail after the command DATA, have it stored, and answer the other mail server whether it was."""
        envelope = self.envelope
        if await self.check_helo_needed():
            return
        if arg or envelope is None or not envelope.rcpt_tos:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        async with AsyncExitStack() as place_holder:  # a large mail takes a place here
            raw = await self._read_mail(envelope, place_holder)
            status = TOO_LARGE if raw is None else await self.handler.keep(raw, envelope)
        answers = len(envelope.rcpt_tos) if self.is_lmtp else 1  # LMTP answers for each recipient
        for _ in range(answers):
            await self.push(status)
        self._set_post_data_state()  # type: ignore[no-untyped-call]

    async def _read_mail(self, envelope: Envelope, place_holder: AsyncExitStack) -> bytes | None:
        """Return the mail up to the line with a dot, or None if it is too large.

        To save memory, few large mails are read at a time: each takes a place until it is stored, and `place_holder`
        frees the place. While a mail waits for a place, it is not read further, and the other mail server waits too.
        """
        # The last server that has a mail writes its return path (RFC 5321, 4.4): an empty one marks a robot.
        path = (envelope.mail_from or "").strip("<>").encode("utf-8", "surrogateescape")
        mail = bytearray(b"Return-Path: <%s>\r\n" % path)
        is_large = is_too_large = False
        async for piece in _read_lines(self._reader):
            if len(mail) + len(piece) > intake.MAX_KEPT:
                is_too_large = True
                mail.clear()
            if not is_too_large:
                mail += piece
            if len(mail) > LARGE and not is_large:
                is_large = True
                await place_holder.enter_async_context(self.handler.large_mails)
        return None if is_too_large else bytes(mail)


async def _read_lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a mail without the dots that SMTP adds; a line longer than the buffer comes in pieces."""
    is_line_start = True
    while True:
        try:
            piece = await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as overrun:
            piece = await reader.readexactly(overrun.consumed)
        if is_line_start:
            if piece == b".\r\n":  # the end of the mail
                return
            piece = piece.removeprefix(b".")
        yield piece
        is_line_start = piece.endswith(b"\r\n")


class Handler:
    """Store mails in threads, and count the mails that are being stored."""

    def __init__(self) -> None:
        self.under_way = 0
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")
        self.large_mails = asyncio.Semaphore(LARGE_AT_ONCE)

    async def keep(self, raw: bytes, envelope: Envelope) -> str:
        """Store and handle a mail in a thread, and return the SMTP answer that says whether it was stored."""
        recipients = [str(address) for address in envelope.rcpt_tos]
        self.under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, take_mail, raw, recipients)
        finally:
            self.under_way -= 1

    async def handle_exception(self, _error: Exception) -> str:
        """Return a temporary SMTP error for an unforeseen exception, so that the other mail server keeps the mail."""
        logger.exception("a session of the mail listener failed")
        return TRY_AGAIN


def take_mail(raw: bytes, recipients: list[str]) -> str:
    """Store and handle a mail; return the SMTP answer, 250 if it is stored. If handling fails, a sweep repeats it."""
    try:
        inbound, is_new = _keep_mail(raw, recipients)
    except intake.TooLarge:
        return TOO_LARGE
    except Exception:
        logger.exception("a mail of %s bytes was not kept", len(raw))
        connection.close()  # the next mail opens another, in case this one is broken
        return TRY_AGAIN
    try:
        intake.finish(inbound, is_new)
    except Exception:
        logger.exception("mail %s is kept and not yet disposed of", inbound.pk)
        connection.close()
    return KEPT


def _keep_mail(raw: bytes, recipients: list[str]) -> tuple[InboundMessage, bool]:
    """Store a mail as `intake.keep` does, and try again once if the connection was lost while the thread was idle."""
    try:
        return intake.keep(raw, source=intake.Source.SMTP, recipients=recipients)
    except (OperationalError, InterfaceError):
        connection.close()
        return intake.keep(raw, source=intake.Source.SMTP, recipients=recipients)


def parse_listen_address(listen: str) -> tuple[str, int]:
    """Return the host and the port of the setting MAIL_IN_LISTEN (HOST:PORT). Raises ImproperlyConfigured."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"MAIL_IN_LISTEN takes HOST:PORT, not {listen!r}")
    return host.strip("[]"), int(port)


async def serve(host: str, port: int) -> None:
    """Receive mails on this port until the signal TERM or INT; then wait at most GRACE_SECONDS until all are stored."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stop.set)
    handler = Handler()
    server = await _listen(host, port, handler, stop)
    await stop.wait()
    if server:
        server.close()
    until = loop.time() + GRACE_SECONDS
    while handler.under_way and loop.time() < until:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)  # the last answers leave
    handler.threads.shutdown(wait=False, cancel_futures=True)


async def _listen(host: str, port: int, handler: Handler, stop: asyncio.Event) -> asyncio.Server | None:
    """Return the listening mail server as soon as the port is free, or None if `stop` is set before."""
    loop, is_warned = asyncio.get_running_loop(), False

    def make_protocol() -> SMTP:
        """Return the object that speaks SMTP over one new connection from another mail server."""
        server = MailServer(
            handler,
            data_size_limit=intake.MAX_KEPT,
            enable_SMTPUTF8=True,
            hostname="factureya",
            ident="mail",
            loop=loop,
        )
        server.handler = handler
        return server

    while not stop.is_set():
        try:
            server = await loop.create_server(make_protocol, host, port)
        except OSError as error:
            if not is_warned:
                logger.warning("no mail is taken on %s:%s: %s", host, port, error)
            is_warned = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
        else:
            logger.info("mail is taken on %s:%s (SMTP and LMTP)", host, port)
            return server
    return None
