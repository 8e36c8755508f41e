"""The demo: every account and state is there, lived through real operations, and seeding again changes nothing."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from stdnum.mx import rfc

from accounts.models import Customer, Office, User
from accounts.tests.factories import own_provider
from factureya.core import audit, clock
from factureya.core.models import Attachment, OutboxMessage
from tickets import operations
from tickets.demo import people
from tickets.models import Note, Ticket, TicketFile
from tickets.tasks import close_unanswered

pytestmark = pytest.mark.django_db
Status, Reason = Ticket.Status, Ticket.ClosedReason


@pytest.fixture
def demo(settings: Any, tmp_path: Path) -> str:
    """A seeded database; what the command printed."""
    settings.DEMO, settings.MEDIA_ROOT = True, tmp_path
    own_provider()
    out = StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue()


def test_every_account_is_printed_and_can_sign_in(demo: str) -> None:
    keys = "ana beto carla dario irma laura elsa fabian jorge gina hugo root".split()
    for key in keys:
        user = User.objects.get(email=f"{key}@demo.example")
        assert user.email in demo
        assert EmailAddress.objects.get(user=user).verified
    assert user.check_password("Factureya-demo-2026")
    assert "segundo factor" in demo
    offices = {
        user.email.split("@")[0]: user.offices for user in User.objects.filter(is_staff=True)
    }
    assert offices["dario"] == {Office.AGENT}
    assert offices["irma"] == {Office.THIRD_PARTY_AGENT}
    assert offices["laura"] == {Office.SUPERVISOR}
    assert offices["hugo"] == {Office.DEVELOPER}


def test_companies_verified_and_to_verify(demo: str) -> None:
    for customer in Customer.objects.all():
        assert rfc.is_valid(customer.rfc, validate_check_digits=not customer.rfc_check_failed)
    to_verify = Customer.objects.filter(verified_at=None, refused_at=None)
    assert to_verify.count() == 3
    assert to_verify.filter(rfc_check_failed=True).count() == 1
    assert (
        to_verify.filter(
            rfc=Customer.objects.get(contacts__user__email="ana@demo.example").rfc
        ).count()
        == 1
    )


def test_tickets_in_every_state(demo: str) -> None:
    assert Ticket.objects.count() == 40
    for status, reason in [
        (Status.OPEN, None), (Status.WAITING, None), (Status.CLOSED, Reason.CONFIRMED),
        (Status.CLOSED, Reason.UNANSWERED),
    ]:  # fmt: skip
        assert Ticket.objects.filter(status=status, closed_reason=reason).count() > 3
    now = clock.now()
    assert Ticket.objects.filter(reply_due_at__lt=now).exists()
    assert Ticket.objects.filter(assignee=None).exists()
    assert Ticket.objects.filter(customer_replied=True).exists()
    assert Ticket.objects.filter(provider__is_own=False).exists()
    assert Ticket.objects.filter(follows__isnull=False).exists()
    assert Note.objects.exists()
    assert {"image/png", "application/pdf"} < set(
        Attachment.objects.values_list("content_type", flat=True)
    )
    assert TicketFile.objects.count() == Attachment.objects.filter(draft="").count()


def test_chains_are_whole_and_nearly_every_mail_has_left(demo: str) -> None:
    assert list(audit.verify()) == []
    statuses = OutboxMessage.objects.values_list("status", flat=True)
    assert set(statuses) == {"sent", "queued"}
    assert list(statuses).count("queued") < 8


@pytest.mark.clause("M15")
def test_tickets_due_within_minutes_really_close(demo: str, time_machine: Any) -> None:
    soon = Ticket.objects.filter(closes_at__lt=clock.now() + operations.reminder_lookahead())
    waiting = set(soon.filter(status=Status.WAITING).values_list("pk", flat=True))
    assert len(waiting) == 2
    time_machine.move_to(clock.now() + operations.reminder_lookahead())
    assert close_unanswered() == 2
    assert {t.closed_reason for t in Ticket.objects.filter(pk__in=waiting)} == {Reason.UNANSWERED}


def test_seeding_again_changes_nothing(demo: str) -> None:
    again = StringIO()
    call_command("seed_demo", stdout=again)
    assert Ticket.objects.count() == 40
    assert people.PASSWORD in again.getvalue()


def test_it_refuses_outside_the_demo(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO=on"):
        call_command("seed_demo")
