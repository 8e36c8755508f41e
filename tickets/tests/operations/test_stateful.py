"""A ticket's life at random: any operation, any order, time passing; what the manual promises holds at every step.

Hypothesis shrinks a failure to the shortest story. The operations and the outbox are the real ones; only time is moved.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts.models import Office, Provider, User
from factureya.core import audit, clock
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.calls import confirm_by_phone
from factureya.testing.people import make_agent, make_contact, make_staff
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations, tasks
from tickets.models import Message, Ticket

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
START = datetime(2026, 11, 24, 16, 5, tzinfo=UTC)
DAY = timedelta(hours=24)
STEPS = st.sampled_from([1, 60, 3600, 6 * 3600, 86_399, 86_400, 3 * 86_400, 3 * 86_400 + 1, 6 * 86_400])
EVIDENCE = ("status", "closed_at", "closed_reason", "wait_reason", "waiting_since", "closes_at", "reminder_id")


class Life(RuleBasedStateMachine):
    """One ticket; its customer, two agents, a supervisor; and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.now = START
        self.serial = count(1)
        with clock.at(self.now):
            self.ana: User = make_contact()
            self.agents = [make_agent(), make_agent()]
            self.laura = make_staff(Office.SUPERVISOR)
            self.own = Provider.objects.get(is_own=True)
            self.ticket = make_ticket(requester=self.ana)
        self.last_public = self.now  # of ours
        self.said: list[str] = [self.ticket.messages.get().body]
        self.evidence: dict[str, Any] | None = None

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def do(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        """Call an operation now: it leaves one event more, or is refused and leaves nothing."""
        before, events = self.row(), self.ticket.events().count()
        with clock.at(self.now):
            try:
                call(*args, **kwargs)
            except operations.WrongStatus:
                assert self.row() == before
                assert self.ticket.events().count() == events
                return False
        assert self.ticket.events().count() - events in (0, 1)
        return True

    def row(self) -> dict[str, Any]:
        return Ticket.objects.filter(pk=self.ticket.pk).values().get()

    def words(self) -> str:
        return f"Mensaje {next(self.serial)}"

    # -- Rules ---------------------------------------------------------------------------------------

    @rule(seconds=STEPS)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(
        agent=st.integers(0, 1),
        reason=st.sampled_from([None, "detail", "authorization", ""]),
        solves=st.booleans(),
        seen=st.sampled_from([None, 0, 1]),
    )
    def answer(self, agent: int, reason: str | None, solves: bool, seen: int | None) -> None:
        seen = None if seen is None else self.row()["message_count"] - seen
        body = self.words()
        fields: dict[str, Any] = {"wait_reason": reason, "proposes_solution": solves, "seen": seen}
        if self.do(operations.answer, self.ticket.pk, agent=self.agents[agent], body=body, **fields):
            self.said.append(body)
            self.last_public = self.now

    @rule()
    def add_information(self) -> None:
        body = self.words()
        if self.do(operations.add_information, self.ticket.pk, author=self.ana, body=body):
            self.said.append(body)

    @rule(twice=st.booleans())
    def add_note(self, twice: bool) -> None:
        note = {"agent": self.agents[0], "body": "Solo para nosotros", "form_key": f"n{next(self.serial)}"}
        for _ in range(1 + twice):
            self.do(operations.add_note, self.ticket.pk, **note)

    @rule(agent=st.integers(0, 1))
    def take(self, agent: int) -> None:
        self.do(operations.take, self.ticket.pk, agent=self.agents[agent])

    @rule(agent=st.sampled_from([0, 1, None]))
    def assign(self, agent: int | None) -> None:
        assignee = None if agent is None else self.agents[agent]
        self.do(operations.assign, self.ticket.pk, agent=self.agents[0], assignee=assignee)

    @rule(category=st.sampled_from(Ticket.Category.values), impact=st.integers(1, 3))
    def classify(self, category: str, impact: int) -> None:
        self.do(operations.classify, self.ticket.pk, agent=self.agents[1], category=category, impact=impact)

    @rule()
    def hand_over_and_back(self) -> None:
        self.do(operations.hand_over, self.ticket.pk, supervisor=self.laura, provider=self.own)

    @rule(text=st.booleans())
    def confirm(self, text: bool) -> None:
        body = self.words() if text else ""
        if self.do(operations.confirm_resolved, self.ticket.pk, author=self.ana, body=body) and text:
            self.said.append(body)

    @rule()
    def confirm_by_phone(self) -> None:
        self.do(confirm_by_phone, self.ticket, agent=self.agents[0], contact=self.ana)

    @rule()
    def warn(self) -> None:
        self.do(operations.warn_before_close, self.ticket.pk)

    @rule()
    def close_unanswered(self) -> None:
        self.do(operations.close_unanswered, self.ticket.pk)

    @rule()
    def beat(self) -> None:
        """Both sweeps and the outbox, as beat rings them."""
        with clock.at(self.now):
            tasks.warn_before_close()
            tasks.close_unanswered()
            outbox.sweep()

    @rule()
    def the_mail_server_works(self) -> None:
        with clock.at(self.now):
            outbox.sweep()

    @rule()
    def the_mail_server_gives_up_on_the_reminder(self) -> None:
        pending = OutboxMessage.objects.filter(pk=self.row()["reminder_id"], status="queued")
        pending.update(status="failed")

    @precondition(lambda self: self.row()["status"] == CLOSED)
    @rule()
    def go_on(self) -> None:
        """The story continues with the ticket that follows."""
        body = self.words()
        with clock.at(self.now):
            old, self.ticket = (self.ticket, operations.follow_up(self.ticket.pk, author=self.ana, body=body))
        assert self.ticket.follows == old
        self.said, self.evidence = [body], None

    # -- What holds at every step --------------------------------------------------------------------

    @invariant()
    def a_state_has_what_it_needs(self) -> None:
        ticket = self.fresh()
        if ticket.status == WAITING:  # M14
            assert ticket.wait_reason in Ticket.WaitReason.values
            assert ticket.messages.filter(side=Message.Side.STAFF, created_at=ticket.waiting_since).exists()
        if ticket.status == OPEN:  # M13
            assert (ticket.wait_reason, ticket.closes_at, ticket.reminder_id) == (None, None, None)

    @invariant()
    def the_customer_has_three_days(self) -> None:
        """M15: at least 72 h from our last public message, and 24 h from the reminder that went out."""
        ticket = self.fresh()
        if ticket.status == WAITING:
            assert ticket.closes_at is not None
            assert ticket.waiting_since == self.last_public
            assert ticket.closes_at >= self.last_public + 3 * DAY
            if ticket.reminder and ticket.reminder.sent_at:
                assert ticket.closes_at >= ticket.reminder.sent_at + DAY
        if ticket.closed_reason == "unanswered":
            assert ticket.reminder is not None
            assert ticket.closed_at is not None
            assert ticket.reminder.sent_at is not None
            assert ticket.closes_at is not None
            assert ticket.closed_at > ticket.closes_at
            assert ticket.closed_at >= ticket.reminder.sent_at + DAY
            assert ticket.closed_at > self.last_public + 3 * DAY

    @invariant()
    def closed_is_final(self) -> None:
        """M12."""
        evidence = {name: self.row()[name] for name in EVIDENCE}
        if evidence["status"] == CLOSED:
            assert self.evidence in (None, evidence)
            self.evidence = evidence
        else:
            assert self.evidence is None

    @invariant()
    def nothing_said_is_lost(self) -> None:
        ticket = self.fresh()
        assert [m.body for m in ticket.messages.order_by("seq")] == self.said
        assert [m.seq for m in ticket.messages.order_by("seq")] == list(range(1, ticket.message_count + 1))

    @invariant()
    def no_note_leaves_the_house(self) -> None:
        """M16."""
        assert not any("Solo para nosotros" in mail.body for mail in mails_about(self.ticket))

    @invariant()
    def one_reminder_per_wait(self) -> None:
        reminders = [m for m in mails_about(self.ticket) if m.kind == "tickets/reminder"]
        answers = [e for e in self.ticket.events() if e.verb == "ticket.answered"]
        assert len(reminders) <= len(answers)
        alive = [m.pk for m in reminders if m.status in ("queued", "failed", "sending")]
        assert alive in ([], [self.row()["reminder_id"]])

    @invariant()
    def the_chain_is_whole(self) -> None:
        """M26."""
        assert not list(audit.find_flaws())

    def fresh(self) -> Ticket:
        return Ticket.objects.select_related("reminder").get(pk=self.ticket.pk)


@pytest.mark.django_db
@pytest.mark.clause("M12", "M13", "M14", "M15", "M16", "M26")
def test_any_story_keeps_the_manuals_promises():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
