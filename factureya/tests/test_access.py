"""Every address × everybody who may come: a URL without a row is red (M3, M16; security.md rows 16, 18, 21).

The cast is the demo's: Ana and Beto (one company), Carla (another), Dario (agent), Irma (a third party's agent), Laura
(supervisor), Elsa, Fabián, Jorge, Gina (officers), Hugo (developer), Olga (Auditoría), and a superuser without an
office.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Office, Provider, User
from change_requests import operations as request_operations
from change_requests.emergency.models import EmergencyGrant
from change_requests.models import Evidence, FormalRequest
from factureya.core import audit, clock, health
from factureya.core.files import store
from factureya.core.mail import intake
from factureya.core.models import Event, InboundMessage, OutboxMessage
from factureya.testing import (
    access_authority,
    access_calendar,
    access_charges,
    access_control,
    access_credits,
    access_emergency,
    access_packages,
    access_phone,
    access_requests,
    request_histories,
)
from factureya.testing.access import DESK, ROLES, Row, World, codes, key
from factureya.testing.pages import make_client
from factureya.testing.people import (
    PASSWORD,
    Cast,
    make_agent,
    make_auditor,
    make_neighbours,
    make_staff,
    make_superuser,
)
from factureya.testing.tickets import make_inbound, make_ticket
from tickets import notifications, operations
from tickets.calls import operations as calls
from tickets.models import Ticket, TicketFile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _just_started(monkeypatch):
    """A process that has just started is ready: how long the suite has run says nothing about /readyz."""
    monkeypatch.setattr(health, "_started_at", clock.now())


@pytest.fixture
def world(tmp_path, settings) -> World:
    settings.MEDIA_ROOT, settings.PACKAGES_DIR = tmp_path / "media", tmp_path / "packages"
    cast = make_neighbours()
    people: dict[str, User | None] = {
        "anonymous": None,
        **{role: person for role, person in vars(cast).items() if role in ROLES},
        "dario": make_agent(),
        "irma": make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Soporte Externo")),
        "hugo": make_staff(Office.DEVELOPER),
        "olga": make_auditor(),
        "root": make_superuser(),
    }
    image = store.store(SimpleUploadedFile("nota.txt", b"texto de prueba"), draft="d1")
    hidden = store.store(SimpleUploadedFile("interno.txt", b"texto interno"), draft="d2")
    ticket = make_ticket(requester=cast.ana, files=[image])
    operations.add_note(ticket.pk, agent=people["dario"], body="Nota interna", files=[hidden])
    access_packages.make_packages(cast)
    access_charges.make_charge(cast, ticket)
    mailed = make_inbound(disposition="accept-reply")
    operations.add_information(ticket.pk, author=cast.ana, body="Por correo", inbound=mailed)
    files = TicketFile.objects.filter(ticket=ticket)
    return World(
        people,
        ticket,
        make_ticket(Ticket.Status.CLOSED, requester=cast.ana),
        files.get(message__isnull=False),
        files.get(note__isnull=False),
        strangers_mail(),
        mailed,
        *formal_request(cast),
        access_emergency.make_emergency(cast),
        calls.start_call(agent=people["dario"], contact=cast.ana),
        calls.note_sale(agent=people["dario"], caller_name="Luis", caller_phone="222 555 0199", note=""),
    )


def strangers_mail() -> InboundMessage:
    """Return a mail that lies in the tray, read as any other."""
    raw = b"From: x@nadie.example\nTo: soporte@factureya.com\nSubject: Hola\n\nHola\n"
    intake.receive(raw, source="pipe")
    return InboundMessage.objects.latest("pk")


def formal_request(cast: Cast) -> tuple[FormalRequest, Evidence]:
    """Ana's request, in approval and with Gina designated, and its file."""
    file = store.store(SimpleUploadedFile("constancia.txt", b"constancia"), draft="d3")
    formal = request_operations.add_evidence(request_histories.draft(cast).pk, actor=cast.ana, files=[file])
    for status in request_histories.ORDER[1 : request_histories.ORDER.index("in_approval") + 1]:
        formal = request_histories.step(cast, formal, status)
    request_operations.designate(formal.pk, actor=cast.elsa, implementer=cast.gina)
    request_operations.approve(
        formal.pk, actor=cast.fabian, reason=request_histories.WHY, seen_hash=request_histories.seen(formal)
    )
    return formal, Evidence.objects.get(request=formal)


def number(world: World) -> list[Any]:
    """Ana's open ticket by its number."""
    return [world.ticket.number]


