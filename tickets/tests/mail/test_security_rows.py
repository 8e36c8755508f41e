"""Rows 1-12 of the lessons from other helpdesks (background/security.md, part 1): one test each, naming its row.

The whole tables are in test_spoof, test_loops and core's tests of mail; here each lesson is told once, from outside.
"""

from datetime import timedelta
from html.parser import HTMLParser
from time import monotonic
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import Office, User
from factureya.core.clock import now
from factureya.core.models import Event, InboundMessage, OutboxMessage
from factureya.testing.desk import agent_in, page_of
from factureya.testing.inbound_mails import ANA, became, deliver, passed, proven, to_customers
from factureya.testing.mails import mail, multipart
from factureya.testing.pages import log_in
from factureya.testing.people import give_office, make_agent, make_contact, make_user, own_provider
from factureya.testing.tickets import mails_about, make_ticket
from tickets import notifications, operations
from tickets.models import Message, Note, Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M5", "M6")]
STRANGER = "nadie@otra.mx"


def nothing_moved_by(raw: bytes) -> InboundMessage:
    """The mail lies in the tray and nothing else is written but a notice."""
    before = [model._default_manager.count() for model in (Ticket, Message, Note, Event)]
    tickets = list(Ticket.objects.order_by("pk").values())
    assert deliver(raw).disposition.startswith("reject")
    assert [model._default_manager.count() for model in (Ticket, Message, Note, Event)] == before
    assert list(Ticket.objects.order_by("pk").values()) == tickets
    kept = InboundMessage.objects.latest("pk")
    assert kept.is_in_tray
    return kept


def test_row_1_a_forged_thread_id_with_an_agents_from_is_no_agents_reply(ana: User):
    """FreeScout CVE-2026-47123: identity read from a header that was never authenticated."""
    ticket, agent = make_ticket(requester=ana), make_agent(email="dario@ejemplo.mx")
    real = mails_about(ticket)[0]
    for ids in (
        f"<{real.message_id}>",
        f"<{notifications.make_root_id(ticket.number)}>",
        f"<notify-{ticket.pk}-{agent.pk}@factureya.com>",
        f"<{ticket.number}@factureya.com>",
        f"<reply-{ticket.pk}-{'0' * 32}@factureya.com>",
    ):
        nothing_moved_by(proven("Su clave es…", From=agent.email, In_Reply_To=ids, References=ids))
    assert {m.kind for m in to_customers()} == {"tickets/opened", "tickets/unproven"}


def test_row_2_an_agent_who_lost_access_does_not_answer_by_mail(ana: User):
    """FreeScout GHSA-83xx: the mail path skipped the policy of the web path."""
    ticket, agent = make_ticket(requester=ana), make_user("dario@ejemplo.mx", is_staff=True)
    with time_machine.travel(now() - timedelta(days=2)):
        give_office(agent, Office.AGENT, provider=own_provider(), ends_at=now() + timedelta(days=1))
    raw = proven("Listo", From=agent.email, Subject=f"RE: {ticket.number}")
    assert nothing_moved_by(raw).reason == "staff"


def test_row_3_an_unknown_sender_with_a_right_number_joins_no_thread(ana: User):
    """FreeScout GHSA-j49f: threading changed participants silently."""
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    nothing_moved_by(proven("Soy Ana desde otro correo", From=STRANGER, Subject=f"RE: {ticket.number}"))
    operations.answer(ticket.pk, agent=make_agent(), body="¿Y?", wait_reason="detail")
    assert {m.to for m in mails_about(ticket)} == {ANA}


def test_row_4_in_copy_gives_nothing_and_reply_addresses_are_not_guessed(ana: User):
    """Zendesk 2024, CVE-2024-49193: a spoofed requester and a Cc gave a stranger the whole history."""
    ticket = make_ticket(requester=ana)
    deliver(proven("Historia", Subject=f"RE: {ticket.number}", Cc=STRANGER, Bcc=STRANGER))
    operations.answer(ticket.pk, agent=make_agent(), body="¿Y?", wait_reason="detail")
    nothing_moved_by(proven("¿Qué dicen?", From=STRANGER, To=mails_about(ticket)[-1].headers["Reply-To"]))
    assert {m.to for m in to_customers() if m.kind != "tickets/unproven"} == {ANA}
    token = notifications.make_reply_address(ticket.number).partition(".")[2].partition("@")[0]
    assert len(token) * 5 >= 128  # bits


