"""A form's one-time key: a double click or a retry does it once, and no second text is ever swallowed (M10–M12)."""

from typing import Any

import pytest
from django.db import IntegrityError

from factureya.core.models import Attachment, Event, OutboxMessage
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import notifications, operations
from tickets.models import Message, Note, Ticket, TicketFile
from tickets.operations import _common

pytestmark = pytest.mark.django_db

WAITING, CLOSED = Ticket.Status.WAITING, Ticket.Status.CLOSED
FORM: dict[str, Any] = {"body": "Aquí está", "form_key": "k"}


def traces() -> list[int]:
    kept = (Ticket, Message, Note, TicketFile, OutboxMessage)
    events = Event.objects.filter(chain__startswith="ticket:")  # without those of people made meanwhile
    return [events.count(), *(model._default_manager.count() for model in kept)]


def upload(draft: str = "k") -> Attachment:
    number = Attachment.objects.count()
    return Attachment.objects.create(
        token=f"t{number}", file="x", name=f"{number}.png", content_type="image/png", size=1, draft=draft
    )


def once(call: Any) -> Any:
    """Call twice: the second call gives the same ticket and leaves nothing behind."""
    first = call()
    before = traces()
    assert call() == first
    assert traces() == before
    return first


@pytest.mark.clause("M10")
def test_the_same_form_opens_one_ticket():
    author = make_contact()
    once(lambda: make_ticket(requester=author, **FORM, subject="Uno"))


@pytest.mark.clause("M10", "M17")
def test_the_same_form_opens_one_ticket_with_its_files():
    author, files = make_contact(), [upload(), upload()]
    ticket = make_ticket(requester=author, files=files, **FORM)
    # By the second click the files are the first ticket's.
    assert make_ticket(requester=author, files=files, **FORM) == make_ticket(requester=author, **FORM) == ticket
    assert ticket.files.count() == 2


@pytest.mark.clause("M11", "M12", "M14")
def test_every_writing_operation_does_it_once():
    ticket, agent = make_ticket(), make_agent()
    answer = {"agent": agent, "wait_reason": "detail", "seen": 1, **FORM, "form_key": "k1"}
    once(lambda: operations.answer(ticket.pk, **answer))
    once(lambda: operations.add_note(ticket.pk, agent=agent, **FORM))
    once(lambda: operations.add_information(ticket.pk, author=ticket.requester, **FORM))
    last = {"author": ticket.requester, "body": "Gracias", "form_key": "k2"}
    once(lambda: operations.confirm_resolved(ticket.pk, **last))
    # Retries that arrive after the close are still repeats, not «el ticket está Cerrado».
    before = traces()
    operations.answer(ticket.pk, **answer)
    operations.add_information(ticket.pk, author=ticket.requester, **FORM)
    assert traces() == before
    once(lambda: operations.follow_up(ticket.pk, author=ticket.requester, body="Otra vez", form_key="k3"))


@pytest.mark.clause("M12", "M15")
def test_a_double_click_on_confirm_without_a_text():
    ticket = make_ticket(WAITING)
    once(lambda: operations.confirm_resolved(ticket.pk, author=ticket.requester, form_key="k"))
    with pytest.raises(operations.TicketClosed):  # another form, or somebody else's click, is told
        operations.confirm_resolved(ticket.pk, author=ticket.requester, form_key="k2")
    with pytest.raises(operations.TicketClosed):
        operations.confirm_resolved(ticket.pk, author=make_contact(ticket.customer), form_key="k")
    with pytest.raises(operations.TicketClosed):
        operations.confirm_resolved(ticket.pk, author=ticket.requester)


@pytest.mark.clause("M10", "M12")
@pytest.mark.parametrize("change", ["text", "person", "ticket"])
def test_a_key_used_for_something_else_is_refused_with_the_text_kept_by_the_page(change: str):
    ticket, other = make_ticket(WAITING), make_ticket(WAITING)
    operations.add_information(ticket.pk, author=ticket.requester, **FORM)
    call: dict[str, Any] = {"author": ticket.requester, **FORM}
    if change == "text":
        call["body"] = "Y además esto otro"
    elif change == "person":
        call["author"] = make_contact(ticket.customer)
    else:
        ticket, call["author"] = other, other.requester
    before = traces()
    with pytest.raises(operations.FormUsed, match="ya se había enviado"):
        operations.add_information(ticket.pk, **call)
    assert traces() == before