def pk(world: World) -> list[Any]:
    """Ana's open ticket by its key, as the admin addresses it."""
    return [world.ticket.pk]


def inbound(world: World) -> list[Any]:
    """A stranger's mail, in the tray."""
    return [world.quarantined.pk]


def inbound_of_ticket(world: World) -> list[Any]:
    """The mail that became a message of Ana's ticket."""
    return [world.mailed.pk]


ANYBODY = codes(200)
SIGNED_IN = codes(200, anonymous=302)
SIGNED_OUT = codes(302, anonymous=200)
HER_COMPANY = codes(404, anonymous=302, ana=200, beto=200)
HER_COMPANY_AND_DESK = HER_COMPANY | {"dario": 200, "laura": 200, "olga": 200}
OWN_DESK = codes(403, anonymous=302, dario=200, laura=200, irma=404, root=404)
MAIL_DESK = codes(403, anonymous=302, dario=200, laura=200)
CATALOGUE = codes(403, anonymous=302, desk=404, laura=200)
READER = {"olga": 200}  # Auditoría: opens every page that only shows (M26)
IN_ADMIN = codes(403, anonymous=302, desk=200, root=200, olga=200)
ROOT_ONLY = codes(403, anonymous=302, root=200)
ROOT_AND_SUPERVISOR = ROOT_ONLY | {"laura": 200}
POST_IN_ADMIN = codes(403, anonymous=302, desk=405, root=405, olga=405)
VERIFIERS = codes(403, anonymous=302, dario=404, laura=404)
NOBODY = codes(404)
FORGED = key("forjado")
TABLE: dict[str, list[Row]] = {
    "portal:home": [Row(ANYBODY)],
    "portal:about": [Row(ANYBODY)],
    "portal:support": [Row(ANYBODY)],
    "portal:sat": [Row(ANYBODY)],
    "portal:free_app": [Row(ANYBODY)],
    "portal:free_app_terms": [Row(ANYBODY)],
    "portal:system": [Row(ANYBODY)],
    "portal:privacy": [Row(ANYBODY)],
    "portal:accessibility": [Row(ANYBODY)],
    "portal:robots": [Row(ANYBODY)],
    "healthz": [Row(ANYBODY)],
    "readyz": [Row(ANYBODY)],
    # /cuenta/
    "accounts:home": [Row(SIGNED_IN)],
    "accounts:people": [Row(codes(403, anonymous=302, ana=200, carla=200))],
    "accounts:limit_person": [Row(codes(403, anonymous=302, ana=405, carla=405))],
    "accounts:resend_invitation": [Row(codes(403, anonymous=302, ana=405, carla=405))],
    "accounts:cancel_invitation": [Row(codes(403, anonymous=302, ana=405, carla=405))],
    "accounts:branding": [Row(codes(403, anonymous=302, ana=200, carla=200))],
    "accounts:branding_invoice": [Row(codes(403, anonymous=302, ana=200, carla=200))],
    "accounts:branding_pdf": [Row(codes(403, anonymous=302, ana=200, carla=200))],
    "accounts:branding_logo": [Row(codes(404, anonymous=302), key("0" * 64, "pantalla"))],
    "accounts:branding_colours": [Row(ANYBODY, key("1f5f8b-f2a33a", "portal"))],
    "accounts:accept_invitation": [Row(codes(410), FORGED)],
    "accounts:totp_qr": [Row(codes(404, anonymous=302))],
    "account_login": [Row(SIGNED_OUT)],
    "account_logout": [Row(SIGNED_IN)],
    "account_signup": [Row(SIGNED_OUT)],
    "account_email_verification_sent": [Row(codes(302))],
    "account_inactive": [Row(ANYBODY)],
    "account_reauthenticate": [Row(SIGNED_IN)],
    "account_change_password": [Row(SIGNED_IN)],
    "account_reset_password": [Row(ANYBODY)],
    "account_confirm_password_reset_code": [Row(codes(302))],
    "account_complete_password_reset": [Row(codes(302))],
    "mfa_index": [Row(SIGNED_IN)],
    "mfa_authenticate": [Row(codes(302))],
    "mfa_reauthenticate": [Row(codes(302))],
    "mfa_activate_totp": [Row(codes(302))],
    "mfa_deactivate_totp": [Row(codes(404, anonymous=302))],
    "mfa_view_recovery_codes": [Row(codes(404, anonymous=302))],
    "mfa_generate_recovery_codes": [Row(codes(302))],
    "mfa_download_recovery_codes": [Row(codes(404, anonymous=302))],
    # /tickets/
    "tickets:list": [
        Row(codes(403, anonymous=302, customers=200)),
        Row(codes(403, anonymous=302, customers=200), query="?q=timbrar"),
    ],
    "tickets:new": [
        Row(codes(403, anonymous=302, customers=200)),
        Row(codes(403, anonymous=302, customers=200), method="post"),
    ],
    "tickets:folio_offers": [Row(codes(403, anonymous=302, customers=200))],
    "tickets:similar": [Row(codes(403, anonymous=302, customers=200), query="?subject=timbrar")],
    "tickets:lookup": [Row(ANYBODY), Row(ANYBODY, method="post")],
    "tickets:detail": [Row(HER_COMPANY_AND_DESK, number)],
    "tickets:created": [Row(HER_COMPANY_AND_DESK, number)],
    "tickets:add_information": [Row(codes(405), number), Row(HER_COMPANY, number, method="post")],
    "tickets:confirm": [Row(HER_COMPANY, number)],
    "tickets:authorize": [Row(codes(405), number), Row(HER_COMPANY | {"ana": 302, "beto": 302}, number, method="post")],
    **access_charges.ROWS,
    "tickets:follow_up": [
        Row(HER_COMPANY | {"ana": 302, "beto": 302}, number),  # not closed: back to the ticket
        Row(HER_COMPANY, lambda world: [world.closed.number]),
    ],
    "tickets:link": [Row(codes(404), FORGED)],
    "tickets:file": [
        Row(HER_COMPANY_AND_DESK, lambda world: [world.file.attachment.token]),
        Row(
            codes(404, anonymous=302, dario=200, laura=200, olga=200), lambda world: [world.note_file.attachment.token]
        ),
    ],
    **access_control.ROWS,
    **access_emergency.ROWS,
    **access_packages.ROWS,
    **access_requests.ROWS,
    # /admin/
    "admin:index": [Row(codes(403, anonymous=302, desk=302, root=200, olga=302))],
    "admin:login": [Row(codes(403, anonymous=302, desk=302, root=302, olga=302))],
    "admin:logout": [Row(IN_ADMIN)],
    "admin:password_change": [Row(codes(403, anonymous=302, desk=302, root=302, olga=302))],
    "admin:password_change_done": [Row(codes(403, anonymous=302, desk=302, root=302, olga=302))],
    "admin:autocomplete": [Row(codes(403, anonymous=302))],
    "admin:jsi18n": [Row(IN_ADMIN)],
    "admin:view_on_site": [Row(codes(403, anonymous=302, desk=404, root=404, olga=404), key(1, 1))],
    "admin:app_list": [Row(IN_ADMIN | {"root": 404}, key("tickets"))],
    "admin:accounts_customertoverify_changelist": [Row(codes(403, anonymous=302, dario=200, laura=200, olga=200))],
    "admin:accounts_customertoverify_change": [Row(VERIFIERS | {"olga": 404}, key(1))],
    "admin:accounts_customer_changelist": [Row(codes(403, anonymous=302, dario=200, laura=200, root=200, olga=200))],
    "admin:accounts_customer_change": [
        Row(ROOT_ONLY | READER | {"dario": 200, "laura": 200}, lambda world: [world.ticket.customer_id])
    ],
    **access_credits.ROWS,
    "admin:accounts_user_changelist": [Row(ROOT_ONLY | READER)],
    "admin:accounts_user_invite": [Row(ROOT_ONLY)],
    "admin:accounts_user_change": [Row(ROOT_ONLY | READER, lambda world: [world.ticket.requester_id])],
    "admin:accounts_provider_changelist": [Row(ROOT_ONLY | READER | {"laura": 200})],
    "admin:core_event_changelist": [Row(ROOT_ONLY)],
    "admin:core_event_change": [Row(ROOT_ONLY, lambda _w: [Event.objects.first().pk])],
    **access_authority.ROWS,
    **access_calendar.ROWS,
    "admin:core_outboxmessage_changelist": [Row(ROOT_AND_SUPERVISOR | READER)],
    "admin:core_outboxmessage_change": [
        Row(ROOT_AND_SUPERVISOR | READER, lambda _w: [OutboxMessage.objects.first().pk])
    ],
    "admin:tickets_ticket_changelist": [Row(IN_ADMIN), Row(IN_ADMIN, query="?q=timbrar")],
    **access_phone.ROWS,
    "admin:tickets_ticket_change": [Row(OWN_DESK | READER, pk)],
    "admin:tickets_ticket_confirm": [Row(OWN_DESK, pk)],
    "admin:tickets_ticket_catalogue": [Row(CATALOGUE | READER), Row(CATALOGUE | {"laura": 404}, method="post")],
    "admin:tickets_ticket_merge": [Row(OWN_DESK, pk), Row(OWN_DESK, pk, method="post")],
    "admin:tickets_ticket_undo_merge": [Row(OWN_DESK, pk), Row(OWN_DESK, pk, method="post")],
    "admin:tickets_ticket_split": [Row(OWN_DESK, pk), Row(OWN_DESK, pk, method="post")],
    "admin:tickets_ticket_hand_over": [Row(OWN_DESK | {"dario": 404}, pk)],
    **access_charges.DESK_ROWS,
    "admin:tickets_ticket_assign": [Row(POST_IN_ADMIN)],
    "admin:tickets_ticket_write": [Row(POST_IN_ADMIN, pk), Row(OWN_DESK, pk, method="post")],
    "admin:tickets_ticket_tray": [Row(MAIL_DESK | READER), Row(MAIL_DESK | READER, query="?vista=robots")],
    "admin:tickets_ticket_mail": [
        Row(MAIL_DESK | READER | {"irma": 404}, inbound),
        Row(MAIL_DESK | READER | {"irma": 404}, inbound_of_ticket),
    ],
    "admin:tickets_ticket_mail_original": [Row(MAIL_DESK | READER | {"irma": 404}, inbound)],
    "admin:tickets_ticket_mail_link": [
        Row(MAIL_DESK | {"dario": 302, "laura": 302}, inbound),  # without a ticket's number: back
        Row(MAIL_DESK | {"dario": 302, "laura": 302}, inbound, method="post"),
    ],
    "admin:tickets_ticket_mail_open": [Row(MAIL_DESK, inbound), Row(MAIL_DESK, inbound, method="post")],
    "admin:tickets_ticket_mail_discard": [Row(POST_IN_ADMIN, inbound), Row(MAIL_DESK, inbound, method="post")],
    "admin:tickets_ticket_retry_mail": [
        Row(POST_IN_ADMIN, lambda world: [world.ticket.pk, 1]),
        Row(OWN_DESK | {"dario": 302, "laura": 302}, lambda world: [world.ticket.pk, 1], method="post"),
    ],
    "admin:tickets_ticket_release_close": [
        Row(POST_IN_ADMIN, pk),
        Row(OWN_DESK | {"dario": 302, "laura": 302}, pk, method="post"),
    ],
    "admin:tickets_ticket_properties": [
        Row(POST_IN_ADMIN, pk),
        Row(OWN_DESK | {"dario": 302, "laura": 302}, pk, method="post"),
    ],
}
# Buttons of the accounts' admin pages: POST only, on an object that is not there, so that only the gate answers.
ROOT_POSTS = codes(403, anonymous=302, root=404)
for button in ("verify", "join", "refuse"):
    TABLE[f"admin:accounts_customertoverify_{button}"] = [
        Row(POST_IN_ADMIN, key(999)),
        Row(VERIFIERS, key(999), method="post"),
    ]
