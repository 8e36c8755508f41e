"""The customer's new words (behaviours 16, 17 and 18 of background/mail.md); HTML becomes text."""

from time import process_time

import pytest

from factureya.core.mail.html_text import html_to_text
from factureya.core.mail.parse import parse
from factureya.core.mail.replies import extract_reply
from factureya.testing.mails import mail

pytestmark = [pytest.mark.once, pytest.mark.clause("M6", "M17")]
SAID = "El mié, 5 mar 2025 a las 10:23, Soporte (<soporte@factureya.com>) escribió:"
BLOCK = "De: Soporte <s@f.mx>\nEnviado el: lunes, 5 de marzo de 2025\nPara: Ana\nCC: Beto\nAsunto: RE: x\n\nHola Ana"


@pytest.mark.parametrize(
    ("text", "own"),
    [
        (f"No abre\n{SAID}\n\n> hola\n> qué tal\n", "No abre"),
        (
            "El portal no abre\nEl mié, 5 de mar de 2025 a las 10:23 p. m., Ana López\n<a@x.mx> escribió:\n\n> hola",
            "El portal no abre",
        ),  # 18: wrapped over two lines
        ("Ya\n\nEl mié, 5 mar 2025 a las 10:23\u202fp.\u00a0m., Ana (<a@x.mx>) escribió:\n\n> hola", "Ya"),
        ("Ya\nEl lunes, 5 de marzo de 2025, 10:23:11 GMT-6, Soporte <s@f.mx> escribió:\n\n Hola Ana", "Ya"),
        ("Ya\nEl 5 mar 2025\na las 10:23\nSoporte\n<s@f.mx> escribió:\n> hola", "Ya"),
        ("Ya\n2016-01-27 10:23 GMT-06:00 Ana López <ana@x.mx>:\n\n> hola", "Ya"),
        ("Ya\n\nsoporte <s@f.mx> schrieb:\n>hola", "Ya"),
        ("Ya\n\nOp 18 juli 2013 10:23 schreef Sander het volgende:\n\nDit", "Ya"),
        (f"Ya quedó.\n\n________________________________\n{BLOCK}", "Ya quedó."),
        (f"Ya quedó.\n\n{BLOCK}", "Ya quedó."),  # 18: «Enviado el:»
        (f"Ya quedó.\n\n-----Mensaje original-----\n{BLOCK}", "Ya quedó."),
        ("Ya quedó.\n\n-----Original Message-----\nHola", "Ya quedó."),
        ("Ya\n\n*From:* Soporte\n*Sent:* 2016-01-27\n*To:* x\n*Subject:* y\n\nHola", "Ya"),
        (f"Listo\n\nEnviado desde mi iPhone\n\n{SAID}\n\n> hola", "Listo"),
        ("Listo\n\nObtener Outlook para Android\n", "Listo"),
        ("Listo\n-- \nAna López\nTel. 5", "Listo"),
        ('C\'est bon\nLe 4 janv. 2016 19:03, "Soporte"\n<s@f.mx>\na écrit :\n\n> Bonjour', "C'est bon"),
        ("Ya\n\nEl jueves, 21 de noviembre de 2013, Soporte escribió:\n\n>    hola\n>\n", "Ya"),
        ('Ya\nOn Nov 28, 2014 12:36 PM, "Soporte" <s@f.mx> wrote:\n\n>     hola\n> adiós', "Ya"),
        ("Esto no es un ---------- corte.\n\n--\n***\n####\n~~~~~\n_______\n", "Esto no es un ---------- corte."),
        ("Listo\n\n***\n=====\n\u1427\n", "Listo"),
        (f"{SAID}\n> uno\n> dos\n\nMi respuesta", "Mi respuesta"),  # 16: bottom
        ("Buenas\n> ¿uno?\nsí\n> ¿dos?\nno\n> fin", "Buenas\n> ¿uno?\nsí\n> ¿dos?\nno"),  # 16: interleaved
    ],
)
def test_quotes_and_signatures_are_cut(text, own):
    assert extract_reply(text) == own
    assert parse(mail(text)).shortened().new_text == own  # with CRLF


@pytest.mark.parametrize(
    "text",
    [
        "Hola\nEl sistema escribió:\nerror 500\ny no puedo",
        "El 5 de marzo no pude timbrar\nEl 6 de marzo de 2025 me escribió:\nerror 500",
        "De: Ana\nPara: Beto\nno llegó nada",
        "Estos son los datos:\nDe: Ana\nAsunto: factura\nfin",
        "Listo\n--\nNo puedo timbrar",
        "-- \nNo puedo timbrar",
        "> solo\n> una cita",
        "> uno\n> dos\n\nMi respuesta",  # nothing says that it is a quote
        "El 5 mar, Ana escribió:\n> a\nmis palabras",
        f"{SAID}\n> a\n> b",
        BLOCK,
        "Subtotal: 5\n-----\nTotal: 7",
        "Fecha: hoy\nReceived: no\nFrom: yo\nHola",
    ],
)
def test_what_is_not_surely_a_quote_stays(text):
    assert extract_reply(text) == text