def test_row_5_a_thousand_forged_senders_get_a_receipt_each_at_most_without_a_word_of_theirs(settings: Any):
    """«Ticket Trick», Zendesk 2025: automatic receipts repeated an attacker's text to thousands of victims."""
    settings.MAIL_NOTICES_PER_HOUR = 100_000  # the cap of all is proven in test_spoof
    for number in range(1000):
        for _ in range(1 + number % 2):
            deliver(mail(f"COMPRE-{number}-{_}", From=f"v{number}@victima.mx", Subject="COMPRE", Message_ID=None))
    told = OutboxMessage.objects.all()
    assert told.count() == told.values("to").distinct().count() == 1000
    assert not told.filter(body__contains="COMPRE").exists()
    assert not told.filter(subject__contains="COMPRE").exists()


def test_row_6_reply_to_names_no_author(ana: User):
    """GitLab Service Desk H1 #1433607: Reply-To beat From as author."""
    agent = make_agent(email="dario@ejemplo.mx")
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx")
    ticket = became(deliver(proven(From=beto.email, Reply_To=f"{agent.email}, {ANA}", Sender=ANA)))
    assert (ticket.requester, ticket.messages.get().author) == (beto, beto)
    assert {m.to for m in mails_about(ticket)} == {beto.email}


OWN_HEADERS = ["Ticket", "Number", "User", "Author", "Agent", "Staff", "Verdict", "Inbound", "Token", "Trusted", "Role"]


@pytest.mark.parametrize("header", OWN_HEADERS)
def test_row_7_headers_that_claim_to_be_ours_are_not_believed(ana: User, header: str):
    """RT CVE-2023-41259: internal X-RT-* headers were believed from outside."""
    other, agent = make_ticket(), make_agent()
    for turn, value in enumerate((other.number, str(other.pk), agent.email, "pass", "1")):
        name = f"X-Factureya-{header}"
        nothing_moved_by(proven(f"a{turn}", **{name: value, "From": STRANGER}))
        nothing_moved_by(proven(f"b{turn}", **{name: value, "Authentication-Results": None}))
        ticket = became(deliver(proven(f"c{turn}", **{name: value, "Subject": f"{header} {turn}"})))
        assert (ticket.requester, ticket != other) == (ana, True)
    assert other.messages.count() == 1


def test_row_8_a_loop_stops_at_the_first_mark_and_at_the_cap(ana: User):
    """osTicket #1041, Odoo #66329 and others: automatic replies reopened tickets and answered each other."""
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    closes_at, told = ticket.closes_at, OutboxMessage.objects.count()
    for turn in range(60):
        marked = {"Subject": f"RE: {ticket.number}", "Auto-Submitted": "auto-replied"}
        assert deliver(proven(f"Estoy fuera {turn}", **marked)).disposition == "ignore-auto"
    ticket.refresh_from_db()
    assert (ticket.status, ticket.closes_at, OutboxMessage.objects.count()) == ("waiting", closes_at, told)
    for turn in range(60):
        deliver(proven(f"Gracias por su mensaje {turn}", Subject=f"Aviso {turn}"))
    assert OutboxMessage.objects.count() - told <= 10


def test_row_9_a_hundred_deliveries_are_one_and_another_text_is_another(ana: User):
    """Zammad #1662 (two tickets of one mail) and FreeScout #5591 (another mail with its id thrown away)."""
    same = proven("Uno", Message_ID="<a@ejemplo.mx>", Subject="Uno")
    said = [deliver(b"Received: by hop %d\r\n" % hop + same).disposition for hop in range(100)]
    assert (said[0], set(said[1:])) == ("accept-new", {"ignore-duplicate"})
    assert deliver(proven("Otro", Message_ID="<a@ejemplo.mx>", Subject="Otro")).disposition == "accept-new"
    nameless = proven("Sin id", Subject="Sin id")
    assert [deliver(nameless).disposition for _ in "ab"] == ["accept-new", "ignore-duplicate"]
    assert (Ticket.objects.count(), Message.objects.count(), len(to_customers())) == (3, 3, 3)


def test_row_10_broken_mail_lies_in_the_tray_and_stops_nothing(ana: User, settings: Any):
    """Zammad #795, #4132: unparsable mail lay where nobody looked, and one of it stopped the fetch."""
    settings.MAIL_ANSWERS_PER_SENDER = 1000
    broken = [
        lambda n: b"\xff\xfe\x00 %d" % n,
        lambda n: b"From: <>\r\n\r\n%d" % n,
        lambda n: b"%d" % n,
        lambda n: b'From: a@b.mx, c@d.mx\r\nContent-Type: multipart/mixed; boundary=""\r\n\r\n--%d' % n,
        lambda n: multipart(*["\nx\n"] * 300, Subject=str(n)),
    ]
    for number in range(200):
        assert deliver(broken[number % 5](number)).disposition.startswith("reject")
        assert deliver(proven(f"Bueno {number}", Subject=f"Bueno {number}")).disposition == "accept-new"
    assert Ticket.objects.count() == 200
    assert sum(kept.is_in_tray for kept in InboundMessage.objects.all()) == 200


