"""One mail of every sort that mail programs and mail servers send, made by code, with what must be read from it.

Nothing here was ever sent: addresses are of reserved domains. A sample says what becomes of it when its sender is
registered, and where it matters its subject, its words and its number of files.
"""

from base64 import b64encode
from dataclasses import dataclass
from email.header import Header

from factureya.testing.mails import mail, multipart

NEW, AUTO, BOUNCE, MALFORMED = "accept-new", "ignore-auto", "ignore-bounce", "reject-malformed"
SENDER = "Marta Ruiz <marta@cliente.example>"
STRANGE_ID = "<CAF8b41kb@mail.otro.example>"  # of a conversation that is not ours
QUOTE = "El jue, 19 ago 2021 a las 14:07, Soporte <soporte@factureya.com> escribió:\n\n> ¿Alguna novedad?\n>"
DSN = """Content-Type: message/delivery-status

Reporting-MTA: dns; mx.cliente.example

Final-Recipient: rfc822;nadie@cliente.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user
"""
RETURNED = "Content-Type: message/rfc822\n\nFrom: soporte@factureya.com\nSubject: Recibimos su solicitud\n\nHola\n"
PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"


@dataclass(frozen=True)
class Sample:
    """Hold a mail as bytes, what becomes of it, and what is read from it; None is not looked at."""

    raw: bytes
    disposition: str = NEW
    subject: str | None = None
    text: str | None = None  # every word
    reply: str | None = None  # the words that are left when it answers a mail of ours
    files: int = 0


def sent(body: str | bytes = "Buenas tardes", **headers: object) -> bytes:
    """Return a mail from Marta to soporte@; headers as in `mails.mail`."""
    return mail(body, **{"From": SENDER, "Message_ID": "<m1@cliente.example>"} | headers)


def parts(*pieces: str | bytes, **headers: object) -> bytes:
    """Return a mail from Marta of several parts; `kind` and headers as in `mails.multipart`."""
    return multipart(*pieces, **{"From": SENDER, "Message_ID": "<m1@cliente.example>"} | headers)


def encoded(text: str | bytes) -> str:
    """Return a text in base64, as the body of a part."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def image(number: int) -> str:
    """Return an inline image that the mail's HTML names by its id."""
    head = f'Content-Type: image/gif; name="foto {number}.gif"\nContent-ID: <foto{number}>\n'
    disposition = f'Content-Disposition: inline; filename="foto {number}.gif"\nContent-Transfer-Encoding: base64\n\n'
    return head + disposition + encoded(b"GIF89a" + bytes([number]))


def nested(depth: int) -> str:
    """Return a part that holds a mail, which holds a mail, and so on."""
    if not depth:
        return f"{PLAIN}El más hondo"
    line = f"nivel{depth}"
    inner = nested(depth - 1)
    head = (
        f'Content-Type: message/rfc822; name="{line}.eml"\nContent-Disposition: attachment; filename="{line}.eml"\n\n'
    )
    mixed = f'From: a@b.example\nSubject: {line}\nContent-Type: multipart/mixed; boundary="{line}"\n\n'
    return f"{head}{mixed}--{line}\n{PLAIN}{line}\n--{line}\n{inner}\n--{line}--\n"


def without(raw: bytes, line_start: bytes) -> bytes:
    """Return the mail without the lines that begin so."""
    return b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith(line_start))


LONG_SUBJECT = "Archivo sin texto y un asunto l" + "a" * 180 + "rgo"
HTML_QUOTE = '<div>Ya timbra</div><blockquote class="gmail_quote">¿Alguna novedad?</blockquote>'

