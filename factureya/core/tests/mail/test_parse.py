"""What real mail does, and what is read of it: the behaviours of background/mail.md, by their numbers there."""

import base64
from datetime import UTC, datetime

import pytest

from factureya.core.mail import parse
from factureya.core.mail.charsets import decode
from factureya.core.mail.headers import compute_fingerprint, decode_words, parse_addresses
from factureya.testing.mails import mail, multipart

pytestmark = [pytest.mark.once, pytest.mark.clause("M5", "M6")]
TEXT = "Content-Type: text/plain; charset=utf-8\n\n"
MINIMAL = "Content-Type: text/plain\n\nhola\n"


def part(head: str, body: str = "cuerpo") -> str:
    return f"{head}\n\n{body}\n"


def names(raw: bytes) -> list[str]:
    return [file.name for file in parse.parse(raw).files]


# -- 1, 2, 3: charsets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "charset",
    [
        "",
        '""',
        "x-desconocido",
        "utf-8; charset",
        "uft8",
        "iso-8859-1x",
        "idna",
        "punycode",
        "zlib",
        "rot13",
        "undefined",
        "unicode_escape",
        "unknown-8bit",
        "default",
        "../../etc/passwd",
        "\x00",
        "a" * 500,
    ],
)
def test_1_an_unknown_charset_never_loses_the_text(charset):
    raw = mail("Facturación".encode(), Content_Type=f"text/plain; charset={charset}")
    assert "Facturación" in parse.parse(raw).text


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("iso-8859-1", "“Señor” €".encode("cp1252"), "“Señor” €"),
        ("us-ascii", "Señor".encode(), "Señor"),
        ("us-ascii", "Señor".encode("latin-1"), "Señor"),
        ("utf-8", "Señor".encode("latin-1"), "Señor"),
        ("utf-8", "Ñandú, señor, así".encode() + b"\xff", "Ñandú, señor, así\ufffd"),
        ("gb2312", "镕".encode("gbk"), "镕"),
        ("big5", "碁".encode("cp950"), "碁"),
        ("ks_c_5601-1987", "똠".encode("cp949"), "똠"),
        ("shift_jis", "①".encode("cp932"), "①"),
        ("shift_jis", "①".encode("cp932") + b"\x81", "①\ufffd"),
        ("iso-2022-jp", "まみ".encode("iso2022_jp"), "まみ"),
        ("iso-2022-jp", b"\x1b$B-!\x1b(B ok", "① ok"),  # NEC's row 13: CP932 that calls itself ISO-2022-JP
        ("iso-2022-jp", b"\x1b$B-!\x1b(I1\x1b(B\xb1", "①ｱｱ"),
        ("iso-2022-jp", b"\x1b$B-!\n-\x1b(Bx", "①\n-x"),
        ("utf-16-le", "Señor".encode("utf-16-le"), "Señor"),
    ],
)
def test_2_text_is_read_by_the_superset_of_its_charset(charset, raw, text):
    assert decode(raw, charset) == text


def test_2_every_row_of_jis_is_shifted_as_windows_does():
    signs = "亜一凜腕弌熙あアＡ堯槇"
    jis = b"\x1b$B-!" + signs.encode("iso2022_jp").removeprefix(b"\x1b$B")
    assert decode(jis, "ISO-2022-JP") == "①" + signs


def test_3_no_nul_and_no_control_character_is_left():
    raw = mail("a\x00b\x07c\td", Subject="no\x00 puedo =?utf-8?q?=00timbrar=0D=0ABcc:_x?=")
    read = parse.parse(raw)
    assert (read.text, read.subject) == ("abc\td", "no puedo timbrar  Bcc: x")


