"""Our links are cut out of every text and copy, whatever mail programs made of them (security A2; M16)."""

import base64
import binascii
import quopri
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core import signing
from django.urls import get_resolver

from factureya.core.mail import copies, own_links, parse
from factureya.testing.mails import mail, multipart

pytestmark = [pytest.mark.once, pytest.mark.clause("M16")]
TICKET = signing.dumps([7, "FY-XVA0-K4M2", "ab" * 12, 1799999999], salt=own_links.TICKET.salt, compress=True)
CONFIRM = signing.dumps(["SC-0000-0000", 3, "x", 1.5], salt=own_links.CONFIRM.salt, compress=True)
INVITATION = signing.Signer(salt=own_links.INVITATION.salt).sign("A" * 43)
LINKS = {
    "ticket": (own_links.TICKET, TICKET),
    "confirm": (own_links.CONFIRM, CONFIRM),
    "invitation": (own_links.INVITATION, INVITATION),
}
URL = own_links.make_url(own_links.TICKET, TICKET)


def wrapped(text: str, end: str, width: int = 60) -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


def as_base64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


FORMS = {
    "plain": lambda url, _: f"Hola: {url} gracias",
    "in brackets": lambda url, _: f"<{url}>.",
    "the token alone": lambda _, token: f"mi clave es {token}, ¿la ve?",
    "alone on a line": lambda _, token: f"Hola\n{token}\nAdiós",
    "quoted": lambda url, _: f"> {wrapped(url, chr(10) + '> ')}\n> Gracias",
    "quoted deep": lambda url, _: wrapped(url, "\n> > | > ", 50),
    "flowed": lambda url, _: wrapped(url, " \n"),
    "CRLF": lambda url, _: wrapped(url, "\r\n", 76),
    "soft breaks": lambda url, _: wrapped(url, "=\r\n"),
    "soft breaks and a space": lambda url, _: wrapped(url, "=20\n"),
    "quoted-printable": lambda url, _: "".join(f"={ord(c):02X}" for c in url),
    "safelinks": lambda url, _: f"https://eur.safelinks.protection.outlook.com/?url={quote(url, safe='')}&data=05",
    "percent twice": lambda url, _: quote(quote(url, safe=""), safe=""),
    "percent in quoted-printable": lambda url, _: quopri.encodestring(quote(url, safe="").encode()).decode(),
    "urldefense": lambda url, _: (
        "https://urldefense.proofpoint.com/v2/url?u="
        + quote(url, safe="").replace("-", "%2D").replace("_", "%5F").replace("%2F", "_").replace("%", "-")
        + "&d=1"
    ),
    "entities": lambda url, _: "".join(f"&#x{ord(c):x};" for c in url),
    "named entities": lambda url, _: url.replace(":", "&colon;").replace("/", "&sol;"),
    "entities twice": lambda url, _: url.replace(":", "&amp;#58;"),
    "attribute": lambda url, _: f"<a href='{url}'>{url[:30]}<b>{url[30:]}</b></a>",
    "tags inside": lambda url, _: f"{url[:50]}</span><span class='a'>{url[50:]}",
    "wbr": lambda url, _: wrapped(url, "<wbr>", 9),
    "invisible signs": lambda url, _: "\u200b".join(url),
    "JSON": lambda url, _: url.replace("/", "\\/"),
    "escaped": lambda url, _: url.replace(":", "\\u003a"),
    "base64": lambda url, _: as_base64(f"Hola: {url} gracias"),
    "quoted base64": lambda url, _: "base64\n" + "".join(f"> {line}\n" for line in as_base64(f"ñ {url}").split()),
    "base64 in a link": lambda url, _: "https://x.example/?u=" + base64.urlsafe_b64encode(url.encode()).decode(),
    "capitals": lambda url, _: url.replace(settings.SITE_URL, settings.SITE_URL.upper()),
    "no scheme": lambda url, _: url.partition("//")[2],
    "cut short": lambda url, _: url[:-4],
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("form", FORMS)
def test_a2_a_link_is_cut_out_of_any_form_of_it(link: str, form: str):
    kind, token = LINKS[link]
    text = FORMS[form](own_links.make_url(kind, token), token)
    assert own_links.MARK in own_links.cut_links(text)
    left = re.sub(r"[^\w-]", "", own_links.cut_links(text))
    assert token[-43:-20] not in left
    assert token[-20:] not in left


@pytest.mark.parametrize(
    "text",
    [
        "Hola, ¿cómo va FY-XVA0-K4M2?\n-- \nAna",
        f"https://otro.example/reset/{signing.Signer(salt='otro').sign('WzFd:1xXrtf')}/",
        "https://otro.example/enlace/una-pagina-con-un-nombre-muy-largo-que-no-es-de-nadie/",
        "12:30:45 a 13:00:00; 550:" + "z" * 60,
        "Uso este código postal: 72000; y mi factura es la 123456.",
    ],
)
def test_a2_what_is_no_link_of_ours_stays(text: str):
    assert own_links.cut_links(text) == text


def test_a2_the_codes_that_our_mails_announce_are_cut_out():
    text = "> Qué sigue: escriba este código en la página donde lo pidió.\n>\n> WXYZ-BCDF\n>\n> Dura 15 minutos."
    assert "WXYZ-BCDF" not in own_links.cut_links(text)
    text = "Qué sigue: dé este código a quien hizo la solicitud en Factureya.\n\n123456\n"
    assert "123456" not in own_links.cut_links(text)


SIGNS = [*":>|=%&\\<-_a/ .\n\t?;#Zé\u200b", "%3A", "=3A", "&#58;", ":a", "<a", "=?a?b?", "\n> ", "A" * 75 + "\n"]
PIECES = ["http://x/enlace/", ":" + "a" * 43, "a" * 43 + ":", "este código ", f"enlace/a:{'b' * 43}/"]


@pytest.mark.parametrize("piece", [*SIGNS, *PIECES], ids=repr)
def test_a2_cutting_is_linear(piece: str):
    text = (piece * 400_000)[:400_000]
    began = time.process_time()
    own_links.cut_links(text)
    assert time.process_time() - began < 4


def test_a2_every_page_with_a_token_is_in_the_list_of_links():
    """A new signed link that is not in own_links.KINDS would not be cut: this test is red for it."""
    pages = set()

    def walk(patterns, prefix=""):
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, path)
            elif "token" in path:
                pages.add(path)

    walk(get_resolver().url_patterns)
    listed = {f"{kind.path}/<str:token>/" for kind in own_links.KINDS}
    listed.add("enlace/<str:token>/cobro/<int:seq>/")  # a ticket's own link leads on to its charge
    # A file and an upload have a token in their address that is no link: they ask for a login and a policy.
    assert {page for page in pages if "archivos/" not in page and "subida" not in page} == listed


