"""The demo: every account and state is there, lived through real operations, and seeding again changes nothing."""

from io import StringIO
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings
from stdnum.mx import rfc

from accounts.models import Contact, Customer, Office, User
from change_requests.models import Evidence
from factureya.core import audit, clock
from factureya.core.models import Attachment, OutboxMessage
from factureya.demo import people
from factureya.testing.people import own_provider
from tickets import operations
from tickets.charges.months import Month
from tickets.charges.statement import read_statement
from tickets.models import AuthorityRequest, ChargeProposal, Note, Ticket, TicketFile
from tickets.tasks import close_unanswered

Status, Reason = Ticket.Status, Ticket.ClosedReason


class TestDemo(TestCase):
    """One seeded database for all; each test's changes are rolled back."""

    printed = ""

    @classmethod
    def setUpTestData(cls) -> None:
        """Seed."""
        own_provider()
        folder = cls.enterClassContext(TemporaryDirectory())
        cls.enterClassContext(override_settings(DEMO=True, MEDIA_ROOT=folder))
        out = StringIO()
        call_command("seed_demo", stdout=out)
        cls.printed = out.getvalue()

    def test_every_account_is_printed_and_can_sign_in(self) -> None:
        keys = "ana beto carla dario irma laura elsa fabian jorge gina hugo olga root".split()
        for key in keys:
            user = User.objects.get(email=f"{key}@demo.example")
            assert user.email in self.printed
            assert EmailAddress.objects.get(user=user).verified
        assert user.check_password("Factureya-demo-2026")
        assert "segundo factor" in self.printed

    @pytest.mark.clause("M3")
    def test_offices(self) -> None:
        offices = {user.email.split("@")[0]: user.offices for user in User.objects.all()}
        assert offices["dario"] == {Office.AGENT}
        assert offices["irma"] == {Office.THIRD_PARTY_AGENT}
        assert offices["laura"] == {Office.SUPERVISOR}
        assert offices["elsa"] == {Office.SECURITY_OFFICER}
        assert offices["fabian"] == {Office.INFORMATION_OWNER}
        assert offices["jorge"] == {Office.IT_HEAD}
        assert offices["gina"] == {Office.IMPLEMENTER}
        assert offices["hugo"] == {Office.DEVELOPER}
        assert offices["olga"] == {Office.AUDITOR}
        assert offices["root"] == set()

    def test_companies_verified_and_to_verify(self) -> None:
        for customer in Customer.objects.all():
            assert rfc.is_valid(customer.rfc, validate_check_digits=not customer.rfc_check_failed)
        to_verify = Customer.objects.to_verify()
        assert to_verify.count() == 3
        assert to_verify.filter(rfc_check_failed=True).count() == 1
        known = Customer.objects.get(contacts__user__email="ana@demo.example")
        assert known.is_verified
        assert to_verify.filter(rfc=known.rfc).count() == 1
        people = dict(known.contacts.values_list("user__email", "role"))
        assert people["ana@demo.example"] == Contact.Role.REPRESENTATIVE
        assert people["beto@demo.example"] == Contact.Role.CONTACT

    def test_tickets_in_every_state(self) -> None:
        assert Ticket.objects.count() == 46
        for status, reason in [
            (Status.OPEN, None),
            (Status.WAITING, None),
            (Status.CLOSED, Reason.CONFIRMED),
            (Status.CLOSED, Reason.UNANSWERED),
        ]:
            assert Ticket.objects.filter(status=status, closed_reason=reason).count() > 3
        now = clock.now()
        assert not Ticket.objects.filter(status=Status.OPEN, reply_due_at__lt=now).exists()
        assert Ticket.objects.filter(assignee=None).exists()
        assert Ticket.objects.filter(customer_replied=True).exists()
        assert Ticket.objects.filter(provider__is_own=False).exists()
        assert Ticket.objects.filter(follows__isnull=False).exists()
        assert Ticket.objects.filter(merged_into__isnull=False).exists()
        assert Ticket.objects.filter(split_from__isnull=False).exists()
        assert Ticket.objects.filter(out_of_scope="internet").exists()
        assert Note.objects.exists()
        types = set(Attachment.objects.values_list("content_type", flat=True))
        assert {"image/png", "application/pdf"} < types
        taken = Attachment.objects.filter(draft="").count()
        of_authorities = AuthorityRequest.objects.count()
        assert TicketFile.objects.count() + Evidence.objects.count() + of_authorities == taken

    @pytest.mark.clause("M26")
    def test_chains_are_whole_and_nearly_every_mail_has_left(self) -> None:
        assert list(audit.find_flaws()) == []
        statuses = list(OutboxMessage.objects.values_list("status", flat=True))
        assert set(statuses) == {"sent", "queued"}
        assert statuses.count("queued") < 12

    @pytest.mark.clause("M15")
    def test_tickets_due_within_minutes_really_close(self) -> None:
        horizon = clock.now() + operations.reminder_lookahead()
        soon = Ticket.objects.filter(status=Status.WAITING, closes_at__lt=horizon)
        waiting = list(soon.values_list("pk", flat=True))
        assert len(waiting) == 2
        with time_machine.travel(horizon):
            assert close_unanswered() == 2
        reasons = Ticket.objects.filter(pk__in=waiting).values_list("closed_reason", flat=True)
        assert set(reasons) == {Reason.UNANSWERED}

    @pytest.mark.clause("M18")
    def test_charges_of_every_state_and_a_statement(self) -> None:
        carla = User.objects.get(email="carla@demo.example")
        charges = ChargeProposal.objects.order_by("proposed_at")
        assert [charge.status for charge in charges] == ["accepted", "accepted", "declined", "proposed"]
        months = {Month.of(charge.proposed_at) for charge in charges}
        total = sum(read_statement(carla.contact.customer, month).total_cents for month in months)
        assert total == (56_250 + 45_000) * 116 // 100  # 75 of 90 minutes, and 60

    def test_seeding_again_changes_nothing(self) -> None:
        again = StringIO()
        call_command("seed_demo", stdout=again)
        assert Ticket.objects.count() == 46
        assert people.PASSWORD in again.getvalue()


@pytest.mark.django_db
def test_it_refuses_outside_the_demo(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO=on"):
        call_command("seed_demo")
