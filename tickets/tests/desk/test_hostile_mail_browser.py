"""A hostile mail in Chromium, where an agent meets it: nothing runs, nothing remote is fetched (M16, M17).

Row 12 of the lessons from other helpdesks (background/security.md, part 1). What the mail would fetch is served by a
listener of ours, which nobody may ever call: neither the browser nor the server that read the mail.
"""

import socketserver
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.urls import reverse

from factureya.testing.desk import QUEUE, page_of
from factureya.testing.inbound_mails import ANA, became, deliver, last_inbound, make_ana, passed, trusted
from factureya.testing.mails import multipart
from factureya.testing.pages import cookies_of
from factureya.testing.people import make_agent

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.clause("M16", "M17")]
STRANGER = "extrano@otro.example"
RUN = "window.corrio=1"
HTML = """<html><head><base href="{away}/base/"><meta http-equiv="refresh" content="0;url={away}/refresh">
<link rel="stylesheet" href="{away}/hoja.css"><link rel="prefetch" href="{away}/antes">
<script src="{away}/s.js"></script>
<style>@import url("{away}/import.css"); body {{ background: url({away}/fondo.png) }}</style></head>
<body background="{away}/cuerpo.png" onload="{run}"><script>{run}</script>
<p>TEXTO VISIBLE <img src="{away}/pixel.png" onerror="{run}"><img src="x" onerror="{run}"></p>
<svg onload="{run}"><image href="{away}/svg.png"/></svg>
<video poster="{away}/v.png" src="{away}/v.mp4" autoplay></video>
<iframe src="{away}/marco"></iframe><iframe srcdoc="<script>parent.{run}</script>"></iframe>
<object data="{away}/objeto"></object><embed src="{away}/incrustado"><input autofocus onfocus="{run}">
<form action="{away}/enviar"><button formaction="javascript:{run}">Pague aquí</button></form>
<a href="javascript:{run}">Ver factura</a><a href="{away}/enlace" ping="{away}/ping">Otra</a>
<details open ontoggle="{run}">x</details><div style="background-image:url({away}/estilo.png)">y</div></body></html>"""
BREAKOUT = "\"'></title></textarea></script><script>{run}</script><img src={away}/campo.png onerror={run}>"


@pytest.fixture
def away() -> Iterator[tuple[str, list[str]]]:
    """An address that the mail names everywhere, and who called it."""
    calls: list[str] = []

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            calls.append(self.rfile.readline().decode("latin-1"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()


@pytest.fixture
def watched(page: Any, live_server: Any) -> Iterator[Any]:
    """A page of an agent's; in the end it asked nobody else for anything, opened no dialog and met no script."""
    wrong: list[str] = []
    page.context.add_cookies(cookies_of(make_agent(full_name="Darío Salgado"), live_server.url))
    page.context.on("request", lambda request: strange(request.url, live_server.url, wrong))
    page.context.on("page", lambda other: wrong.append(f"opened {other.url}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    yield page
    assert not wrong


def strange(url: str, site: str, wrong: list[str]) -> None:
    if not url.startswith(f"{site}/"):
        wrong.append(url)


def hostile(sender: str, where: str) -> bytes:
    """A mail that tries everything: as HTML, and in its subject, its names and its files."""
    fill = {"away": where, "run": RUN}
    words, html = BREAKOUT.format(**fill), HTML.format(**fill)
    name = words.replace('"', "").replace("/", "-")
    return multipart(
        f"Content-Type: text/html; charset=utf-8\n\n{html}\n",
        f'Content-Type: text/plain\nContent-Disposition: attachment; filename="{name}.txt"\n\n{html}\n',
        f'Content-Type: text/html\nContent-Disposition: attachment; filename="{name}.html"\n\n{html}\n',
        f'Content-Type: image/svg+xml\nContent-Disposition: attachment; filename="a.svg"\n\n<svg onload="{RUN}"/>\n',
        From=f'"{words.replace(chr(34), "")}" <{sender}>',
        Subject=words,
        Message_ID=None,
        Authentication_Results=passed(sender.partition("@")[2]),
    )


def opened(page: Any, site: str, path: str) -> str:
    """Open a page, unfold all of it, give what it loads the time to; its text."""
    assert page.goto(site + path).status == 200
    for summary in page.locator("main details > summary").all():
        summary.click()
    page.wait_for_load_state("networkidle")
    assert page.url.startswith(site + path.partition("?")[0])
    assert page.evaluate("window.corrio") is None
    foreign = "iframe, object, embed, base, video, form:not([action^='/']), [style], [onload], [onerror]"
    assert page.locator(f"main :is({foreign}), main img, main a[href^='javascript:']").count() == 0
    return str(page.inner_text("main"))


def test_row_12_hostile_html_mail_runs_nothing_and_fetches_nothing(
    watched: Any, live_server: Any, away: Any, settings: Any, tmp_path: Any
):
    """Zammad CVE-2018-1000154, django-helpdesk CVE-2021-3945 and its fix of Aug 2026, FreeScout's external images."""
    trusted(settings)
    settings.MEDIA_ROOT = tmp_path
    where, calls = away
    make_ana()
    assert deliver(hostile(STRANGER, where)).disposition == "reject-unregistered"
    letter = last_inbound()
    ticket = became(deliver(hostile(ANA, where)))
    mail = reverse("admin:tickets_ticket_mail", args=[letter.pk])
    tray = reverse("admin:tickets_ticket_tray")

    assert "<script>" in opened(watched, live_server.url, tray)  # shown, as text
    assert "TEXTO VISIBLE" in opened(watched, live_server.url, mail)
    for step in ("mail_open", "mail_link"):
        path = reverse(f"admin:tickets_ticket_{step}", args=[letter.pk])
        opened(watched, live_server.url, f"{path}?numero={ticket.number}")
    assert "<script>" in opened(watched, live_server.url, f"{QUEUE}?vista=abiertos")
    assert "TEXTO VISIBLE" in opened(watched, live_server.url, page_of(ticket))
    whole = reverse("admin:tickets_ticket_mail", args=[ticket.messages.get().inbound_id])
    assert "TEXTO VISIBLE" in opened(watched, live_server.url, whole)

    with watched.expect_download() as original:  # the original leaves as a file, never as a page
        watched.click("text=Descargar el original")
    assert original.value.suggested_filename.endswith(".eml")
    opened(watched, live_server.url, page_of(ticket))
    files = watched.locator("main a[href^='/archivos/']").all()
    assert files
    for link in files:
        with watched.expect_download():
            link.click()
    assert calls == []