def test_a2_no_link_is_signed_or_written_beside_the_list():
    root = Path(settings.BASE_DIR)
    sources = [p for app in ("accounts", "tickets", "change_requests", "factureya") for p in (root / app).rglob("*.py")]
    for path in sources:
        if "tests" in path.parts or "bench" in path.parts or path.name == "own_links.py":
            continue
        text = path.read_text("utf-8")
        for kind in own_links.KINDS:
            assert f'"{kind.salt}"' not in text, path
            assert f"{{settings.SITE_URL}}/{kind.path}" not in text, path


# -- Copies ------------------------------------------------------------------------------------------


def part(text: str, encoding: str, kind: str = "text/plain", charset: str = "utf-8") -> bytes:
    content = text.encode(charset)
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(content)
    head = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body.replace(b"\n", b"\r\n")


ENCODINGS = ["8bit", "base64", "quoted-printable"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["text/plain", "text/html", "text/calendar"])
def test_a2_the_copy_of_a_mail_holds_no_link_and_its_other_parts_stay(encoding: str, kind: str):
    picture = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(
        b"\x89PNG" * 90
    )
    raw = multipart(part(f"¿Qué es?\n<a href='{URL}'>{URL}</a>\n", encoding, kind), picture)
    copy = copies.cut_mail(raw)
    assert picture in copy
    assert TICKET[-30:] not in everything_in(copy)
    assert "¿Qué es?" in everything_in(copy)


def everything_in(raw: bytes) -> str:
    """All that a mail program could show of these bytes."""
    read = parse.read_parts(raw, parse.Budget())
    texts = [raw.decode("utf-8", "replace")]
    for piece in read.walk():
        content = piece.content()
        texts += [content.decode("utf-8", "replace"), content.decode("utf-16", "replace")]
        if piece.is_message and not piece.parts:
            texts.append(everything_in(content))
    return re.sub(r"[=>\s]", "", "\n".join(texts)).replace("¿Qué", "¿Qué ")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a2_the_copy_of_a_mail_without_our_links_is_the_mail(encoding: str):
    inner = mail(part("https://otro.example/x:" + "z" * 50 + "\n", encoding).partition(b"\r\n\r\n")[2])
    attached = b"Content-Type: message/rfc822\r\n\r\n" + inner
    raw = multipart(part("Hola ñ\n", encoding), attached, part("x" * 3000, encoding, "application/pdf"))
    assert copies.cut_mail(raw) == raw


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a2_mails_inside_a_mail_are_cut_too(encoding: str):
    inner = mail(f"Vea {URL}\r\n")
    content = base64.encodebytes(inner) if encoding == "base64" else inner
    transfer = encoding if encoding == "base64" else "8bit"
    for kind in ("message/rfc822", "application/octet-stream; name=correo.eml"):
        attached = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n".encode() + content
        copy = copies.cut_mail(multipart(part("Reenvío", encoding), attached))
        assert TICKET[-30:] not in everything_in(copy)


@pytest.mark.parametrize("charset", ["utf-16", "utf-8", "latin-1"])
def test_a2_any_charset(charset: str):
    copy = copies.cut_mail(multipart(part(f"Vea {URL}", "base64", charset=charset)))
    assert TICKET[-30:] not in everything_in(copy)


