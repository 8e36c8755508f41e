"""What is longer than its column is refused or cut by operations too, whatever brought it (servers.md; M16, M17, M21).

On SQLite a column takes any length, so these tests look at what was stored; on PostgreSQL it would be an error.
"""

from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Length
from django.urls import reverse

from accounts import operations as people
from accounts.models import Customer, Office, Provider
from accounts.rfc import parse_rfc as rfc
from change_requests import operations
from change_requests.kinds import content
from change_requests.models import FormalRequest
from factureya.core.mail import intake, mailbox, outbox
from factureya.core.models import Attachment, OutboxMessage
from factureya.testing.mails import mail, multipart
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import PASSWORD, Cast, make_contact, make_staff, make_superuser
from factureya.testing.request_histories import draft, make, seen
from factureya.testing.tickets import make_ticket
from tickets import operations as desk
from tickets.models import Ticket
from tickets.models.ticket import MAX_SEARCH_WORDS

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M16", "M17", "M21")]
Status = FormalRequest.Status
LONGER = "\u0958"  # composed it is two characters
LIGATURE = "\ufdfa"  # compared it is eighteen


def too_long() -> list[str]:
    """Every stored text that is longer than its column."""
    found = []
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.CharField) and field.max_length:
                rows = model._base_manager.annotate(n=Length(field.name)).filter(n__gt=field.max_length)
                found += [f"{model.__name__}.{field.name}"] if rows.exists() else []
    return found


@pytest.fixture(autouse=True)
def _all_fits():
    yield
    assert too_long() == []


@pytest.fixture
def cast() -> Cast:
    return Cast()


# -- Formal requests: the finding ----------------------------------------------------------------------

REASONS: list[tuple[str, str, str, str, dict[str, str]]] = [
    ("laura", "verify", Status.VERIFYING, "reason", {"outcome": "verify"}),
    ("laura", "verify", Status.VERIFYING, "reason", {"outcome": "return"}),
    ("laura", "return", Status.IN_APPROVAL, "reason", {}),
    ("laura", "withdraw", Status.IN_APPROVAL, "reason", {}),
    ("fabian", "decide", Status.IN_APPROVAL, "reason", {"decision": "reject"}),
    ("fabian", "decide", Status.IN_APPROVAL, "reason", {"decision": "approve"}),
]


@pytest.mark.parametrize(("who", "act", "status", "field", "more"), REASONS)
def test_servers_a_reason_of_one_character_too_many_is_told_beside_the_field(cast, who, act, status, field, more):
    request = make(cast, status)
    address = reverse(f"control:{act}", args=[request.folio])
    sent = {"seen_hash": seen(request), "password": PASSWORD, **more}
    long = "x" * 1001
    answer = make_client(getattr(cast, who)).post(address, {**sent, field: long})
    assert answer.status_code == 200
    assert "Son hasta 1000 caracteres y escribió 1001. Acorte el texto." in text_of(answer)
    assert long in answer.content.decode()
    request.refresh_from_db()
    assert (request.status, request.outcome_reason) == (status, "")
    assert make_client(getattr(cast, who)).post(address, {**sent, field: "x" * 1000}).status_code == 302


def test_servers_a_customer_who_withdraws_is_told_too(cast):
    request = make(cast, Status.VERIFYING)
    address = reverse("requests:withdraw", args=[request.folio])
    client, long = make_client(cast.ana), "x" * 1001
    key = client.get(address).context["key"]
    answer = client.post(address, {"reason": long, "key": key})
    assert answer.status_code == 200
    assert "escribió 1001" in text_of(answer)
    assert long in answer.content.decode()
    request.refresh_from_db()
    assert request.status == Status.VERIFYING
    assert client.post(address, {"reason": "x" * 1000, "key": key}).status_code == 302