# -- 4, 5, 6, 14: who it says it is from -------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "<>",
        "foo",
        '"" (Mail Delivery System)',
        "=?utf-8?q?ana=40ejemplo=2Emx?=",
        '"ana@ejemplo.mx"',
        "(ana@ejemplo.mx)",
        "<a@x> <b@y>",
        "<a@x> b@y",
        "ana@",
        "@x",
        "undisclosed-recipients:;",
        "<ana@ejemplo.mx",
        "ana @ejemplo.mx",
        '"a b"@x',
        "a@x@y",
    ],
)
def test_4_without_a_usable_from_there_is_no_sender(value):
    read = parse.parse(mail(From=value))
    assert (read.sender, read.text) == ("", "Buenas tardes") or value == "<ana@ejemplo.mx"


@pytest.mark.parametrize(
    "value", ["a@x.mx, b@y.mx", ["a@x.mx", "b@y.mx"], "Grupo: a@x.mx, b@y.mx;", "<a@x.mx>;<b@y.mx>"]
)
def test_4_several_senders_are_none(value):
    read = parse.parse(mail(From=value))
    assert (read.senders, read.sender) == (("a@x.mx", "b@y.mx"), "")


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b" continuada\r\n",
        b"From ana@ejemplo.mx Mon Jan  1 10:00:00 2026\r\n",
        b">From ana@ejemplo.mx Mon Jan  1 10:00:00 2026\r\n",
        b"esto no es un encabezado\r\n",
        b"X-A: 1\r\nesto tampoco\r\n",
    ],
)
def test_5_a_broken_head_is_read_all_the_same(head):
    read = parse.parse(head + mail())
    assert (read.sender, read.subject, read.text) == ("ana@ejemplo.mx", "No puedo timbrar", "Buenas tardes")
    assert read.message_id == "m1@ejemplo.mx"


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_5_line_ends_of_other_systems(end):
    read = parse.parse(mail("uno\ndos").replace(b"\r\n", end))
    assert (read.sender, read.text) == ("ana@ejemplo.mx", "uno\ndos")


def test_5_a_head_without_a_body_and_a_body_without_a_blank_line():
    assert parse.parse(b"From: ana@ejemplo.mx").sender == "ana@ejemplo.mx"
    read = parse.parse(b"From: ana@ejemplo.mx\nSubject: Hola\nNo puedo timbrar,\nayuda")
    assert (read.sender, read.text) == ("ana@ejemplo.mx", "No puedo timbrar,\nayuda")


def test_5_a_head_pushed_into_the_text_is_not_what_was_written():
    read = parse.parse(b"From: ana@ejemplo.mx\n\nReceived: by x\n  y\nFrom: otra@x\n\nHola")
    assert (read.sender, read.shortened().new_text) == ("ana@ejemplo.mx", "Hola")
    assert "otra@x" in read.text
    assert read.new_text == read.text  # of a mail that answers nothing of ours every word stays


def test_6_line_ends_in_addresses_and_names_neither_raise_nor_go_on():
    read = parse.parse(
        mail(
            From="=?utf-8?q?Ana=0D=0ABcc=3A_x=40y?= <ana@ejemplo.mx>",
            To='"a\r\n b" <soporte@factureya.com>',
            Subject="=?utf-8?b?" + base64.b64encode("a\r\nBcc: x@y\u2028z".encode()).decode() + "?=",
        )
    )
    assert (read.sender, read.recipients) == ("ana@ejemplo.mx", ("soporte@factureya.com",))
    assert not set("\r\n\u2028") & set(read.sender_name + read.subject)


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("Ana@Ejemplo.MX", "", "ana@ejemplo.mx"),
        ("agente@factureya.com <ana@ejemplo.mx>", "agente@factureya.com", "ana@ejemplo.mx"),
        ('"agente@factureya.com" <ana@ejemplo.mx>', "agente@factureya.com", "ana@ejemplo.mx"),
        ("=?utf-8?q?agente=40factureya.com?= <ana@ejemplo.mx>", "agente@factureya.com", "ana@ejemplo.mx"),
        ("=?utf-8?q?=3Cagente=40factureya.com=3E?= <ana@ejemplo.mx>", "<agente@factureya.com>", "ana@ejemplo.mx"),
        ("ana@ejemplo.mx (agente@factureya.com)", "", "ana@ejemplo.mx"),
        ('"López, Ana \\"la jefa\\"" <ana@ejemplo.mx>', 'López, Ana "la jefa"', "ana@ejemplo.mx"),
        ("López, Ana <ana@ejemplo.mx>", "Ana", "ana@ejemplo.mx"),
        ("<ana@ejemplo.mx>", "", "ana@ejemplo.mx"),
        ("Ana (de (compras)) < ana@ejemplo.mx >", "Ana", "ana@ejemplo.mx"),
        ("compras: Ana <ana@ejemplo.mx>;", "compras: Ana", "ana@ejemplo.mx"),
    ],
)
def test_14_a_display_name_never_lends_an_address(value, name, address):
    (found,) = parse_addresses(value)
    assert found == (name, address)