for button in ("grant", "end", "close", "request_reset", "approve_reset", "decline_reset", "resend", "cancel"):
    keys = key(999, 999) if button in {"end", "approve_reset", "decline_reset"} else key(999)
    TABLE[f"admin:accounts_user_{button}"] = [Row(POST_IN_ADMIN, keys), Row(ROOT_POSTS, keys, method="post")]
# Mails and events are neither added nor deleted, and the stock history is not there.
for model in ("event", "outboxmessage"):
    TABLE[f"admin:core_{model}_history"] = [Row(IN_ADMIN | dict.fromkeys((*DESK, "olga", "root"), 404), key(1))]
for model in ("event", "outboxmessage"):
    TABLE[f"admin:core_{model}_add"] = [Row(codes(403, anonymous=302))]
    TABLE[f"admin:core_{model}_delete"] = [Row(codes(403, anonymous=302), key(1))]


# What of TABLE the emergency about Ana's company may ask: its page, the company, and the company's tickets and files.
REACHED_INSIDE = {
    ("get", name)
    for name in ("emergency:inside", "admin:accounts_customer_change", "admin:tickets_ticket_change", "tickets:file")
}


def all_addresses() -> Iterator[str]:
    """The name of every address of the site; one without a name is shown by its pattern."""

    def walk(resolver: URLResolver, namespace: str) -> Iterator[str]:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                yield from walk(entry, inner)
            elif isinstance(entry, URLPattern):
                yield f"{namespace}{entry.name}" if entry.name else f"{namespace}<{entry.pattern}>"

    yield from walk(get_resolver(), "")


