"""Who is not proven touches nothing, learns nothing, and is told the same as everybody (M5; security.md, rows 1-7)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, User
from factureya.core import clock
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.testing.inbound_mails import ANA, became, deliver, last_inbound, make_ana, passed, proven
from factureya.testing.mails import mail
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff
from factureya.testing.raw_sql import everything
from factureya.testing.tickets import mails_about, make_ticket
from tickets import notifications, operations
from tickets.models import Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db, pytest.mark.clause("M5")]
STRANGER = "nadie@otra.mx"


def spoofs(ticket: Ticket) -> dict[str, tuple[bytes, str]]:
    """Mails that must touch nothing, with their reasons; each knows the number and an id of Ana's ticket."""
    known = {
        "Subject": f"RE: {ticket.number} hola",
        "In-Reply-To": f"<{mails_about(ticket)[0].message_id}>",
        "To": mails_about(ticket)[0].headers["Reply-To"],
    }
    agent = make_agent(email="dario@ejemplo.mx").email
    gone = make_staff(Office.AGENT, email="ex@ejemplo.mx")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    forged = {"Authentication-Results": passed(result="fail")}
    theirs = {"Authentication-Results": f"mx.otra.mx; dmarc=pass header.from=ejemplo.mx\r\n {'x' * 9}"}
    return {
        "an agent, proven": (proven(From=agent, **known), "staff"),
        "an agent who left": (proven(From=gone.email, **known), "staff"),
        "our own mailbox": (proven(From="soporte@factureya.com", **known), "own"),
        "our own mailbox with a plus": (proven(From="SOPORTE+x@factureya.com", **known), "own"),
        "the control desk": (proven(From="mesadecontrol@factureya.com", **known), "own"),
        "a stranger, proven": (proven(From=STRANGER, **known), "unknown"),
        "Ana in the name of a stranger": (
            proven(From=f'"{ANA}" <{STRANGER}>', **known | {"Authentication-Results": passed("otra.mx")}),
            "unknown",
        ),
        "Ana, failing": (proven(**known | forged), "dmarc"),
        "a stranger, failing": (proven(From=STRANGER, **known | forged), "dmarc"),
        "Ana, proven for another domain": (proven(**known | {"Authentication-Results": passed("otra.mx")}), "dmarc"),
        "Ana, no verdict": (proven(**known | {"Authentication-Results": None}), "no-verdict"),
        "Ana, undecided": (proven(**known | {"Authentication-Results": passed(result="none")}), "no-verdict"),
        "Ana, proven by somebody else": (proven(**known | theirs), "no-verdict"),
    }


SPOOFS = [
    "an agent, proven",
    "an agent who left",
    "our own mailbox",
    "our own mailbox with a plus",
    "the control desk",
    "a stranger, proven",
    "Ana in the name of a stranger",
    "Ana, failing",
    "a stranger, failing",
    "Ana, proven for another domain",
    "Ana, no verdict",
    "Ana, undecided",
    "Ana, proven by somebody else",
]


@pytest.mark.parametrize("name", SPOOFS)
def test_the_spoof_table(ana: User, name: str):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    raw, reason = spoofs(ticket)[name]
    before = everything()
    outcome = deliver(raw)
    assert (outcome.disposition, outcome.reason, outcome.about) == ("reject-unregistered", reason, "")
    assert everything() == before
    kept = last_inbound()
    assert kept.raw == raw
    assert kept.is_in_tray


def test_the_table_is_whole(ana: User):
    assert list(spoofs(make_ticket(requester=ana))) == SPOOFS


@pytest.mark.parametrize(
    ("senders", "reason"),
    [
        (None, "no-sender"),
        ("", "no-sender"),
        ("<>", "no-sender"),
        ("Ana López", "no-sender"),
        (f"{ANA}, {STRANGER}", "many-senders"),
        ([ANA, STRANGER], "many-senders"),
    ],
)
def test_one_sender_or_none_acts(ana: User, senders: Any, reason: str):
    before = everything()
    outcome = deliver(proven(From=senders))
    assert (outcome.disposition, outcome.reason) == ("reject-malformed", reason)
    assert everything() == before
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("verdict", ["required", "not required"])
def test_a_failing_verdict_is_refused_even_where_none_is_required(ana: User, settings: Any, verdict: str):
    settings.MAIL_IN_REQUIRE_VERDICT = verdict == "required"
    assert deliver(proven(Authentication_Results=passed(result="fail"))).reason == "dmarc"
    unsaid = deliver(proven("sin veredicto", Authentication_Results=None))
    assert unsaid.disposition == ("reject-unregistered" if verdict == "required" else "accept-new")


# -- A proven sender of another company ---------------------------------------------------------------


@pytest.mark.parametrize("with_what", ["number", "id", "root", "plus"])
def test_a_stranger_to_the_ticket_gets_one_of_her_own(ana: User, with_what: str):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    out = mails_about(ticket)[0]
    carla = make_contact(make_customer(), email="carla@otra.mx")
    headers = {
        "number": {"Subject": f"RE: {ticket.number}"},
        "id": {"In-Reply-To": f"<{out.message_id}>"},
        "root": {"References": out.headers["References"]},
        "plus": {"To": out.headers["Reply-To"]},
    }[with_what]
    before = Ticket.objects.filter(pk=ticket.pk).values().get(), ticket.events().count()
    outcome = deliver(proven(From=carla.email, **headers))
    hers = became(outcome)
    assert outcome.disposition == "accept-new"
    assert (hers.requester, hers.follows) == (carla, None)
    assert (Ticket.objects.filter(pk=ticket.pk).values().get(), ticket.events().count()) == before
    assert {mail.to for mail in mails_about(hers)} == {carla.email}