def test_servers_the_operations_refuse_a_reason_that_no_column_holds(cast):
    request = make(cast, Status.VERIFYING)
    for act, actor in ((operations.return_to_requester, cast.laura), (operations.withdraw, cast.ana)):
        with pytest.raises(operations.Invalid) as refusal:
            act(request.pk, actor=actor, reason="x" * 1001)
        assert "escribió 1001" in refusal.value.errors["reason"]
    operations.return_to_requester(request.pk, actor=cast.laura, reason="x" * 1000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("representative_name", "x" * 151),
        ("representative_instrument", "x" * 201),
        ("representative_email", f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.mx"),
        ("registered_email", f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.mx"),
        ("fiscal_address", "x" * 301),
        ("legal_name", LONGER * 128),
    ],
)
def test_what_a_pdf_brings_is_measured_before_it_is_sent(cast, field, value):
    """Else it is an error only when it is carried out."""
    request = draft(cast, items={field: value})
    assert field in content.find_problems(request, evidence=1)


# -- Accounts ------------------------------------------------------------------------------------------


def test_people_operations_refuse_what_no_column_holds():
    root, agent = make_superuser(), make_staff(Office.SUPERVISOR)
    ana = make_contact()
    long_mail = f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.mx"
    calls: list[Any] = [
        lambda: people.change_full_name(full_name="x" * 151, actor=ana),
        lambda: people.add_provider(name="x" * 121, actor=root),
        lambda: people.deactivate_user(ana.pk, reason="x" * 301, actor=root),
        lambda: people.request_factor_reset(ana.pk, reason="x" * 301, actor=root),
        lambda: people.refuse_company(ana.contact.customer_id, reason="x" * 301, actor=agent),
        lambda: people.invite_staff(email=long_mail, office=Office.AGENT, actor=root),
        lambda: people.register_company(
            email="b@x.mx", password=PASSWORD, full_name="B", rfc=rfc("ÑAÑ010203AB1"), legal_name=LONGER * 128
        ),
    ]
    for call in calls:
        with pytest.raises(people.Refused, match="escribió"):
            call()
    assert not Provider.objects.filter(name__startswith="xx").exists()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("legal_name", "x" * 255, "254 caracteres o menos"),
        ("legal_name", LONGER * 254, "254 caracteres o menos"),
        ("full_name", "x" * 151, "150 caracteres o menos"),
        ("email", f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.mx", "hasta 254 caracteres; escribió"),
        ("email", f"{'x' * 60}@{'.'.join(['İ' * 40] * 4)}.mx", "hasta 254 caracteres; escribió"),
        ("password1", "x" * 4097, "Son hasta 4096 caracteres"),
    ],
)
def test_signing_up_tells_what_is_too_long(client, field, value, says):
    sent = {
        "rfc": "ÑAÑ010203AB1",
        "legal_name": "Ñandú",
        "full_name": "Ana",
        "email": "ana@x.mx",
        "password1": "una-clave-larga-2026",
        "form_key": "k" * 40,
    }
    answer = client.post(reverse("account_signup"), {**sent, field: value})
    assert answer.status_code == 200
    assert says in text_of(answer)
    assert not Customer.objects.exists()


# -- Tickets, mail -------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", [LIGATURE * 120, "İ" * 120, "½" * 120])
def test_a_subject_that_grows_when_it_is_compared_opens_a_ticket(subject):
    ticket = make_ticket(subject=subject)
    assert len(ticket.search_words) <= MAX_SEARCH_WORDS


def test_a_subject_that_is_too_long_is_refused():
    with pytest.raises(desk.Incomplete, match="120 caracteres"):
        make_ticket(subject="x" * 121)
    assert not Ticket.objects.exists()


def test_a_mail_to_an_address_that_no_column_holds_is_not_queued():
    with pytest.raises(ValidationError):
        outbox.enqueue(
            "account/email/account_already_exists", key="k", to=f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.mx", context={}
        )
    assert not OutboxMessage.objects.exists()


def test_the_name_of_a_mailbox_is_cut(settings):
    settings.MAIL_IN_IMAP_URL = f"imaps://{'u' * 200}:p@mail.example/{'f' * 200}"
    assert len(mailbox.get_mailbox_name()) == 255


LONG = "x" * 2000
LONG_HEADERS: list[dict[str, Any]] = [
    {"Subject": LONG},
    {"Subject": LIGATURE * 300},
    {"Message_ID": f"<{LONG}@x>"},
    {"References": " ".join(f"<{n}{'y' * 300}@x>" for n in range(50)), "In_Reply_To": f"<{LONG}@x>"},
    {"From": f"{LONG} <ana@ejemplo.mx>"},
    {"From": f"<{'x' * 300}@ejemplo.mx>"},
    {"From": f"<ana@{'.'.join(['y' * 60] * 6)}.mx>"},
    {"To": f"<{LONG}@factureya.com>, soporte@factureya.com"},
    {"Auto_Submitted": LONG},
    {"X_Autoreply": LONG, "Precedence": LONG},
    {"Content_Type": f"text/{LONG}; charset={LONG}; name={LONG}"},
]


@pytest.mark.clause("M5", "M6")
@pytest.mark.parametrize("headers", LONG_HEADERS)
@pytest.mark.parametrize("is_known", [True, False])
def test_no_header_of_a_mail_is_too_long_for_its_column(settings, headers, is_known):
    """Whoever writes it: an entry, and nothing of it longer than its column."""
    settings.MAIL_IN_REQUIRE_VERDICT = False
    if is_known:
        make_contact(email="ana@ejemplo.mx")
    outcome = intake.receive(mail("Hola", **headers), source="smtp", recipients=[f"{LONG}@factureya.com"])
    assert outcome.disposition
    assert outcome.reason != "error"


@pytest.mark.clause("M17")
def test_no_name_of_a_file_is_too_long_for_its_column(settings):
    """Of a mail's file: as it is, and grown by composing it."""
    settings.MAIL_IN_REQUIRE_VERDICT = False
    make_contact(email="ana@ejemplo.mx")
    files = [
        f'Content-Type: text/plain\nContent-Disposition: attachment; filename="{name}.txt"\n\nhola {n}'
        for n, name in enumerate([LONG, LONGER * 150, LIGATURE * 150])
    ]
    raw = multipart("Content-Type: text/plain\n\nVa todo", *files)
    assert intake.receive(raw, source="smtp").disposition == "accept-new"
    assert Attachment.objects.exists()