# The admin's catch-all and the short address of an object that redirects to its page.
NAMELESS = {"admin:<(?P<url>.*)$>", "admin:<<path:object_id>/>"}


@pytest.mark.clause("M3", "M16")
def test_every_address_has_a_row():
    missing = set(all_addresses()) - set(TABLE) - NAMELESS
    assert not missing, f"say in TABLE who may reach {sorted(missing)}"
    assert not set(TABLE) - set(all_addresses())


EXPORTS = re.compile("export|csv|download|expediente|archive|original|statement")


@pytest.mark.clause("M3")
def test_a_third_party_exports_nothing():
    exports = {name: rows for name, rows in TABLE.items() if EXPORTS.search(name)}
    assert exports
    reached = [name for name, rows in exports.items() for row in rows if row.expected["irma"] in {200, 302}]
    assert not reached


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("role", ROLES)
def test_who_reaches_what(world, role):
    find_wrong_answers(world, world.client(role), role)


@pytest.mark.clause("M22", "M23")
def test_an_emergency_account_at_rest_reaches_what_a_stranger_does(world):
    """Even with a session from somewhere, as no window is open (M23)."""
    world.people["emergency"] = User.objects.create_user(
        "emergencia-01@factureya.example", is_emergency=True, is_active=False
    )
    find_wrong_answers(world, world.client("emergency"), "anonymous")


