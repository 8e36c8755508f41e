"""Hostile mail: within 2 s and 200 MB, and `parse` says so by LimitExceeded alone (M6)."""

import pytest

from factureya.core.mail import parse, parts
from factureya.core.mail.parse import LimitExceeded
from factureya.testing.costs import cost
from factureya.testing.mails import mail, multipart

pytestmark = [pytest.mark.once, pytest.mark.clause("M6")]
MEGABYTES = 25 * 1024 * 1024
READ = """
import sys
from factureya.core.mail import parse as mail_in
from factureya.core.mail.headers import compute_fingerprint
from factureya.core.mail.verdicts import read_verdict
raw = sys.stdin.buffer.read()
try:
    compute_fingerprint(raw)
    mail = mail_in.parse(raw).shortened()
    read_verdict(mail.authentication, authserv="mx", domain="x.mx")
    print("read")
except mail_in.LimitExceeded as limit:
    print(limit)
"""


def large(body: bytes, **headers: str) -> bytes:
    """A mail of 25 MB, filled with `body`."""
    head = mail(b"", **headers)
    return head + body * ((MEGABYTES - len(head)) // len(body))


def nested(depth: int, content_type: str) -> bytes:
    heads = "".join(f"--b{n}\n" + content_type.format(n + 1) + "\n\n" for n in range(depth))
    return mail(heads, Content_Type=content_type.format(0).partition(": ")[2])


MESSAGE = "Content-Type: message/rfc822"
MULTIPART = "Content-Type: multipart/mixed; boundary=b{}"
HOSTILE = {
    "file": (
        lambda: large(
            b"QUJD" * 19 + b"\r\n", Content_Type="application/pdf; name=a.pdf", Content_Transfer_Encoding="base64"
        ),
        "read",
    ),
    "text": (lambda: large("línea de texto\r\n".encode(), Content_Type="text/plain; charset=utf-8"), "read"),
    "html": (lambda: large(b"<p>una <b>linea</b></p>\r\n", Content_Type="text/html"), "read"),
    "quoted": (lambda: large(b"> a\r\n"), "read"),
    "one line": (lambda: large(b"a"), "read"),
    "blank": (lambda: large(b"\n"), "read"),
    "too large": (lambda: large(b"a") + b"a" * 1000, "bytes"),
    "fields": (lambda: b"X-A: 1\r\n" * 3_000_000, "head"),
    "folds": (lambda: b"Subject: a\r\n" + b" x\r\n" * 6_000_000, "head"),
    "addresses": (lambda: mail(To="a@x.mx, " * 3_000_000), "head"),
    "addresses within": (lambda: mail(From="a@x.mx, " * 15_000, To='"<(,' * 30_000), "read"),
    "words within": (lambda: mail(Subject="=?utf-8?q?a?= " * 16_000), "read"),
    "parts": (lambda: multipart(*["\nhola\n"] * 10_000), "parts"),
    "empty parts": (lambda: mail(b"--b\n\n" * 5_000_000, Content_Type="multipart/mixed; boundary=b"), "parts"),
    "false boundaries": (lambda: mail(b"--b" * 8_000_000, Content_Type="multipart/mixed; boundary=b"), "read"),
    "almost boundaries": (lambda: mail(b"--bx\n" * 5_000_000, Content_Type="multipart/mixed; boundary=b"), "parts"),
    "depth": (lambda: nested(1000, MULTIPART), "depth"),
    "depth of messages": (lambda: mail(f"{MESSAGE}\n\n" * 1000, Content_Type="message/rfc822"), "depth"),
    "unclosed": (lambda: mail("<t" * 5_001 + "<script" * 55_000, Content_Type="text/html"), "read"),
    "closed late": (
        lambda: mail("<t" * 5_001 + "<style>" * 40_000 + "</style" * 14_000, Content_Type="text/html"),
        "read",
    ),
    "recipients": (
        lambda: multipart(
            "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; " + "a@" * 30_000 + " x\n"
        ),
        "read",
    ),
    "dashes": (lambda: mail("hola\n" + "-" * 400_000 + "x\nfin"), "read"),  # findings/security.md A1
    "angles": (lambda: mail("hola\n<" + "@" * 400_000 + "\nfin"), "read"),
    "blanks": (lambda: mail("hola\n" + " " * 400_000 + "x\nfin"), "read"),
    "dated": (lambda: mail(("El 5 mar 2025 a las 10:23 " + "a" * 900 + "\n") * 1_000), "read"),
    "tall row": (
        lambda: mail("<table><tr><td>" + "x<br>" * 70_000 + "</td>" + "<td>a</td>" * 4_000, Content_Type="text/html"),
        "read",
    ),  # A3
    "html parts": (
        lambda: multipart(
            *["Content-Type: text/html\n\n<a " + " ".join(f"a{n}=" for n in range(24_000)) + ">hola</a>\n"] * 5
        ),
        "read",
    ),
    "comments of a verdict": (lambda: mail(Authentication_Results="mx; " + "()" * 100_000), "read"),
    "slashed attributes": (
        lambda: mail("<p " + "/".join(f"{n:x}" for n in range(0xA0000, 0xAEA60)) + ">x", Content_Type="text/html"),
        "read",
    ),
    "uuencoded files": (lambda: mail("begin 644 a\n \nend\n" * 55_000), "parts"),
    "parameters": (lambda: mail("x", Content_Type="text/plain;" + 'a="b;' * 40_000), "read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_costs_at_most_two_seconds_and_200_megabytes(name):
    make, expected = HOSTILE[name]
    spent = cost("-c", READ, raw=make())
    assert spent.said == expected
    assert spent.seconds < 2
    assert spent.megabytes < 200


def test_what_is_within_the_limits_is_read():
    assert len(parse.parse(multipart(*["Content-Type: image/png\n\nx\n"] * 199)).files) == 199
    assert parse.parse(nested(19, MULTIPART)).sender == "ana@ejemplo.mx"
    deepest = mail("Content-Type: message/rfc822\n\n" * 19 + "fin", Content_Type="message/rfc822")
    assert len(parse.parse(deepest).files) == 1


def test_a_mail_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(parts, "MAX_SECONDS", -1.0)
    with pytest.raises(LimitExceeded, match="time"):
        parse.parse(mail())


@pytest.mark.parametrize(
    ("limit", "value", "raw", "said"),
    [
        ("MAX_BYTES", 100, mail("x" * 200), "bytes"),
        ("MAX_DEPTH", 2, nested(3, MULTIPART), "depth"),
        ("MAX_DELIMITERS", 2, mail("--bx\n" * 9, Content_Type="multipart/mixed; boundary=b"), "parts"),
        ("MAX_PARTS", 2, multipart("\na\n", "\nb\n"), "parts"),
        ("MAX_PARTS", 200, b"X-A: 1\r\n" * 3000, "head"),
    ],
)
def test_each_limit(monkeypatch, limit, value, raw, said):
    monkeypatch.setattr(parts, limit, value)
    with pytest.raises(LimitExceeded, match=said):
        parse.parse(raw)