def test_14_verdicts_are_handed_on_as_they_stand():
    verdicts = ["mx.factureya.com; dmarc=fail", "evil.example; dmarc=pass"]
    assert parse.parse(mail(Authentication_Results=verdicts)).authentication == tuple(verdicts)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?Se=C3?= =?utf-8?q?=B1or?=", "Señor"),
        ("=?utf-8?q?uno?= =?iso-8859-1?q?=F1?=", "unoñ"),
        ("=?utf-8?q?uno?= dos =?utf-8?q?tres?=", "uno dos tres"),
        ("Re: =?UTF-8?B?U2XDsW9y?= (2)", "Re: Señor (2)"),
        ("=?X-IAS-German?B?bXlHb3Y=?=", "myGov"),
        ("=?utf-8*es?q?hola?=", "hola"),
        ("=?utf-8?b?U2XDsW9?=", "Seño"),
        ("=?utf-8?b?U2XDs?= ", "SeÃ "),
        ("=?utf-8?q?con espacio?=", "con espacio"),
        ("=?utf-8?x?nada?=", "=?utf-8?x?nada?="),
        ("  a  b ", "  a  b "),
        ("", ""),
    ],
)
def test_encoded_words(value, text):
    assert decode_words(value) == text


# -- 8, 9, 10: robots and bounces --------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=x@y"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "ausente"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"List_Id": "<lista.ejemplo.mx>"},
        {"List_Unsubscribe": "<mailto:x@y>"},
        {"Return_Path": "<>"},
        {"X_Factureya_Loop": "1"},
        {"X_Loop": "ana@ejemplo.mx"},
        {"Subject": "Respuesta automática: No puedo timbrar"},
        {"Subject": "Out of Office"},
        {"Content_Type": "multipart/report; report-type=disposition-notification; boundary=b"},
    ],
)
def test_8_the_marks_of_a_robot(headers):
    assert parse.parse(mail(**headers)).robot
    assert parse.parse(mail(**headers)).bounce is None


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Auto_Response_Suppress": "All"},
        {"Auto_Submitted": "no"},
        {"X_Autoreply": "no"},
        {"Return_Path": "<ana@ejemplo.mx>"},
        {"Subject": "Respuesta automática del portal que no llega"},
        {"X_Autogenerated": "Mirror"},
        {"Precedence": "normal"},
    ],
)
def test_9_what_is_no_mark_of_a_robot(headers):
    assert parse.parse(mail(**headers)).robot == ""


STATUS = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
STATUS += "Final-Recipient: rfc822; Beto@x.mx\nAction: "
ORIGINAL = "Content-Type: message/rfc822\n\nMessage-ID: <nuestro@factureya.com>\nSubject: s\n\nTexto\n"


def test_10_a_delivery_report():
    report = {"kind": "report", "From": "MAILER-DAEMON@x.mx"}
    read = parse.parse(multipart(MINIMAL, STATUS + "failed\n", ORIGINAL, **report))
    assert read.bounce == parse.Bounce(("nuestro@factureya.com",), ("beto@x.mx",), is_final=True)
    read = parse.parse(multipart(MINIMAL, STATUS + "delayed\n", ORIGINAL, **report))
    assert read.bounce is not None
    assert not read.bounce.is_final


