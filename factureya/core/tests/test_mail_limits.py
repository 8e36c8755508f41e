"""Hostile mail: within 2 s and 200 MB, and whatever it is, `parse` says so by LimitExceeded alone (M6)."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factureya.core import mail_in, mail_parts
from factureya.core.mail_headers import fingerprint
from factureya.core.mail_in import InboundMail, LimitExceeded
from factureya.core.tests.costs import cost
from factureya.core.tests.mails import mail, multipart

pytestmark = [pytest.mark.once, pytest.mark.clause("M6")]
MEGABYTES = 25 * 1024 * 1024
READ = """
import sys
from factureya.core import mail_in
from factureya.core.mail_headers import fingerprint
raw = sys.stdin.buffer.read()
try:
    fingerprint(raw)
    mail_in.parse(raw)
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
    "file": (lambda: large(b"QUJD" * 19 + b"\r\n", Content_Type="application/pdf; name=a.pdf",
                           Content_Transfer_Encoding="base64"), "read"),
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
    "parameters": (lambda: mail("x", Content_Type="text/plain;" + 'a="b;' * 40_000), "read"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_costs_at_most_two_seconds_and_200_megabytes(name):
    make, expected = HOSTILE[name]
    spent = cost("-c", READ, raw=make())
    assert spent.said == expected
    assert spent.seconds < 2
    assert spent.megabytes < 200


def test_what_is_within_the_limits_is_read():
    assert len(mail_in.parse(multipart(*["Content-Type: image/png\n\nx\n"] * 199)).files) == 199
    assert mail_in.parse(nested(19, MULTIPART)).sender == "ana@ejemplo.mx"
    deepest = mail("Content-Type: message/rfc822\n\n" * 19 + "fin", Content_Type="message/rfc822")
    assert len(mail_in.parse(deepest).files) == 1


def test_a_mail_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(mail_parts, "MAX_SECONDS", -1.0)
    with pytest.raises(LimitExceeded, match="time"):
        mail_in.parse(mail())


@pytest.mark.parametrize(
    ("limit", "value", "raw", "said"),
    [
        ("MAX_BYTES", 100, mail("x" * 200), "bytes"),
        ("MAX_DEPTH", 2, nested(3, MULTIPART), "depth"),
        (
            "MAX_DELIMITERS",
            2,
            mail("--bx\n" * 9, Content_Type="multipart/mixed; boundary=b"),
            "parts",
        ),
        ("MAX_PARTS", 2, multipart("\na\n", "\nb\n"), "parts"),
        ("MAX_PARTS", 200, b"X-A: 1\r\n" * 3000, "head"),
    ],
)
def test_each_limit(monkeypatch, limit, value, raw, said):
    monkeypatch.setattr(mail_parts, limit, value)
    with pytest.raises(LimitExceeded, match=said):
        mail_in.parse(raw)


# -- Whatever it is ----------------------------------------------------------------------------------

SEEDS = [
    mail("Hola\n-- \nAna", Authentication_Results="mx; dmarc=pass", References="<a@x> <b@y>"),
    mail("=46acturaci=C3=B3n", Content_Type='text/plain; charset="iso-8859-1"',
         Content_Transfer_Encoding="quoted-printable"),
    multipart("Content-Type: text/plain\n\nhola\n", "Content-Type: text/html\n\n<p>hola<blockquote type=cite>x\n",
              kind="alternative"),
    multipart("\nuno\n", "Content-Type: message/rfc822\n\nSubject: x\n\ny\n",
              "Content-Disposition: attachment; filename*0*=utf-8''a%C3; filename*1*=%B1.pdf\n"
              "Content-Transfer-Encoding: base64\n\nJVBERg==\n"),
    multipart("\nno\n", "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; b@x\nAction: failed\n",
              kind="report", From="MAILER-DAEMON@x"),
    mail("begin 644 a\n#0V%T\n`\nend\n> cita\nEl 5 mar 2025 10:00, A <a@b> escribió:\n> b"),
]  # fmt: skip
INSERTS = [
    b"\x00", b"\xff\xfe", b"\r", b"\n", b"\r\n\r\n", b"--limite\r\n", b"--limite--", b"=?utf-8?q?", b"=?x?b?=?=",
    b"Content-Type: multipart/mixed; boundary=limite\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"From: ",
    b"Content-Transfer-Encoding: base64\r\n", b"\x1b$B", b"begin 644 x\n", b"*0*=", b"%", b"\xc3", b"\xe2\x80\xa8",
    b"charset=", b"<", b">", b'"', b";",
]  # fmt: skip


def mutated(raw: bytes, source: random.Random) -> bytes:
    """The mail with some bytes changed, cut out, doubled or put in."""
    data = bytearray(raw)
    for _ in range(source.randint(1, 12)):
        at = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del data[at : at + source.randint(1, 60)]
            case 2:
                data[at:at] = data[at : at + source.randint(1, 200)]
            case _:
                data[at:at] = source.choice(INSERTS)
    return bytes(data)


def check(raw: bytes) -> None:
    """It is read or refused by a limit, and what is read can be stored."""
    message_id, digest = fingerprint(raw)
    mail_in.peek(raw)
    try:
        read = mail_in.parse(raw)
    except LimitExceeded:
        return
    assert len(digest) == 64
    for text in texts(read, message_id):
        assert "\x00" not in text
        text.encode()  # no lone surrogate: PostgreSQL refuses them


def texts(read: InboundMail, message_id: str) -> list[str]:
    names = [text for file in read.files for text in (file.name, file.content_type)]
    bounce = [*read.bounce.message_ids, *read.bounce.recipients] if read.bounce else []
    return [
        message_id, read.message_id, *read.references, *read.senders, read.sender_name, *read.recipients, read.subject,
        read.text, read.new_text, read.robot, *read.authentication, *names, *bounce,
    ]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(SEEDS) - 1), st.randoms(use_true_random=False))
def test_mutations_of_our_own_mails(seed, source):
    for _ in range(10):
        check(mutated(SEEDS[seed], source))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(INSERTS), st.binary(max_size=20), st.sampled_from(SEEDS)),
        max_size=12,
    )
)
@example([b'Content-Type: multipart/mixed; boundary="=?utf-8?q?=00?="\r\n\r\n--x'])
@example([b"Content-Type: text/plain; charset*=x'y'z; charset*0=a\r\n\r\nhola"])
def test_pieces_in_any_order(pieces):
    check(b"".join(pieces))


@pytest.mark.samples
def test_mutations_of_the_samples(samples):
    source = random.Random(20_261_124)
    for path in sorted((samples / "email").glob("*.eml")):
        raw = path.read_bytes()
        check(raw)
        for _ in range(60):
            check(mutated(raw, source))
