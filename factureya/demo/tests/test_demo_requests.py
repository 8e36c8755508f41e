"""The demo's formal requests: in every state, lived through the operations; chains whole (M21, M26)."""

from tempfile import TemporaryDirectory

import pytest
from django.core.management import call_command
from django.test import TestCase, override_settings

from accounts.models import User
from change_requests.control import inbox
from change_requests.emergency import policy, roles
from change_requests.kinds.registry import KINDS
from change_requests.models import ACCESS, EmergencyAccount, EmergencyCause, FormalRequest, InformationAsset
from factureya.core import audit
from factureya.core.models import OutboxMessage
from factureya.oversight import board
from factureya.oversight.evidence.facts import State
from factureya.testing.people import own_provider

Status = FormalRequest.Status


class TestDemo(TestCase):
    """One seeded database for all."""

    @classmethod
    def setUpTestData(cls) -> None:
        """Seed."""
        own_provider()
        folder = cls.enterClassContext(TemporaryDirectory())
        cls.enterClassContext(override_settings(DEMO=True, MEDIA_ROOT=folder))
        call_command("seed_demo")

    def who(self, name: str) -> User:
        """A demo account."""
        return User.objects.get(email=f"{name}@demo.example")

    @pytest.mark.clause("M21")
    def test_requests_in_every_state_of_the_way(self) -> None:
        there = set(FormalRequest.objects.values_list("status", flat=True))
        assert {
            Status.VERIFYING,
            Status.IN_APPROVAL,
            Status.APPROVED,
            Status.CLOSED,
            Status.REJECTED,
            Status.RETURNED,
        } <= there
        owners = InformationAsset.objects.exclude(code=ACCESS).values_list("owner__email", flat=True)
        assert set(owners) == {"fabian@demo.example"}

    @pytest.mark.clause("M7", "M19")
    def test_a_request_of_every_kind(self) -> None:
        there = set(FormalRequest.objects.values_list("form", "kind"))
        assert there == {(kind.form, kind.code) for kind in KINDS}

    @pytest.mark.clause("M21")
    def test_something_waits_for_every_office(self) -> None:
        for name in ("laura", "fabian", "elsa", "gina"):
            assert inbox.read_page(self.who(name), inbox.InboxQuery()).rows, name
        assert not any(row.marks for row in inbox.read_page(self.who("elsa"), inbox.InboxQuery()).rows)

    @pytest.mark.clause("M26")
    def test_no_clause_is_late_on_the_board(self) -> None:
        rows = board.read_board(self.who("elsa")).all_rows
        late = {row.clause: row.text for row in rows if row.state in (State.LATE, State.NOT_BUILT)}
        assert late.keys() <= {"M6", "M26"}, late  # a test sends no mail, and its database was not migrated by hand

    @pytest.mark.clause("M26")
    def test_chains_are_whole_and_the_mails_of_the_past_have_left(self) -> None:
        assert list(audit.find_flaws()) == []
        mails = OutboxMessage.objects.filter(kind__startswith="change_requests/")
        assert set(mails.values_list("status", flat=True)) <= {"sent", "dropped", "queued"}
        assert mails.filter(status="queued").count() < 8

    @pytest.mark.clause("M22", "M23")
    def test_an_emergency_account_is_sealed_and_may_be_sealed_again(self) -> None:
        account = EmergencyAccount.objects.get(alias="emergencia-01")
        credential = account.find_credential()
        assert credential is not None
        assert account.state == EmergencyAccount.State.SEALED
        assert credential.custodian_ids == {self.who("laura").pk, self.who("jorge").pk}
        assert policy.why_not_seal(self.who("elsa"), account) is None  # so a visitor sees halves, and can open it
        assert roles.find_missing_role() == ""
        assert EmergencyCause.objects.filter(active=True).count() >= 5
        assert EmergencyAccount.objects.get(alias="emergencia-02").scope == EmergencyAccount.Scope.READ