SAMPLES: dict[str, Sample] = {
    # -- Charsets and headers ------------------------------------------------------------------------
    "accents in 8 bits, subject in base64": Sample(
        sent(
            "íářčšáñ ¿qué pasó?",
            Subject=Header("Petición de prueba", "utf-8").encode(),
            Content_Type="text/plain; charset=utf-8",
            Content_Transfer_Encoding="8bit",
        ),
        subject="Petición de prueba",
        text="íářčšáñ ¿qué pasó?",
    ),
    "iso-2022-jp without an identifier or a date": Sample(
        sent(
            "すみません。".encode("iso-2022-jp"),
            Subject="=?UTF-8?B?44G+44G/44KA44KB44KC?=",
            Message_ID=None,
            Content_Type="text/plain; charset=iso-2022-jp",
        ),
        subject="まみむめも",
        text="すみません。",
    ),
    "words in a charset that nobody knows": Sample(
        sent(
            "<p>Revise su saldo =F1</p>",
            From="=?X-IAS-Nada?B?TWFydGE=?=<marta@cliente.example>",
            Subject=f"=?X-IAS-Nada?B?{encoded('Revise su saldo')}?=",
            Content_Type='text/html; charset="iso-8859-1"',
            Content_Transfer_Encoding="quoted-printable",
        ),
        subject="Revise su saldo",
        text="Revise su saldo ñ",
    ),
    "a subject in pieces with underscores": Sample(
        sent(
            "<html><body>Pague hoy</body></html>",
            Subject="=?utf-8?Q?Usted_puede=5Fser?= =?utf-8?Q?_elegible?=",
            Date="Fri, 10 Dec 2010 19:20 -0800 (hora de nadie)",
            Message_ID=None,
            Content_Type="text/html; charset=utf-8",
        ),
        subject="Usted puede_ser elegible",
        text="Pague hoy",
    ),
    "quoted-printable without a charset": Sample(
        sent(
            "Oferta por un torno =BFcu=E1nto?=\n",
            Subject="Oferta - torno (156) - exist. n\u00b0 XXXX",
            Content_Type="text/plain",
            Content_Transfer_Encoding="quoted-printable",
            Content_Disposition="inline",
            X_Mailer="",
        ),
        text="Oferta por un torno ¿cuánto?",
    ),
    # -- Parts and files -----------------------------------------------------------------------------
    "five texts of every encoding": Sample(
        parts(
            f"{PLAIN}Uno.\n",
            'Content-Type: text/html; charset="iso-8859-1"\nContent-Transfer-Encoding: quoted-printable\n\n=A1Dos!\n',
            f"Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: base64\n\n{encoded('Tres.')}\n",
            'Content-Type: text/plain; charset="iso-8859-1"\n\nCuatro.\n',
            Message_ID=None,
        ),
        text="Uno. ¡Dos! Tres. Cuatro.",
    ),
    "no words and a file": Sample(
        parts(
            f"{PLAIN}\n\n",
            f'Content-Type: text/plain; name="datos"\nContent-Disposition: attachment; filename="datos"\n'
            f"Content-Transfer-Encoding: base64\n\n{encoded('No debería verse.')}",
            Subject=LONG_SUBJECT,
        ),
        text="",
        files=1,
    ),
    "images inside the text": Sample(
        parts(
            f"Content-Type: multipart/alternative; boundary=dentro\n\n--dentro\n{PLAIN}Las fotos:\n[foto 1][foto 2]\n"
            '--dentro\nContent-Type: text/html\n\nVea <img src="cid:foto1"><img src="cid:foto2">\n--dentro--\n',
            image(1),
            image(2),
            kind="related",
        ),
        text="Las fotos: [foto 1][foto 2]",
        files=2,
    ),
    "a file's name in 8 bits": Sample(
        parts(
            f"{PLAIN}Va el contrato\n",
            "Content-Type: application/msword;\n name=管理.doc\nContent-Transfer-Encoding: base64\n"
            f"Content-Disposition: attachment;\n filename=管理.doc\n\n{encoded('<html>')}",
            To="<soporte@factureya.com>,",
            Message_ID=None,
        ),
        text="Va el contrato",
        files=1,
    ),
    "a PDF with accents in its name, after a line of a mailbox": Sample(
        b"From marta@cliente.example Tue May 10 11:28:07 2005\r\n"
        + parts(
            f"{PLAIN}Adjunto la cédula\n",
            "Content-Type: application/pdf; name*=utf-8''c%C3%A9dula.pdf\nContent-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="cédula.pdf"\n\n{encoded(b"%PDF-1.4 ...")}',
        ),
        text="Adjunto la cédula",
        files=1,
    ),
    "base64 with a character that is none": Sample(
        parts(
            f"{PLAIN}Una parte\n",
            'Content-Type: application/msword; name="un.doc"\nContent-Transfer-Encoding: base64\n'
            'Content-Disposition: attachment; filename="un.doc"\n\nPGh0*bWw+Cg==\n',
        ),
        text="Una parte",
        files=1,
    ),
    "no closing boundary": Sample(
        without(
            parts(
                f"{PLAIN}Una parte\n",
                'Content-Type: application/zip; name="f.zip"\nContent-Transfer-Encoding: base64\n'
                f'Content-Disposition: attachment; filename="f.zip"\n\n{encoded("<html>")}',
            ),
            b"--limite--",
        ),
        text="Una parte",
        files=1,
    ),
    "mails inside mails": Sample(
        without(parts(f"{PLAIN}Tercer asunto\n", nested(3), Message_ID=None), b"Date"), text="Tercer asunto", files=1
    ),
    # -- Replies -------------------------------------------------------------------------------------
    "a reply of Gmail": Sample(
        parts(
            f"{PLAIN}Ya timbra\n\n{QUOTE}\n",
            f"Content-Type: text/html\n\n{HTML_QUOTE}\n",
            kind="alternative",
            Subject="Re: Prueba",
        ),
        subject="Re: Prueba",
        reply="Ya timbra",
    ),
    "a reply with a signature, to somebody else's mail": Sample(
        parts(
            f"{PLAIN}Le mando los pasos\n\n{QUOTE}\n\n-- \nMarta Ruiz\nContadora\n",
            f"Content-Type: text/html\n\n{HTML_QUOTE}\n",
            kind="alternative",
            In_Reply_To=STRANGE_ID,
            References=f"<otra@cliente.example> {STRANGE_ID}",
        ),
        reply="Le mando los pasos",
    ),
    "a reply of a telephone": Sample(
        parts(
            f"{PLAIN}### de mi teléfono\n\nEsto va en **negritas** y http://cliente.example\n{QUOTE}\n> Otra línea\n",
            f"Content-Type: text/html\n\n{HTML_QUOTE}\n",
            kind="alternative",
            Message_ID=None,
            In_Reply_To="<tema/22638/86406@foro.example>",
        ),
        reply="### de mi teléfono Esto va en **negritas** y http://cliente.example",
    ),
    # -- Robots and bounces --------------------------------------------------------------------------
    "out of office": Sample(
        sent("Vuelvo el 5 de mayo", Auto_Submitted="auto-replied", Subject="Fuera de la oficina"), AUTO
    ),
    "made by a program": Sample(sent("Resumen del día", Auto_Submitted="auto-generated"), AUTO),
    "a delivery report": Sample(
        parts(f"{PLAIN}No se entregó\n", DSN, RETURNED, kind="report", From="Correo <MAILER-DAEMON@mx.example>"),
        BOUNCE,
        files=1,
    ),
    "a delivery report without its blank line": Sample(
        parts(
            f"{PLAIN}No se entregó\n",
            DSN.replace("status\n\n", "status\n"),
            RETURNED,
            kind="report",
            From="Correo <MAILER-DAEMON@mx.example>",
        ),
        BOUNCE,
        files=1,
    ),
    "a delivery report of Exchange": Sample(
        parts(
            f'Content-Type: multipart/alternative; boundary="dentro"\n\n--dentro\n{PLAIN}No se entregó\n--dentro--\n',
            DSN,
            RETURNED,
            kind="report",
            From="mailer-daemon@mx.example",
            Return_Path="<>",
            Subject="No entregado: Hola",
        ),
        BOUNCE,
        files=1,
    ),
    "a delivery report from nobody, cut off": Sample(
        without(
            parts(f"{PLAIN}No se entregó\n", DSN, RETURNED, kind="report", From="Correo <>", Return_Path="<>"),
            b"--limite--",
        ),
        BOUNCE,
        files=1,
    ),
    "a ban by a virus scanner": Sample(
        b"From SRS0=a/p=ON=None@mx.example Fri Nov 26 21:40:36 2004\r\n"
        + parts(f"{PLAIN}ARCHIVO PROHIBIDO\n", DSN, kind="report", From="MAILER DAEMON <>"),
        BOUNCE,
    ),
    # -- Without a sender ----------------------------------------------------------------------------
    "no From": Sample(sent("Hola", From=None, Message_ID=None), MALFORMED, text="Hola"),
    "a boundary that never comes, and no From": Sample(
        b'Content-Type: multipart/mixed; boundary="ab"\n\nhola\n', MALFORMED, text="hola", files=1
    ),
    "an empty line before the head": Sample(
        b"\r\n" + sent("Una respuesta.", Content_Type="multipart/alternative; boundary=001a"), text="Una respuesta."
    ),
}