@pytest.mark.clause("M10", "M12")
def test_a_key_used_elsewhere_does_not_open_or_swallow_a_ticket():
    ticket, closed = make_ticket(WAITING), make_ticket(CLOSED)
    operations.add_information(ticket.pk, author=ticket.requester, **FORM)
    before = traces()
    with pytest.raises(operations.FormUsed):  # the message of an old ticket is not «the ticket you opened»
        make_ticket(requester=ticket.requester, **FORM)
    with pytest.raises(operations.FormUsed):
        make_ticket(requester=make_contact(), **FORM)
    with pytest.raises(operations.FormUsed):
        operations.follow_up(closed.pk, author=closed.requester, **FORM)
    assert traces() == before


@pytest.mark.clause("M12")
def test_a_new_ticket_is_not_taken_for_a_follow_up():
    closed = make_ticket(CLOSED)
    new = make_ticket(requester=closed.requester, **FORM)
    with pytest.raises(operations.FormUsed):
        operations.follow_up(closed.pk, author=closed.requester, **FORM)
    assert not Ticket.objects.filter(follows__isnull=False).exists()
    assert new.follows is None


@pytest.mark.clause("M16")
def test_a_note_and_a_reply_have_keys_of_their_own():
    """The two tabs of the composer are one page: the note's key does not stop the reply."""
    ticket, agent = make_ticket(), make_agent()
    operations.add_note(ticket.pk, agent=agent, **FORM)
    operations.answer(ticket.pk, agent=agent, wait_reason="detail", **FORM)
    assert (ticket.notes.count(), ticket.messages.count()) == (1, 2)
    other = make_ticket()
    with pytest.raises(operations.FormUsed):
        operations.add_note(other.pk, agent=agent, **FORM)


@pytest.mark.clause("M10", "M16")
def test_the_database_has_the_last_word_on_a_key(monkeypatch: pytest.MonkeyPatch):
    """Two forms with one key on two tickets at one instant: neither sees the other before it writes (test_races)."""
    ticket, other, agent = make_ticket(), make_ticket(), make_agent()
    operations.add_note(ticket.pk, agent=agent, **FORM)
    monkeypatch.setattr(_common.NewMessage, "is_repeated", lambda _message, _ticket: False)
    before = traces()
    with pytest.raises(operations.FormUsed):
        operations.add_note(other.pk, agent=agent, **FORM)
    assert traces() == before


@pytest.mark.clause("M10")
def test_another_fault_is_not_taken_for_a_used_form(monkeypatch: pytest.MonkeyPatch):
    """What the database refuses for another reason is a fault of ours and is not hidden."""
    ticket, agent = make_ticket(), make_agent()
    before = traces()
    monkeypatch.setattr(notifications, "send_answer", fault)
    monkeypatch.setattr(notifications, "announce_ticket", fault)
    with pytest.raises(IntegrityError, match="planted"):
        operations.answer(ticket.pk, agent=agent, wait_reason="detail", **FORM)
    for key in ("k", None):
        with pytest.raises(IntegrityError, match="planted"):
            make_ticket(requester=ticket.requester, body="x", form_key=key)
    assert traces() == before


def fault(*_args: Any) -> None:
    raise IntegrityError("planted")


# -- Files -------------------------------------------------------------------------------------------


@pytest.mark.clause("M17")
def test_a_file_is_given_once():
    ticket, agent, mine = make_ticket(), make_agent(), upload()
    operations.add_information(ticket.pk, author=ticket.requester, body="Aquí está", files=[mine, mine])
    before = traces()
    with pytest.raises(operations.FilesGone, match="súbalo de nuevo"):
        operations.add_note(ticket.pk, agent=agent, body="La imagen", files=[mine])
    with pytest.raises(operations.FilesGone):
        operations.add_information(ticket.pk, author=ticket.requester, body="Otra vez", files=[upload(), mine])
    with pytest.raises(operations.FilesGone):
        make_ticket(requester=ticket.requester, files=[mine])
    assert traces() == before
    assert Attachment.objects.exclude(draft="").count() == 1  # the good file of the refused form waits for a retry


@pytest.mark.clause("M17")
def test_a_file_may_say_it_all():
    ticket = make_ticket(WAITING)
    ticket = operations.add_information(ticket.pk, author=ticket.requester, body="", files=[upload()])
    assert (ticket.status, ticket.files.count()) == ("open", 1)
    closed = operations.confirm_resolved(ticket.pk, author=ticket.requester, files=[upload()])
    assert (closed.message_count, closed.files.count()) == (4, 2)


@pytest.mark.clause("M16")
def test_the_file_of_a_note_is_not_the_customers():
    ticket, agent = make_ticket(), make_agent()
    operations.add_note(ticket.pk, agent=agent, body="La imagen", files=[upload()])
    assert TicketFile.objects.visible_to(agent).count() == 1
    assert TicketFile.objects.visible_to(ticket.requester).count() == 0