def test_a_quote_alone_loses_only_its_attribution_or_nothing():
    assert extract_reply(f"{SAID}\n> a") == f"{SAID}\n> a"
    assert extract_reply(f"{SAID}\n> a\nmis palabras") == "mis palabras"


@pytest.mark.parametrize(
    "text",
    [
        f"Vean esto\n\n---------- Forwarded message ---------\n{BLOCK}",
        f"---------- Mensaje reenviado ----------\n{BLOCK}",
        f"Begin forwarded message:\n\n> {BLOCK}",
        "Inicio del mensaje reenviado:\n\n> De: x\n\n> texto",
        f"Vean\n\n-------- Correo reenviado --------\n{BLOCK}",
        f"Vean\n\n--- Mensaje reenviado por Juan Pérez ---\n{BLOCK}",
        f"Vean\n\nForwarded message from Ana on Monday\n{BLOCK}",
    ],
)
def test_17_a_whole_forward_is_content(text):
    assert extract_reply(text) == text


def test_17_the_subject_says_that_it_is_a_forward():
    body = f"Les reenvío\n\n{BLOCK}"
    for subject in ("RV: Factura", "Re: RV: Factura", "Reenvío: Factura", "RE:RE: Fwd: Factura"):
        assert parse(mail(body, Subject=subject)).shortened().new_text == body
    assert parse(mail(body, Subject="RE: Factura")).shortened().new_text == "Les reenvío"


def test_a_quoted_forward_below_an_answer_is_a_quote():
    assert extract_reply(f"Ya\n{SAID}\n\n---------- Forwarded message ---------\nx") == "Ya"


# -- Never a sentence of the customer's (findings/mail.md F1, F2, F4), in an answer too ---------------


@pytest.mark.parametrize(
    "line",
    [
        "Enviado desde mi celular porque la computadora no prende.",
        "Enviado desde un equipo distinto sale el mismo error CFDI40147.",
        "Enviado desde Outlook no abre, desde Gmail sí: ¿me ayudan?",
        "Enviado desde mi iPhone no llega",
        "Enviado con mi sello nuevo",
        "Enviado desde mi correo ana@ejemplo.mx",
        "Sent via API returns 301",
        "Sent from my desk while the server is down",
        "Descargar Outlook no ayudó",
    ],
)
def test_f1_a_sentence_that_begins_like_a_telephones_line_stays(line):
    for text in (f"No puedo timbrar.\n\n{line}", line, f"No puedo timbrar.\n\n{line}\n\n{SAID}\n> hola"):
        assert line in extract_reply(text)


@pytest.mark.parametrize(
    "line",
    [
        "Enviado desde mi iPhone",
        "Enviado desde mi iPhone 13 Pro Max.",
        "Sent from my Samsung Galaxy S21",
        "Enviado desde mi Huawei de Telcel",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Sent from Outlook",
        "Obtener Outlook para Android <https://aka.ms/AAb9ysg>",
        "Descargue Outlook para Android",
        "Enviado desde Yahoo Mail para iPhone",
        "Enviado desde Correo para Windows",
        "Enviado desde mi celular",
        "Diese Nachricht wurde von meinem Android-Mobiltelefon mit K-9 Mail gesendet.",
        "Envoyé de mon iPhone",
    ],
)
def test_f1_a_telephones_line_is_cut(line):
    assert extract_reply(f"Listo\n\n{line}\n") == "Listo"


@pytest.mark.parametrize(
    "text",
    [
        "Pasos:\n1. Abrir el portal\n> Error CFDI40147\n2. Nada",
        "Entro a Menú\n> Facturas\n> Nueva\ny se queda en blanco",
        "Dice:\n> Error 500",
        "> Facturas\n> Nueva\n\ny se queda en blanco",
    ],
)
def test_f2_a_line_with_an_angle_bracket_is_a_quote_only_behind_an_attribution(text):
    assert extract_reply(text) == text
    assert extract_reply(f"{text}\n\n{BLOCK}") == text


@pytest.mark.parametrize(
    "said",
    [
        "El 5 de octubre de 2026 a las 10:00 mi contador me escribió:",
        "El 5 de octubre de 2026 a las 10:00 el SAT escribió:",
        "El lunes 5 de octubre de 2026 a las 10:00 Juan <juan@cliente.example> me escribió:",
        "On October 5, 2026 at 10:00 my accountant wrote:",
    ],
)
def test_f4_a_sentence_about_who_wrote_what_is_no_attribution(said):
    text = f"Buenos días.\n{said}\n\nque no puede timbrar y que urge."
    assert extract_reply(text) == text


def test_f4_without_an_address_it_is_one_before_a_quote_or_at_the_end():
    said = "El 5 mar 2025 a las 10:23, Soporte Factureya escribió:"
    assert extract_reply(f"Ya\n\n{said}\n\n> hola") == "Ya"
    assert extract_reply(f"Ya\n\n{said}\n") == "Ya"