def nested(depth: int) -> bytes:
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return b"From: " + ANA.encode() + b"\r\n" + heads + b"\r\nfin\r\n"


@pytest.mark.parametrize("what", ["10,000 parts", "1,000 deep", "26 MB"])
def test_row_11_work_is_bounded(ana: User, what: str):
    """OTRS CVE-2021-21439, RT CVE-2014-9472: unbounded work per mail."""
    raw = {
        "10,000 parts": lambda: multipart(*["\nx\n"] * 10_000, From=ANA),
        "1,000 deep": lambda: nested(1000),
        "26 MB": lambda: proven("x" * 26 * 1024 * 1024),
    }[what]()
    began = monotonic()
    kept = nothing_moved_by(raw)
    assert (kept.disposition, kept.reason) == ("reject-malformed", "limits")
    assert monotonic() - began < 5  # two seconds and 200 MB are measured in core's tests, in a process of its own


class Scripts(HTMLParser):
    """What a browser would run in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "").strip().lower() for name, value in attrs}
        links = [given.get(name, "") for name in ("href", "src", "action", "formaction", "data")]
        if (
            (tag == "script" and not given.get("src", "").startswith("/static/"))
            or tag in {"iframe", "object", "embed", "base", "style", "math"}
            or any(name.startswith("on") or name in {"style", "srcdoc"} for name in given)
            or any(link.startswith(("javascript:", "data:", "vbscript:")) for link in links)
            or any("evil.mx" in link for link in links)
        ):
            self.found.append(self.get_starttag_text() or tag)


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "<a href=javascript:alert(1)>x</a>",
    "{{7*7}}{% debug %}",
    "<iframe src=//evil.mx>",
    "<base href=//evil.mx>",
    "<math><mi//xlink:href=data:x,alert(1)>",
    "<style>*{x:y}</style>",
    "--><script>alert(1)</script>",
    "<!--<script>alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202egnp.exe<script>alert(1)</script>",
    "<details open ontoggle=alert(1)>",
    "<object data=//evil.mx>",
    "<form action=//evil.mx><button formaction=javascript:alert(1)>",
    "=cmd|' /C calc'!A0<script>",
    "<x onclick=alert(1)>x",
]


@pytest.mark.clause("M16")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_row_12_what_a_mail_says_is_text_on_every_page(ana: User, client: Client, payload: str):
    """Zammad CVE-2018-1000154 (subject), django-helpdesk CVE-2021-3945 (title, file, link), helpdesk-z #75 (name)."""
    name = payload.replace('"', "'").replace("/", "")
    file = f'Content-Type: text/plain; name="x"\nContent-Disposition: attachment; filename="{name}.txt"\n\nx\n'
    exe = f'Content-Type: text/x; name="x"\nContent-Disposition: attachment; filename="{name}.exe"\n\nx\n'
    for kind in ("plain", "html"):
        body = f"Content-Type: text/{kind}; charset=utf-8\n\n{payload} {kind}\n"
        raw = multipart(
            body,
            file,
            exe,
            From=f'"{name}" <{ANA}>',
            Subject=f"{payload} {kind}",
            Message_ID=None,
            Authentication_Results=passed(),
        )
        ticket = became(deliver(raw))
    log_in(client, ana)
    pages = [client.get(f"/tickets/{ticket.number}/"), client.get("/tickets/")]
    agent = agent_in(client)
    operations.assign(ticket.pk, agent=agent, assignee=agent)
    pages += [client.get(page_of(ticket)), client.get("/admin/tickets/ticket/")]
    pages += tray_pages(client, payload)
    for page in pages:
        assert page.status_code == 200
        found = Scripts()
        found.feed(page.content.decode())
        assert found.found == []


def tray_pages(client: Client, payload: str) -> list[Any]:
    """The tray and a mail in it that says the payload everywhere."""
    deliver(proven(payload, From=f'"{payload}" <{STRANGER}>', Subject=payload))
    letter = InboundMessage.objects.latest("pk")
    addresses = [reverse("admin:tickets_ticket_tray"), reverse("admin:tickets_ticket_mail", args=[letter.pk])]
    return [client.get(address) for address in addresses]
