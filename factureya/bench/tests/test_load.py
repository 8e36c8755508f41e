"""`seed_load`: what it makes in bulk is what the operations would have left."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F

from factureya.core import audit
from factureya.core.models import ChainHead, OutboxMessage
from factureya.core.record import state
from factureya.testing.people import own_provider
from tickets import operations
from tickets.models import Ticket
from tickets.tasks import close_unanswered

pytestmark = pytest.mark.django_db
Status = Ticket.Status


@pytest.fixture(autouse=True)
def loaded() -> str:
    """300 tickets; what the command printed."""
    own_provider()
    out = StringIO()
    call_command("seed_load", tickets=300, stdout=out)
    return out.getvalue()


def test_chains_are_whole_and_states_are_all_there(loaded: str) -> None:
    assert "300 tickets" in loaded
    assert list(state.find_flaws()) == []
    assert list(audit.find_flaws()) == []
    assert ChainHead.objects.filter(chain__startswith="ticket:").count() == 300
    assert Ticket.objects.exclude(status=Status.CLOSED).count() == 150
    assert set(Ticket.objects.values_list("status", "closed_reason")) == {
        ("open", None),
        ("waiting", None),
        ("closed", "confirmed"),
        ("closed", "unanswered"),
    }


def test_messages_are_counted_and_mails_have_left() -> None:
    counted = Ticket.objects.annotate(real=Count("messages"))
    assert not counted.exclude(message_count=F("real")).exists()
    assert set(OutboxMessage.objects.values_list("status", flat=True)) == {"sent"}


def test_a_loaded_ticket_lives_on_through_the_operations() -> None:
    ticket = Ticket.objects.filter(status=Status.WAITING).first()
    assert ticket is not None
    operations.add_information(ticket.pk, author=ticket.requester, body="Aquí está.")
    assert list(audit.find_flaws()) == []
    assert close_unanswered() == 0  # nothing loaded is due


def test_it_loads_once() -> None:
    with pytest.raises(CommandError, match="ya tiene carga"):
        call_command("seed_load", tickets=5)