@pytest.mark.clause("M22", "M23")
def test_an_open_emergency_reaches_its_customer_and_nothing_else(world):
    """Its own pages, the customer, his tickets and files, to read; every other address is refused and recorded."""
    grant = world.emergency.open(EmergencyGrant.objects.get())
    gina = make_client(world.people["gina"])
    gina.post(reverse("emergency:enter", args=[grant.folio]), {"password": PASSWORD})
    reached = {
        (row.method, name)
        for name, rows in TABLE.items()
        if name not in ("account_logout", "emergency:leave")  # they end it
        for row in rows
        if gina_reaches(gina, row.method, reverse(name, args=row.args(world)) + row.query)
    }
    assert reached == REACHED_INSIDE
    assert not list(audit.find_flaws())


def gina_reaches(client: Client, method: str, address: str) -> bool:
    """Ask an address inside the emergency; return True unless the emergency is refused there."""
    answer = getattr(client, method)(address)
    b"".join(answer)
    assert answer.status_code in (200, 302, 403, 405), f"{method} {address}: {answer.status_code}"
    return bool(answer.status_code in (200, 302))


def find_wrong_answers(world: World, client: Client, role: str) -> None:
    """Ask every address of the table, and fail with those that do not answer as the table says for this role."""
    wrong = []
    for name, rows in TABLE.items():
        for row in rows:
            address = reverse(name, args=row.args(world)) + row.query
            answer = getattr(client, row.method)(address)
            code = answer.status_code
            b"".join(answer)  # a file is read to its end; a close by hand would close PostgreSQL's connection
            if code != row.expected[role]:
                wrong.append(f"{row.method} {name}: {code}, expected {row.expected[role]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.clause("M16")
def test_no_foreign_row_in_search_and_one_neutral_answer(world):
    carla = world.client("carla")
    found = carla.get(reverse("tickets:list") + f"?q={world.ticket.number}")
    assert world.ticket.subject not in found.content.decode()
    token = notifications.make_link_token(world.people["carla"], world.ticket)  # a link to a ticket she may not see …
    forged = carla.get(reverse("tickets:link", kwargs={"token": token}))
    assert forged.status_code == 404  # … is worth nothing
    answers = {
        carla.post(reverse("tickets:lookup"), {"number": number, "email": email})
        .content.decode()
        .replace(number, "")
        .replace(email, "")
        for number, email in [(world.ticket.number, "carla@otra.mx"), (world.ticket.number, "nadie@otra.mx")]
    }
    assert len({_without_csrf(page) for page in answers}) == 1


def _without_csrf(page: str) -> str:
    return re.sub(r'name="(csrfmiddlewaretoken|form_key)" value="[^"]*"', "", page)