@pytest.mark.parametrize(
    "raw",
    [
        mail("Message-ID: <nuestro@factureya.com>", From="Mail Delivery System <postmaster@x.mx>"),
        mail("> Message-ID: <nuestro@factureya.com>", From="<>", Return_Path="<>", Subject="Undeliverable: x"),
        mail("", X_Failed_Recipients="beto@x.mx", In_Reply_To="<nuestro@factureya.com>", From="x@y"),
        mail(
            "",
            From=None,
            Subject=None,
            Content_Type="multipart/report; report-type=delivery-status",
            References="<nuestro@factureya.com>",
        ),
        multipart(
            MINIMAL,
            "Content-Type: text/rfc822-headers\n\nMessage-Id: <nuestro@factureya.com>\n",
            kind="report",
            From="mailer-daemon@x.mx",
        ),
    ],
)
def test_10_bounces_of_every_shape_name_our_mail(raw):
    bounce = parse.parse(raw).bounce
    assert bounce is not None
    assert bounce.message_ids == ("nuestro@factureya.com",)


# -- 11, 12: the same mail ---------------------------------------------------------------------------


def test_11_a_redelivery_is_the_same_mail():
    raw = mail("Hola\n\n")
    way = b"Return-Path: <x@y>\r\nDelivered-To: mesadecontrol@factureya.com\r\nReceived: from a\r\n\tby b\r\n"
    way += b"X-Spam: no\r\nAuthentication-Results: mx; dmarc=pass\r\nARC-Seal: i=1\r\nDKIM-Signature: v=1\r\n"
    exim = b"Envelope-to: mesadecontrol@factureya.com\r\nDelivery-date: Mon, 23 Nov 2026 10:05:40 -0600\r\n"
    others = b"Received-SPF: pass\r\nList-Id: <x>\r\nResent-To: x@y\r\nStatus: RO\r\nLines: 4\r\nContent-Length: 9\r\n"
    for again in (
        way + raw,
        exim + others + raw,  # reports 2
        raw.replace(b"\r\n", b"\n"),
        raw.rstrip(),
        b"From x Mon Jan 1\n" + raw,
    ):
        assert compute_fingerprint(again) == compute_fingerprint(raw)
    assert compute_fingerprint(raw)[0] == "m1@ejemplo.mx"


def test_11_without_message_id_the_digest_decides():
    assert compute_fingerprint(mail(Message_ID=None))[0] == ""
    assert compute_fingerprint(mail(Message_ID=None)) != compute_fingerprint(mail("Otra cosa", Message_ID=None))


def test_m3_long_lines_that_a_server_folds_are_the_same_mail():
    """Servers fold lines of more than 998 bytes; of a mail without Message-ID blanks count."""
    text, references = "palabra " * 300, " ".join(f"<{number}@x.mx>" for number in range(90))
    folded = {"References": references.replace(" ", "\r\n ")}
    assert compute_fingerprint(mail(text, References=references)) == compute_fingerprint(
        mail(text.replace("a p", "a\r\n p"), **folded)
    )
    assert compute_fingerprint(mail("1 0", Message_ID=None)) != compute_fingerprint(mail("10", Message_ID=None))


def test_12_other_content_is_another_mail():
    digests = {compute_fingerprint(raw) for raw in (mail(), mail("otra cosa"), mail(Subject="otro"), mail(To="x@y"))}
    assert len(digests) == 4
    assert {message_id for message_id, _ in digests} == {"m1@ejemplo.mx"}


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"a" * 300_000, b"X: 1\n" * 3000, b"\x00\xff", b"\r\n" * 1_100_000])
def test_11_whatever_it_is_has_a_fingerprint(raw):
    assert compute_fingerprint(raw) == compute_fingerprint(raw)
    assert len(compute_fingerprint(raw)[1]) == 64