@pytest.mark.parametrize("charset", ["latin-1", "utf-16-le"])
def test_a2_tokens_in_bytes_are_written_over_and_nothing_moves(charset: str):
    content = b"\xd0\xcf\x11\xe0\0\xff" + URL.encode(charset) + b"\0\xff"
    cut = copies.cut_file(content)
    assert len(cut) == len(content)
    assert TICKET[-30:].encode(charset) not in cut


def test_a2_a_head_with_a_link_is_cut():
    copy = copies.cut_mail(mail("Hola", List_Unsubscribe=f"<{URL}>"))
    assert TICKET[-30:].encode() not in copy


def test_a2_a_mail_beyond_the_limits_is_cut_as_one_text():
    parts = [part("x", "8bit")] * 300
    raw = multipart(part(URL, "base64"), *parts)
    with pytest.raises(parse.LimitExceeded):
        parse.parse(raw)
    assert TICKET[-30:] not in copies.cut_mail(raw).decode()
    assert own_links.MARK.encode() in copies.cut_mail(raw)


def test_a2_a_large_mail_is_copied_in_bounded_time():
    lines = (b"> 12:30 Buenas tardes, = ahi va: otra linea mas de esta conversacion\r\n" * 300_000)[:20_000_000]
    for encoding in (b"8bit", b"base64"):
        body = lines if encoding == b"8bit" else base64.encodebytes(lines[:15_000_000])
        raw = mail(body, Content_Type="text/plain", Content_Transfer_Encoding=encoding.decode())
        began = time.process_time()
        copies.cut_mail(raw)
        assert time.process_time() - began < 8


RETURNED = f"Message-ID: <x@factureya.com>\nSubject: Su código\n\nVea {URL}\n\nSu código es ABCD-EFGH\n"


@pytest.mark.clause("M6")
@pytest.mark.parametrize(
    "announced",
    ["", "--- Below this line is a copy of the message.\n\n", "------ This is a copy of the message ------\n\n"],
)
def test_a2_a_report_keeps_its_words_and_the_head_of_what_it_returns(announced: str):
    text = copies.cut_report(f"550 User unknown\n\n{announced}{RETURNED}")
    assert "550 User unknown" in text
    assert "Subject: Su código" in text
    assert "ABCD-EFGH" not in text


def test_a2_words_after_the_announcement_without_a_head_are_left_out():
    text = copies.cut_report("550 User unknown\n----- Original message -----\n\nSu código es ABCD-EFGH\n")
    assert "ABCD-EFGH" not in text


def test_attack_a2_a_link_in_a_uuencoded_file_is_not_in_the_copy():
    lines = [URL.encode()[at : at + 45] for at in range(0, len(URL), 45)]
    written = b"".join(binascii.b2a_uu(line) for line in lines)
    raw = mail(b"antes\r\nbegin 644 a.txt\r\n" + written.replace(b"\n", b"\r\n") + b"`\r\nend\r\n")
    copy = copies.cut_mail(raw)
    assert written[:60] in raw.replace(b"\r\n", b"\n")
    assert written[:60] not in copy.replace(b"\r\n", b"\n")
    assert b"antes" in copy


def test_attack_a2_a_link_in_a_charset_without_ascii_is_not_in_the_copy():
    raw = mail(f"Hola {URL} gracias".encode("cp037"), Content_Type="text/plain; charset=cp037")
    copy = copies.cut_mail(raw).partition(b"\r\n\r\n")[2].decode("cp037")
    assert TICKET[-43:] not in copy
    assert "gracias" in copy


def test_attack_a2_a_link_in_a_files_name_is_cut():
    raw = mail("x", Content_Type=f'application/octet-stream; name="{TICKET}.html"')
    assert TICKET[-43:] not in parse.parse(raw).files[0].name


# A stranger's signatures, in the ways that cost the most: behind breaks, between tags, as base64 (attack on A1, A2).
FLOODS = {
    "short": ":" + "a" * 20,
    "short behind breaks": "a\n" * 4 + ":" + "a" * 20,
    "whole behind breaks": "a\n" * 4 + ":" + "a" * 43,
    "between tags": "<b>a-3a:" + "a" * 20 + "\n",
    "as base64": as_base64(":" + "a" * 43 + "%41") * 2 + ".",
}


@pytest.mark.clause("M6")
@pytest.mark.parametrize("name", FLOODS)
def test_a_mail_made_of_signatures_costs_at_most_two_seconds(name):
    raw = mail(FLOODS[name] * (1_000_000 // len(FLOODS[name])))
    began = time.process_time()
    parse.parse(raw)
    copies.cut_mail(raw)
    assert time.process_time() - began < 2


def test_behind_more_signatures_than_are_computed_a_link_of_ours_is_still_cut():
    flood = " ".join([":" + "a" * 43] * (own_links.MAX_CHECKS + 10))
    assert TICKET not in own_links.cut_links(f"{flood} {TICKET} {URL}")
    few = " ".join(["a:" + "b" * 43] * 100)
    assert own_links.cut_links(few) == few