def test_a1_a_line_too_long_for_the_patterns_is_kept_whole():
    line = "El 5 mar 2025 a las 10:23, " + "muy " * 300 + "<a@b.mx> escribió:"
    assert extract_reply(f"Ya\n{line}\n\nfin") == f"Ya\n{line}\n\nfin"
    assert extract_reply(f"Ya {line}\n{SAID}\n> hola") == f"Ya {line}"


# -- HTML --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Uno</p><p>Dos &amp; <b>tres</b></p>", "Uno\n\nDos & tres"),
        ("<table><tr><td>RFC</td><td>XAXX</td></tr></table>", "RFC  XAXX"),
        ("<script>mal()</script><style>b{}</style>Hola<img src='http://x/y'>", "Hola"),
        ('<?xml version="1.0" encoding="utf-8"?><p>Hola</p>', "Hola"),
        ("<p>Sin cerrar <b>nada", "Sin cerrar nada"),
        ("", ""),
        ("<!-- nada -->", ""),
        ("solo texto", "solo texto"),
        ("<p>Pasos</p><blockquote style='margin:0 0 0 40px'>uno</blockquote>", "Pasos\n\nuno"),
    ],
)
def test_html_is_read(html, text):
    assert html_to_text(html).split() == text.split()


@pytest.mark.parametrize("mark", ['type="cite"', 'class="gmail_quote"', 'cite="mid:x"'])
def test_a_marked_quote_of_html_is_a_quote(mark):
    page = f"<div>Listo</div><div>{SAID.replace('<', '&lt;')}</div><blockquote {mark}>Hola<div>q</div></blockquote>fin"
    assert "> Hola\n> q" in html_to_text(page)
    assert extract_reply(html_to_text(page)).split() == ["Listo", "fin"]


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr>" + "<td>a" * 5001,
        "<b>" * 100_000 + "hola",
        "<div>" * 5_000 + "hola",
        "<table><tr><td>" * 300 + "hola",
        "<ul><li>" * 3000 + "hola",
        "<" * 100_000,
        "<a " * 100_000,
        "&" * 100_000,
        "<!--" * 100_000,
        "<script>" * 50_000,
        "<p>línea con <b>acentos</b></p>\n" * 12_000,
        "<table>" + ("<tr>" + "<td>a" * 60) * 80,
        "<table><tr><td>" + "x<br>" * 40_000 + "</td>" + "<td>a</td>" * 1500,
        "<table>" + "<tr><td>" + "x" * 200_000 + "</td></tr>" + "<tr><td>a</td></tr>" * 10_000,
        "<table><tr><td>" * 600 + "x<br>" * 50_000,
        "<blockquote type=cite>a" * 2_000 + "x<br>" * 60_000,
        "<a " + " ".join(f"a{number}=" for number in range(48_000)) + ">hola</a>",
        "<ul><li>" * 900 + "x<br>" * 70_000,
        "<pre>" + "a\n" * 190_000,
        "<p style='" + " display" * 49_000 + "'>x",
        "<b><p></b>" * 39_000,
    ],
)
def test_hostile_html_costs_little(html):
    begin = process_time()
    html_to_text(html)
    assert process_time() - begin < 2


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><td><p>Uno</p></td><td><p>Dos</p></td></tr><tr><td>Tres</td></tr></table>", "Uno  Dos\n\nTres"),
        ("<table><tr><td>a<br>b</td><td>c</td></tr></table>", "a\nb\nc"),
        ("<div>Uno</div><div><br></div><div>Dos<br>tres</div>", "Uno\n\nDos\ntres"),
        ("<ul><li>a<li><p>b</p><ol><li>x<li>y</ol></ul>z", "* a\n\n* b\n\n  1. x\n  2. y\nz"),
        ("<pre>a\n  b\n\nc</pre>d", "a\n  b\n\nc\nd"),
        ("uno<!-- no --> dos<span style='display: none'>no</span> tres", "uno dos tres"),
        ("uno" + "<div>" * 300 + "hola" + "</div>" * 300 + "fin", "uno\nhola\nfin"),
        ("<div>" * 5000 + "hola</div> fin", "hola fin"),  # deeper than the parser goes
    ],
)
def test_a3_html_keeps_its_words_and_lines(html, text):
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "text",
    [
        "> a\n" * 100_000,
        "\n" * 400_000,
        "El 5 mar 2025 a las 10:23\n" * 16_000,
        "De: a\nEnviado: b\n" * 20_000,
        "El 1 " + "a" * 400_000,
        "<a@b> " * 60_000,
        "-" * 400_000,
        "Forwarded message" * 20_000,
        ("a\n> b\n") * 60_000,
    ],
)
def test_hostile_text_costs_little(text):
    begin = process_time()
    extract_reply(text)
    assert process_time() - begin < 2
