"""Mails with bytes changed, for the fuzz tests: what may come once a mail has passed through broken hands."""

import random

from factureya.testing.mails import mail, multipart

SEEDS = [
    mail("Hola\n-- \nAna", Authentication_Results="mx; dmarc=pass", References="<a@x> <b@y>"),
    mail(
        "=46acturaci=C3=B3n",
        Content_Type='text/plain; charset="iso-8859-1"',
        Content_Transfer_Encoding="quoted-printable",
    ),
    multipart(
        "Content-Type: text/plain\n\nhola\n",
        "Content-Type: text/html\n\n<p>hola<blockquote type=cite>x\n",
        kind="alternative",
    ),
    multipart(
        "\nuno\n",
        "Content-Type: message/rfc822\n\nSubject: x\n\ny\n",
        "Content-Disposition: attachment; filename*0*=utf-8''a%C3; filename*1*=%B1.pdf\n"
        "Content-Transfer-Encoding: base64\n\nJVBERg==\n",
    ),
    multipart(
        "\nno\n",
        "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; b@x\nAction: failed\n",
        kind="report",
        From="MAILER-DAEMON@x",
    ),
    multipart(
        "Content-Type: text/html\n\n<table><tr><td>a<br>b</td><td>c<p>d</table><ul><li>e</ul>\n", From="Ana <ana@x>"
    ),
    mail("Ya\n> cita\nDe: a\nEnviado: b\nPara: c\nEnviado desde mi iPhone", Subject="Re: FY-7K3M-9QX1"),
    mail("begin 644 a\n#0V%T\n`\nend\n> cita\nEl 5 mar 2025 10:00, A <a@b> escribió:\n> b"),
]
INSERTS = [
    b"\x00",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"--limite\r\n",
    b"--limite--",
    b"=?utf-8?q?",
    b"=?x?b?=?=",
    b"Content-Type: multipart/mixed; boundary=limite\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"From: ",
    b"Content-Transfer-Encoding: base64\r\n",
    b"\x1b$B",
    b"begin 644 x\n",
    b"*0*=",
    b"%",
    b"\xc3",
    b"\xe2\x80\xa8",
    b"charset=",
    b"<",
    b">",
    b'"',
    b";",
]


def mutated(raw: bytes, source: random.Random) -> bytes:
    """Return the mail with some bytes changed, cut out, doubled or put in."""
    data = bytearray(raw)
    for _ in range(source.randint(1, 12)):
        at = source.randrange(len(data) + 1)
        match source.randrange(5):
            case 0:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del data[at : at + source.randint(1, 60)]
            case 2:
                data[at:at] = data[at : at + source.randint(1, 200)]
            case 3:  # one thing very often, as only a program writes it
                piece = bytes(data[at : at + source.randint(1, 12)])
                data[at:at] = piece * source.choice([50, 2_000, 40_000 // max(1, len(piece))])
            case _:
                data[at:at] = source.choice(INSERTS)
    return bytes(data)