def test_11_line_ends_between_two_pieces_are_one():
    text = "a" * (1024 * 1024 - 1) + "\r\n" + "b" * 10
    assert compute_fingerprint(mail(text.encode())) == compute_fingerprint(mail(text.encode()).replace(b"\r\n", b"\n"))


# -- 19: files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("Content-Type: application/pdf; name=factura.pdf", "factura.pdf"),
        ('Content-Type: application/pdf\nContent-Disposition: attachment; filename="factura 1.pdf"', "factura 1.pdf"),
        ("Content-Disposition: attachment; filename*0=fac; filename*1=tura.pdf", "factura.pdf"),
        ("Content-Disposition: attachment; filename*=utf-8''facturaci%C3%B3n.pdf", "facturación.pdf"),
        ("Content-Disposition: attachment; filename*0*=iso-8859-1''a%F1; filename*1*=o.pdf", "año.pdf"),
        ("Content-Disposition: attachment; filename==?utf-8?q?a=C3=B1o.pdf?=", "año.pdf"),
        ("Content-Disposition: attachment; filename=año.pdf", "año.pdf"),
        ("Content-Disposition: attachment; filename*=x-no''a%F1o.pdf", "año.pdf"),
        ("Content-Type: application/pdf", "adjunto-1.pdf"),
        ("Content-Type: application/x-rara", "adjunto-1.bin"),
        ("Content-Type: application/ms-tnef; name=winmail.dat", "winmail.dat"),
        ("Content-Type: text/calendar; charset=utf-8", "adjunto-1.ics"),
        ("Content-Type: text/html; name=pagina.html", "pagina.html"),
        ("Content-Type: application/pdf; name*" + "9" * 3000 + "=x", "x"),
        ("Content-Type: application/pdf; name*=a.pdf; name*0=b.pdf", "adjunto-1.pdf"),
    ],
)
def test_19_names_of_files(head, name):
    assert names(multipart(MINIMAL, part(head))) == [name]


def test_19_files_of_every_sort_stay_files():
    nested = "Content-Type: message/rfc822\n\nSubject: Su factura / 3\n\nTexto\n"
    pdf = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n{}\n"
    raw = multipart(
        MINIMAL,
        nested,
        pdf.format("JVBERg=="),
        pdf.format("JVBERg"),
        pdf.format(""),
        pdf.format("JV*BE!Rg==="),
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQp5\n",
    )
    read = parse.parse(raw)
    assert [file.name for file in read.files] == ["Su factura  3.eml", *["a.pdf"] * 4, "adjunto-1.eml"]
    assert [file.content for file in read.files[1:]] == [b"%PDF", b"%PDF", b"", b"%PDF", b"Subject: x\r\n\r\ny"]
    assert read.files[0].content == b"Subject: Su factura / 3\r\n\r\nTexto\r\n"
    assert read.text == "hola"


UU = "begin 644 nota.txt\n#0V%T\n`\nend\n"


def test_19_uuencode_in_the_text_is_a_file():
    read = parse.parse(mail(f"Hola\n{UU}Adiós"))
    assert [(file.name, file.content) for file in read.files] == [("nota.txt", b"Cat")]
    assert read.text == "Hola\n\nAdiós"
    read = parse.parse(mail("begin 644 nota.txt\n#0V%T!!!!!!!!!!!!!!\nend\nbegin la historia"))
    assert (read.files, read.text.startswith("begin 644")) == ((), True)
    encoded = "Content-Type: application/x; name=n.txt\nContent-Transfer-Encoding: x-uuencode\n\n"
    assert parse.parse(multipart(encoded + UU)).files[0].content == b"Cat"
    assert parse.parse(multipart(encoded + "nada\n")).files[0].content == b"nada\r\n"