def test_reply_to_sender_and_cc_give_nothing_and_get_nothing(ana: User):
    agent = make_agent(email="dario@ejemplo.mx")
    raw = proven(
        Reply_To=agent.email,
        Sender=agent.email,
        Cc=f"{STRANGER}, {agent.email}",
        Return_Path=f"<{STRANGER}>",
        X_Original_From=agent.email,
    )
    ticket = became(deliver(raw))
    operations.answer(ticket.pk, agent=agent, body="¿Cuál?", wait_reason="detail")
    deliver(proven("El 301", Subject=f"RE: {ticket.number}", Cc=STRANGER))
    assert {message.author for message in ticket.messages.filter(side="customer")} == {ana}
    told = OutboxMessage.objects.exclude(kind__in=notifications.TO_AGENT)
    assert {mail.to for mail in told} == {ANA}
    for mail_out in told:
        assert STRANGER not in f"{mail_out.body}{mail_out.headers}"
    # He who was in copy writes: he is a stranger, whatever he knows.
    assert deliver(proven(From=STRANGER, Subject=f"RE: {ticket.number}")).reason == "unknown"


def test_our_own_headers_are_not_believed_from_outside(ana: User):
    ticket, other = make_ticket(requester=ana), make_ticket()
    raw = proven(
        X_Factureya_Ticket=other.number,
        X_Factureya_User="1",
        X_Factureya_Agent="dario",
        X_Factureya_Verdict="pass",
        X_Factureya_Inbound="1",
        Authentication_Results=None,
    )
    assert deliver(raw).reason == "no-verdict"
    outcome = deliver(proven("b", X_Factureya_Ticket=other.number, Subject=f"RE: {ticket.number}"))
    assert became(outcome) == ticket


# -- What they are told ------------------------------------------------------------------------------


def notices() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(kind="tickets/unproven").order_by("pk"))


def test_strangers_and_failing_senders_read_the_same_but_for_the_address(ana: User):
    ticket = make_ticket(requester=ana)
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx").email
    dario = make_agent(email="dario@ejemplo.mx").email
    fails = passed(result="fail")
    secret = "palabra-secreta"
    for number, raw in enumerate(
        [
            proven(
                secret, From=f"{secret} <{STRANGER}>", Subject=f"{ticket.number} {secret}", Message_ID="<s@otra.mx>"
            ),
            proven(secret, From=ANA, Authentication_Results=fails, Subject=secret),
            proven(secret, From=beto, Authentication_Results=None, Subject=f"RE: {ticket.number}"),
            proven(secret, From="otra@fuera.mx", Authentication_Results=fails),
            proven(secret, From=dario),
        ],
        1,
    ):
        deliver(raw)
        assert len(notices()) == number
    assert [notice.to for notice in notices()] == [STRANGER, ANA, beto, "otra@fuera.mx", dario]
    said = {(n.subject, n.body, tuple(sorted(n.headers.items())), n.about, n.is_secret) for n in notices()}
    assert len(said) == 1
    for text in (secret, ticket.number, STRANGER, ANA, "Papelería"):
        assert text not in str(said)


def test_one_notice_a_day_to_each(ana: User):
    for day in range(2):
        for turn in range(3):
            with clock.at(clock.now() + timedelta(days=day, seconds=turn)):
                deliver(proven(f"{day} {turn}", From=STRANGER))
    assert len(notices()) == 2
    deliver(proven(From="otro@otra.mx"))
    assert len(notices()) == 3


def test_a_thousand_forged_senders_get_a_hundred_notices_an_hour_and_no_word_of_theirs(settings: Any):
    settings.MAIL_NOTICES_PER_HOUR = 20
    for number in range(60):
        deliver(mail(f"compre {number}", From=f"v{number}@victima.mx", Subject="compre", Message_ID=None))
    assert len(notices()) == 20
    assert not [notice for notice in notices() if "compre" in notice.subject + notice.body]
    assert InboundMessage.objects.filter(disposition="reject-unregistered").count() == 60


@pytest.mark.parametrize("sender", ["soporte@factureya.com", "SOPORTE+1@factureya.com", "a b@c.mx", "x..y@otra.mx"])
def test_nobody_is_told_where_nobody_can_be(ana: User, sender: str):
    deliver(proven(From=sender))
    assert not notices()


def test_the_registered_address_hears_of_a_forgery_once_a_day(ana: User):
    company = ana.contact.customer
    for turn in range(3):
        deliver(proven(f"Deme acceso {turn}", Authentication_Results=passed(result="fail"), Subject="Urgente"))
    (warning,) = OutboxMessage.objects.filter(kind="tickets/forged")
    assert warning.to == company.registered_email
    assert ANA in warning.subject
    assert "Urgente" not in warning.body + warning.subject
    # Without a verdict nobody knows that it was forged.
    deliver(proven("nada", From=make_contact().email, Authentication_Results=None))
    assert OutboxMessage.objects.filter(kind="tickets/forged").count() == 1


def test_a_company_nobody_verified_hears_at_the_persons_own_address():
    make_ana(verified=False, registered_email="victima@otra.mx")
    deliver(proven(Authentication_Results=passed(result="fail")))
    assert [warning.to for warning in OutboxMessage.objects.filter(kind="tickets/forged")] == [ANA]
