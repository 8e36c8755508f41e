"""Whose word a mail is: one rule, asked by every handler of mail (M5)."""

from typing import Any

import pytest

from accounts import mail_sender
from accounts.models import Office, User
from change_requests import inbound as requests_inbound
from factureya.core.mail.parse import parse
from factureya.core.models import InboundMessage
from factureya.testing.inbound_mails import ANA, make_ana, passed, proven
from factureya.testing.people import make_agent, make_contact, make_customer, make_representative, make_staff
from tickets import inbound as tickets_inbound

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5")]
COMPANY, SHARED, DARIO = "empresa@ejemplo.mx", "compartido@ejemplo.mx", "dario@ejemplo.mx"
FAILS, SAYS_NOTHING = passed(result="fail"), passed(result="none")
BY_ANOTHER = "mx.otra.mx; dmarc=pass header.from=ejemplo.mx"

# From, Authentication-Results (... = a pass of our server) -> the people who act, or the reason why nobody does.
SENDERS = {
    "a contact": (ANA, ..., [ANA]),
    "a contact, in capitals": (ANA.upper(), ..., [ANA]),
    "a company's registered address": (COMPANY, ..., ["rep@ejemplo.mx"]),
    "an address that two companies registered": (SHARED, ..., ["uno@ejemplo.mx", "dos@ejemplo.mx"]),
    "an address that staff has, and a company registered": (DARIO, ..., "staff"),
    "an address that an unverified company registered": ("nueva@ejemplo.mx", ..., "unknown"),
    "a contact who has not proven the address": ("sin@ejemplo.mx", ..., "unknown"),
    "a contact whose account is closed": ("cerrada@ejemplo.mx", ..., "unknown"),
    "an agent who left": ("ex@ejemplo.mx", ..., "staff"),
    "our own mailbox": ("soporte@factureya.com", ..., "own"),
    "our own mailbox with a plus": ("SOPORTE+x@factureya.com", ..., "own"),
    "the control desk": ("mesadecontrol@factureya.com", ..., "own"),
    "a stranger": ("nadie@ejemplo.mx", ..., "unknown"),
    "a stranger, failing": ("nadie@ejemplo.mx", FAILS, "dmarc"),
    "staff, failing": (DARIO, FAILS, "dmarc"),
    "a contact, failing": (ANA, FAILS, "dmarc"),
    "a contact, proven for another domain": (ANA, passed("otra.mx"), "dmarc"),
    "a contact, undecided": (ANA, SAYS_NOTHING, "no-verdict"),
    "a contact, without a verdict": (ANA, None, "no-verdict"),
    "a contact, proven by another server": (ANA, BY_ANOTHER, "no-verdict"),
    "a stranger, without a verdict": ("nadie@ejemplo.mx", None, "unknown"),
    "nobody": (None, ..., "no-sender"),
    "two": (f"{ANA}, nadie@ejemplo.mx", ..., "many-senders"),
}


@pytest.fixture(autouse=True)
def _people(settings: Any) -> None:
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    make_ana()
    make_representative(make_customer(verified=False, registered_email=COMPANY), email="rep@ejemplo.mx")
    for name in ("uno", "dos"):
        make_representative(make_customer(verified=False, registered_email=SHARED), email=f"{name}@ejemplo.mx")
    make_agent(email=DARIO)
    make_representative(make_customer(verified=False, registered_email=DARIO), email="tres@ejemplo.mx")
    make_contact(make_customer(verified=False, registered_email="nueva@ejemplo.mx"), email="n@ejemplo.mx")
    make_contact(email="sin@ejemplo.mx").emailaddress_set.update(verified=False)
    closed = [make_contact(email="cerrada@ejemplo.mx").pk, make_staff(Office.AGENT, email="ex@ejemplo.mx").pk]
    User.objects.filter(pk__in=closed).update(is_active=False)


def mail_of(name: str) -> Any:
    address, verdict, _ = SENDERS[name]
    headers = {} if verdict is ... else {"Authentication-Results": verdict}
    if verdict is ... and address:
        headers = {"Authentication-Results": passed(address.lower().rpartition("@")[2])}
    return parse(proven(From=address, **headers))


@pytest.mark.parametrize("name", SENDERS)
def test_whose_word_a_mail_is(name: str):
    expected = SENDERS[name][2]
    sender = mail_sender.judge_sender(mail_of(name))
    if isinstance(expected, list):
        assert ([person.email for person in sender.people], sender.refusal) == (expected, None)
    else:
        assert (sender.people, sender.refusal) == ([], expected)


@pytest.mark.parametrize("name", [name for name, (_, _, expected) in SENDERS.items() if isinstance(expected, str)])
def test_both_handlers_ask_the_rule(name: str):
    inbound = InboundMessage(pk=1, recipients=["mesadecontrol@factureya.com"])
    mail = mail_of(name)
    assert requests_inbound.receive(inbound, mail) is None
    plan = tickets_inbound.receive(inbound, mail)
    assert SENDERS[name][2] in [*plan.args, *plan.keywords.values()]


@pytest.mark.parametrize("name", SENDERS)
def test_where_no_verdict_is_required_a_failing_one_is_still_refused(name: str, settings: Any):
    settings.MAIL_IN_REQUIRE_VERDICT = False
    sender, expected = mail_sender.judge_sender(mail_of(name)), SENDERS[name][2]
    if expected == "no-verdict":
        assert [person.email for person in sender.people] == [ANA]
    else:
        assert sender.refusal == (None if isinstance(expected, list) else expected)