def test_inline_images_are_files():
    image = "Content-Type: image/png; name=a.png\nContent-ID: <a>\nContent-Disposition: inline\n\nx\n"
    html = "Content-Type: text/html\n\n<p>Vea la <b>imagen</b> <img src=cid:a></p>\n"
    read = parse.parse(multipart(html, image, kind="related"))
    assert (read.text, [file.name for file in read.files]) == ("Vea la imagen", ["a.png"])


# -- Structure ---------------------------------------------------------------------------------------


def test_plain_is_preferred_to_html_unless_it_is_empty():
    html = "Content-Type: text/html; charset=utf-8\n\n<p>de la página</p>\n"
    assert parse.parse(multipart(TEXT + "del texto\n", html, kind="alternative")).text == "del texto"
    assert parse.parse(multipart(TEXT + " \n", html, kind="alternative")).text == "de la página"
    assert parse.parse(multipart(TEXT + "uno\n", html, kind="mixed")).text == "uno\n\nde la página"
    assert parse.parse(multipart(TEXT + " \n", kind="alternative")).text == ""


@pytest.mark.parametrize("cut", [b"--limite--\r\n", b"\r\n--limite--\r\n"])
def test_a_missing_closing_boundary(cut):
    raw = multipart(TEXT + "uno\n", part("Content-Type: application/pdf; name=a.pdf", "x"))
    assert names(raw.replace(cut, b"")) == ["a.pdf"]


def test_a_multipart_without_its_boundary_is_read_and_kept():
    read = parse.parse(mail("Mi problema", Content_Type="multipart/mixed; boundary=ab"))
    assert (read.text, [file.content for file in read.files]) == ("Mi problema", [b"Mi problema"])
    assert parse.parse(mail("Mi problema", Content_Type="multipart/mixed")).text == "Mi problema"


def test_boundaries_are_whole_lines():
    raw = mail(
        b"preambulo\r\n--ab \r\n\r\nuno --ab\r\n--abc\r\nx--ab--\r\n"
        b"--ab\r\nContent-Type: text/plain\r\n\r\ndos\r\n--ab--\r\nfin",
        Content_Type="multipart/mixed; boundary=ab",
    )
    assert parse.parse(raw).text == "uno --ab\r\n--abc\r\nx--ab--\n\ndos".replace("\r\n", "\n")


def test_a_digest_holds_messages():
    assert names(multipart("\nSubject: uno\n\nx\n", kind="digest")) == ["uno.eml"]


def test_identifiers_and_dates():
    read = parse.parse(
        mail(In_Reply_To="<a@x>", References="<b@x>\r\n <a@x> basura <c@x>", Date="Tue, 24 Nov 2026 10:00:00 -0600")
    )
    assert read.references == ("a@x", "b@x", "c@x")
    assert read.date == datetime(2026, 11, 24, 16, tzinfo=UTC)
    for wrong in ("ayer", "Tue, 99 Nov 2026 10:00:00 -0600", ""):
        assert parse.parse(mail(Date=wrong)).date is None
    assert parse.parse(mail(Date="Tue, 24 Nov 2026 10:00:00 -0000")).date == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_peek_says_who_and_what_for_the_tray():
    assert parse.peek(mail() + b"x" * 1000) == ("ana@ejemplo.mx", "No puedo timbrar")
    assert parse.peek(mail(From="a@x, b@y")) == ("", "No puedo timbrar")
    assert parse.peek(b"X: 1\n" * 3000) == ("", "")


@pytest.mark.parametrize("letter", "\u0130\u0131\u017f\u212a")
def test_letters_that_fold_to_ascii_make_no_address(letter):
    """«Kevin@» with a Kelvin sign is not kevin@: in small letters, or in capitals in the database, it would be."""
    assert parse.parse(mail(From=f"{letter}ana@ejemplo.mx")).sender == ""
    assert parse.parse(mail(From=f"Ana <ana@{letter}ejemplo.mx>")).sender == ""
    assert parse.parse(mail(From="Ana <ANA@Ñandú.mx>")).sender == "ana@ñandú.mx"
