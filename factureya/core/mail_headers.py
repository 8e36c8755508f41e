"""The head of a mail: what identifies it, who it says it is from. Bytes in, values out; never raises."""

import hashlib
import re

# Written or added on the way: what differs between two deliveries of one mail.
TRACE = re.compile(
    rb"^(?:received|return-path|delivered-to|x-[^:\s]*|authentication-results|arc-[^:\s]*|dkim-signature)[ \t]*:",
    re.IGNORECASE,
)
MESSAGE_ID = re.compile(rb"^message-id[ \t]*:\s*<([^<>\s]{1,400})>", re.IGNORECASE)
MAX_HEAD = 1024 * 1024  # bytes of a head that are read


def fingerprint(raw: bytes) -> tuple[str, str]:
    """The Message-ID (without brackets, may be empty) and the digest that make a mail the same mail (M6).

    The digest is SHA-256 without trace headers, with line ends as they are in files, so that a redelivery by
    another hop, or to both our boxes at once, is one mail.
    """
    head, body = split(raw)
    kept = [field for field in fields(head) if not TRACE.match(field)]
    digest = hashlib.sha256(b"".join(kept))
    digest.update(b"\n")
    digest.update(body.replace(b"\r\n", b"\n").rstrip(b"\r\n"))
    for field in kept:
        if found := MESSAGE_ID.match(field):
            return found.group(1).decode("utf-8", "replace").replace("\x00", ""), digest.hexdigest()
    return "", digest.hexdigest()


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Head and body, parted at the first empty line; blank lines before the head are not the head."""
    raw = raw.lstrip(b"\r\n")
    found = re.search(rb"\r?\n\r?\n", raw[:MAX_HEAD])
    return (raw[: found.start()], raw[found.end() :]) if found else (raw, b"")


def fields(head: bytes) -> list[bytes]:
    """The header fields with their continuation lines, each ended by a line feed; an mbox's first line is none."""
    folded: list[bytes] = []
    for number, line in enumerate(head.replace(b"\r\n", b"\n").split(b"\n")):
        if number == 0 and line.startswith((b"From ", b">From ")):
            continue
        if line[:1] in {b" ", b"\t"} and folded:
            folded[-1] += line + b"\n"
        else:
            folded.append(line + b"\n")
    return folded
