"""Mails for tests: bytes as they come from outside."""

from typing import Any

ANA = "Ana López <ana@ejemplo.mx>"
SUPPORT = "soporte@factureya.com"


def mail(body: str | bytes = "Buenas tardes", **headers: Any) -> bytes:
    """Return a mail from Ana to soporte@; a header of None is left out, a list is written several times."""
    given = {"From": ANA, "To": SUPPORT, "Subject": "No puedo timbrar", "Message-ID": "<m1@ejemplo.mx>"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [
        f"{name}: {value}"
        for name, values in given.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    text = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def multipart(*parts: str | bytes, kind: str = "mixed", boundary: str = "limite", **headers: Any) -> bytes:
    """Return a mail of several parts, each given whole with its own head."""
    body = b"".join(
        b"--%s\r\n%s\r\n"
        % (boundary.encode(), part if isinstance(part, bytes) else part.replace("\n", "\r\n").encode())
        for part in parts
    )
    closing = b"--%s--\r\n" % boundary.encode()
    content_type = f'multipart/{kind}; boundary="{boundary}"'
    return mail(body + closing, **{"MIME_Version": "1.0", "Content_Type": content_type} | headers)
