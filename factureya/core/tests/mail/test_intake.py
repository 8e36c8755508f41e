"""Mail is kept before it is read and handled exactly once, whichever way it came (M5, M6)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.utils import DatabaseError

from factureya.core.mail import intake
from factureya.core.mail.intake import Aside, Outcome, Plan, Postponed
from factureya.core.mail.parse import InboundMail
from factureya.core.models import Heartbeat, InboundMessage, InboundOriginal, InboundReading
from factureya.testing.mails import mail, multipart
from factureya.testing.races import kinds, race

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6")]
NEW, DUPLICATE = InboundMessage.Disposition.NEW, InboundMessage.Disposition.DUPLICATE
NOON = datetime(2026, 3, 24, 18, tzinfo=UTC)
OURS = "ticket:FY-7K3M-9QX1"
calls: list[str] = []
behave: list[Callable[[], None]] = []


def accept(inbound: InboundMessage, mail: InboundMail) -> Plan:
    """A handler that makes an entry (a heartbeat is as good as a ticket) and may be told to misbehave."""

    def write() -> Outcome:
        calls.append(mail.subject)
        Heartbeat.objects.create(name=f"entrada {inbound.pk}", at=NOON)
        for misbehave in behave:
            misbehave()
        return Outcome(NEW, about=OURS, accepted=(True,) * len(mail.files))

    return write


def pass_on(_inbound: InboundMessage, _mail: InboundMail) -> None:
    calls.append("pass_on")


def add(_inbound: InboundMessage, _mail: InboundMail) -> Aside:
    return Aside(lambda outcome: calls.append(f"added to {outcome.disposition}"))


def add_and_fail(_inbound: InboundMessage, _mail: InboundMail) -> Aside:
    return Aside(lambda _outcome: calls.remove("nothing like it"))


def refuse_to_read(_inbound: InboundMessage, _mail: InboundMail) -> Plan:
    calls.append("tried")
    raise ValueError("no sé leerlo")


def entries() -> int:
    return Heartbeat.objects.count()


@pytest.fixture(autouse=True)
def route(settings: Any) -> Iterator[Callable[..., None]]:
    """Sets the handlers of soporte@; a well-behaved one to begin with."""

    def to(*handlers: Callable[..., Any]) -> None:
        settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.{h.__name__}" for h in handlers]}

    calls.clear()
    behave.clear()
    to(accept)
    yield to
    behave.clear()


def receive(raw: bytes, **given: Any) -> Outcome:
    return intake.receive(raw, **{"source": "pipe"} | given)


def only() -> InboundMessage:
    return InboundMessage.objects.get()


# -- Keeping -----------------------------------------------------------------------------------------


def test_a_mail_is_kept_as_it_came_and_disposed_of():
    raw = mail("Hola\x00\xff", Subject="Señor") + b"\xff\x00"
    with time_machine.travel(NOON, tick=False):
        assert receive(raw, recipients=["soporte@factureya.com"]) == Outcome(NEW, about=OURS)
    kept = only()
    assert kept.raw == raw
    assert (kept.source, kept.received_at, kept.kept_at, kept.disposed_at) == ("pipe", NOON, NOON, NOON)
    assert (kept.sender, kept.subject, kept.message_id) == ("ana@ejemplo.mx", "Señor", "m1@ejemplo.mx")
    assert (kept.disposition, kept.about, kept.attempts, kept.is_in_tray) == (NEW, OURS, 1, False)
    assert (str(kept), kept.chain) == ("Señor (ana@ejemplo.mx)", f"mail:{kept.pk}")


@pytest.mark.clause("M15")
def test_it_was_received_when_the_first_server_had_it():
    inbound, _ = intake.keep(mail(), source="imap", received_at=NOON)
    assert inbound.received_at == NOON
    assert inbound.kept_at > NOON or inbound.kept_at < NOON


def test_security_row_9_the_same_mail_again_is_the_same_entry():
    """Row 9: a redelivery by another hop, or to both our boxes, is one entry; other content is another mail."""
    first = receive(mail())
    assert receive(b"Received: from otro\r\n" + mail(), source="smtp") == Outcome(DUPLICATE, about=OURS)
    assert receive(
        mail().replace(b"\r\n", b"\n"), source="imap", recipients=["mesadecontrol@factureya.com"]
    ) == Outcome(DUPLICATE, about=OURS)
    assert (first.disposition, entries()) == (NEW, 1)
    assert receive(mail("otra cosa")).disposition == NEW
    assert receive(mail(Message_ID=None)).disposition == NEW
    assert receive(mail(Message_ID=None)).disposition == DUPLICATE
    assert receive(mail("otra", Message_ID=None)).disposition == NEW
    assert (InboundMessage.objects.count(), entries()) == (4, 4)


def test_what_is_larger_than_is_kept_is_left_to_its_server(monkeypatch):
    monkeypatch.setattr(intake, "MAX_KEPT", 100)
    with pytest.raises(intake.TooLarge):
        receive(mail("x" * 100))
    assert not InboundMessage.objects.exists()


def test_another_refusal_of_the_database_is_not_taken_for_a_duplicate(monkeypatch):
    monkeypatch.setattr(intake, "compute_fingerprint", lambda _raw: ("id", "d" * 64))
    monkeypatch.setattr(InboundMessage, "save", lambda *_a, **_k: (_ for _ in ()).throw(IntegrityError("otra cosa")))
    with pytest.raises(IntegrityError):
        intake.keep(mail(), source="pipe")


# -- Routing -----------------------------------------------------------------------------------------


def test_the_first_handler_that_claims_a_mail_takes_it(route):
    route(pass_on, accept)
    assert receive(mail()).disposition == NEW
    assert calls == ["pass_on", "No puedo timbrar"]


def test_a_mail_that_nobody_claims_lies_in_the_tray(route):
    route(pass_on)
    assert receive(mail()) == Outcome("reject-unregistered", "unclaimed")
    assert only().is_in_tray


@pytest.mark.parametrize(
    ("envelope", "to"),
    [
        (["Mesadecontrol+algo@Factureya.com"], "x@y"),
        ([], "<mesadecontrol@factureya.com>, otro@y"),
        (["nadie@factureya.com"], "mesadecontrol@factureya.com"),
    ],
)
def test_the_address_says_which_handlers_are_asked(settings, envelope, to):
    settings.MAIL_ROUTES = {
        settings.SUPPORT_EMAIL: [f"{__name__}.refuse_to_read"],
        settings.CONTROL_DESK_EMAIL: [f"{__name__}.pass_on", f"{__name__}.pass_on", f"{__name__}.accept"],
    }
    assert receive(mail(To=to), recipients=envelope).disposition == NEW
    assert calls == ["pass_on", "No puedo timbrar"]


def test_what_a_handler_adds_is_written_after_what_became_of_the_mail(route):
    route(add, accept)

    assert receive(mail()).disposition == NEW
    assert calls == ["No puedo timbrar", f"added to {NEW}"]


def test_what_a_handler_adds_and_the_rest_are_written_together_or_not_at_all(route):
    route(add_and_fail, accept)

    with pytest.raises(Postponed):
        receive(mail())
    assert (only().disposition, entries()) == ("", 0)


# -- Poison (security row 10, behaviour 20) ----------------------------------------------------------


def test_beyond_the_limits_is_quarantined_with_its_sender():
    raw = multipart(*["\nx\n"] * 300)
    assert receive(raw) == Outcome("reject-malformed", "limits")
    kept = only()
    assert (kept.raw, kept.sender, kept.subject) == (raw, "ana@ejemplo.mx", "No puedo timbrar")
    assert (kept.is_in_tray, calls) == (True, [])


def test_a_handler_that_fails_is_asked_three_times_and_then_an_agent(route):
    route(refuse_to_read)
    with time_machine.travel(NOON, tick=False) as clock:
        with pytest.raises(Postponed):
            receive(mail())
        clock.shift(60)
        assert intake.sweep() == 0
        assert (only().attempts, only().disposition) == (2, "")
        clock.shift(60)
        assert intake.sweep() == 1
        assert intake.sweep() == 0
    assert calls == ["tried"] * 3
    kept = only()
    assert (kept.disposition, kept.reason, kept.sender) == ("reject-malformed", "error", "ana@ejemplo.mx")


def test_what_fails_half_way_leaves_nothing():
    behave.append(lambda: Heartbeat.objects.create(name=Heartbeat.objects.get().pk, at=NOON))  # IntegrityError
    with pytest.raises(Postponed):
        receive(mail())
    assert (entries(), only().disposition) == (0, "")
    behave.clear()
    assert receive(mail()) == Outcome(NEW, about=OURS)  # its server brings it again
    assert (entries(), only().attempts) == (1, 1)  # at once: no attempt of its own


def test_a_mail_that_kills_its_process_is_given_up():
    with time_machine.travel(NOON, tick=False) as clock:
        inbound, _ = intake.keep(mail(), source="pipe")
        InboundMessage.objects.filter(pk=inbound.pk).update(attempts=3)
        clock.shift(60)
        assert intake.handle_once(inbound.pk) == Outcome("reject-malformed", "error")
    assert calls == []


def test_a_database_that_goes_away_is_no_fault_of_the_mail():
    behave.append(lambda: (_ for _ in ()).throw(OperationalError("server closed the connection")))
    with pytest.raises(DatabaseError):
        receive(mail())
    assert (entries(), only().disposition) == (0, "")


def test_the_sweep_takes_what_was_left_and_not_what_is_under_way():
    with time_machine.travel(NOON, tick=False) as clock:
        intake.keep(mail(), source="smtp")
        assert intake.sweep() == 0
        clock.shift(21)
        assert intake.sweep() == 1
    assert (entries(), only().disposition) == (1, NEW)


def test_security_row_10_two_hundred_broken_mails_do_not_stop_two_hundred_good_ones(route):
    """Row 10: poison is kept and visible, the rest flows."""
    for number in range(200):
        receive(mail(f"bueno {number}", Message_ID=f"<b{number}@x>"))
        receive(multipart(*["\nx\n"] * 201, Message_ID=f"<m{number}@x>"))
    assert InboundMessage.objects.filter(disposition=NEW).count() == entries() == 200
    assert InboundMessage.objects.filter(disposition="reject-malformed").count() == 200


# -- The row itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"received_at": NOON}, {"digest": "x"}, {"recipients": ["x"]}, {"source": "smtp"}, {"message_id": ""}]
)
def test_what_came_never_changes(change):
    receive(mail())
    with pytest.raises(DatabaseError, match="inboundoriginal_no_update"), transaction.atomic():
        InboundOriginal.objects.update(raw=b"x")
    with pytest.raises(DatabaseError, match="as_it_came"), transaction.atomic():
        InboundMessage.objects.update(**change)


@pytest.mark.parametrize("change", [{"disposition": "reject-malformed"}, {"disposed_at": NOON}])
def test_what_became_of_it_is_written_once(change):
    receive(mail())
    with pytest.raises(DatabaseError, match="disposed_once"), transaction.atomic():
        InboundMessage.objects.update(**change)


@pytest.mark.parametrize("model", [InboundMessage, InboundOriginal, InboundReading])
def test_no_mail_is_deleted_or_replaced(model):
    receive(mail())
    table = model._meta.db_table
    columns = ", ".join(field.column for field in model._meta.concrete_fields)
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="no_delete"), transaction.atomic():
            cursor.execute(f"DELETE FROM {table}")
        if connection.vendor == "sqlite":
            with pytest.raises(DatabaseError, match="no_replace"), transaction.atomic():
                cursor.execute(f"INSERT OR REPLACE INTO {table} SELECT {columns} FROM {table}")


@pytest.mark.parametrize(
    "wrong", [{"disposition": "accept-new"}, {"disposed_at": NOON}, {"resolution": "linked"}, {"resolved_at": NOON}]
)
def test_a_disposition_has_its_instant(wrong):
    intake.keep(mail(), source="pipe")
    with pytest.raises(IntegrityError, match="has_its_instant"), transaction.atomic():
        InboundMessage.objects.update(**wrong)


# -- Races -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_security_row_9_the_same_mail_a_hundred_times_twenty_at_once():
    """Row 9: one entry, whoever comes first. On SQLite: test_mail_ways.py, with processes."""

    def bring() -> list[str]:
        return [receive(mail()).disposition for _ in range(5)]

    outcomes = chain.from_iterable(race(*[bring] * 20, connected=False))
    assert sorted(outcomes) == [NEW] + [DUPLICATE] * 99
    assert (InboundMessage.objects.count(), entries(), len(calls)) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_two_sweeps_and_a_redelivery_make_one_entry(race_rounds):
    for turn in range(race_rounds):
        raw = mail(f"turno {turn}", Message_ID=f"<t{turn}@x>")
        with time_machine.travel(NOON, tick=False):
            inbound, _ = intake.keep(raw, source="pipe")
        calls.clear()
        assert kinds(race(intake.sweep, intake.sweep, partial(receive, raw))) == {"ok": 3}
        assert len(calls) == 1
        inbound.refresh_from_db()
        assert inbound.disposition == NEW
    assert entries() == race_rounds


def test_half_a_character_neither_sticks_nor_stops_the_others():
    """UTF-7 and bytes of an envelope that are no text make what no database takes."""
    half = "=?utf-7?Q?uno+2AA-dos?="
    raw = mail("x", Subject=half, From=f"{half} <ana@ejemplo.mx>", Content_Type="text/plain; charset=utf-7")
    raw = raw.replace(b"\r\n\r\nx", b"\r\n\r\nuno+2AA-dos")
    odd = ["soporte+\udcff\0@factureya.com"]
    outcome = intake.receive(raw, source="smtp", recipients=odd)
    assert (outcome.disposition, calls) == (NEW, ["uno\ufffddos"])
    kept = InboundMessage.objects.get()
    assert (kept.subject, kept.recipients) == ("uno\ufffddos", ["soporte+?@factureya.com"])


def test_one_mail_that_not_even_the_tray_takes_does_not_stop_the_sweep(monkeypatch: Any):
    with time_machine.travel(NOON, tick=False):
        stuck, _ = intake.keep(mail("uno"), source="smtp")
        intake.keep(mail("dos", Message_ID="<m2@ejemplo.mx>"), source="smtp")
    settle = intake._write_outcome

    def fail(inbound: InboundMessage, *rest: Any) -> Outcome:
        if inbound.pk == stuck.pk:
            raise ValueError("ni así")
        return settle(inbound, *rest)

    monkeypatch.setattr(intake, "_write_outcome", fail)
    with time_machine.travel(NOON + intake.SWEEP_AFTER, tick=False):
        InboundMessage.objects.filter(pk=stuck.pk).update(attempts=intake.MAX_ATTEMPTS)
        assert intake.sweep() == 1
    assert entries() == 1
