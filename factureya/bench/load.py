"""`seed_load`: many tickets in bulk, as the operations would have left them; `verify_audit` passes on them.

Rows are made in memory and inserted by thousands. The database's guards stay on: a ticket closed by silence is
inserted En espera with its reminder sent, and closed by an UPDATE like any other.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, cast

from django.db import transaction
from django.db.models import F

from accounts.models import Provider, User
from factureya.bench import sql, ticket_histories
from factureya.bench.sample_people import DOMAIN, SamplePeople
from factureya.core import calendar, clock, numbers
from factureya.core.audit import GENESIS, compute_hash
from factureya.core.models import ChainHead, Event, OutboxMessage
from tickets.models import NUMBER_PREFIX, Message, Note, Team, Ticket, chain_of, searchable

BATCH = 2_000
SEED = 20_260_101
WAIT = timedelta(days=3)
REMINDER = timedelta(hours=24)
SWEEP_LAG = timedelta(minutes=2)
Status = Ticket.Status
Plan = tuple[ticket_histories.History, User, User]  # what happens, to whom, who attends


_TICKET = [field.attname for field in Ticket._meta.concrete_fields]
_MESSAGE = ["ticket_id", "seq", "side", "author_id", "author_name", "channel", "body", "created_at"]
_NOTE = ["ticket_id", "author_id", "author_name", "body", "created_at"]
_EVENT = ["chain", "seq", "prev", "hash", "verb", "at", "actor_id", "actor_name", "data"]
_HEAD = ["chain", "seq", "hash"]
_MAIL = [
    "id",
    "key",
    "message_id",
    "kind",
    "about",
    "to",
    "subject",
    "body",
    "headers",
    "is_secret",
    "status",
    "attempts",
    "due_at",
    "sent_at",
    "last_error",
    "created_at",
]


@dataclass
class Rows:
    """Hold the rows of one batch as plain values, in the order in which they can be inserted."""

    tickets: list[Ticket] = field(default_factory=list)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    notes: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    heads: list[tuple[Any, ...]] = field(default_factory=list)
    mails: list[tuple[Any, ...]] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)

    def insert(self) -> None:
        """Insert all rows, or none."""
        with transaction.atomic():
            sql.insert(OutboxMessage, _MAIL, self.mails)
            columns = [tuple(getattr(ticket, name) for name in _TICKET) for ticket in self.tickets]
            sql.insert(Ticket, _TICKET, columns)
            sql.insert(Message, _MESSAGE, self.messages)
            sql.insert(Note, _NOTE, self.notes)
            sql.insert(Event, _EVENT, self.events)
            sql.insert(ChainHead, _HEAD, self.heads)
            self._close_silent()

    def _close_silent(self) -> None:
        """Close the tickets whose customers were silent, which only an update can do."""
        closed_at = F("closes_at") + SWEEP_LAG
        Ticket.objects.filter(pk__in=self.silent).update(
            status=Status.CLOSED,
            closed_reason=Ticket.ClosedReason.UNANSWERED,
            closed_at=closed_at,
            touched_at=closed_at,
            queue_at=closed_at,
        )


@dataclass(slots=True)
class EventContent:
    """Hold an event's content in the shape that `audit.compute_hash` reads."""

    chain: str
    seq: int
    prev: str
    verb: str
    at: datetime
    actor_id: int | None
    actor_name: str
    data: dict[str, Any]


class Writer:
    """Turn a history into a ticket's rows, as the operations would have."""

    def __init__(
        self,
        rows: Rows,
        history: ticket_histories.History,
        requester: User,
        agent: User,
        ticket: Ticket,
        mail_pks: Iterator[int],
    ) -> None:
        self.rows, self.history, self.ticket, self.mail_pks = rows, history, ticket, mail_pks
        self.requester, self.agent = requester, agent
        self.chain, self.seq, self.prev = chain_of(ticket.number), 0, GENESIS

    def write(self, hours: calendar.AttentionHours) -> None:
        """Fill the ticket's columns and append every row."""
        ticket, history = self.ticket, self.history
        self._say(self.requester, Message.Side.CUSTOMER, history.question, history.opened_at)
        opener = self.agent if history.is_phone else self.requester
        self._mail(
            "opened",
            self._event("ticket.opened", opener, history.opened_at, channel=ticket.channel, message=1, follows=None),
            history.opened_at,
        )
        ticket.queue_at = history.opened_at
        for step, at in history.steps:
            _STEPS[step](self, step, at)
        if ticket.status == Status.OPEN:
            self._owe_reply(hours)
        self.rows.heads.append((self.chain, self.seq, self.prev))
        self.rows.tickets.append(ticket)

    def _owe_reply(self, hours: calendar.AttentionHours) -> None:
        since = self.ticket.touched_at
        self.ticket.customer_waits_since = since
        self.ticket.reply_due_at = self.ticket.queue_at = hours.add_hours(since, 4)

    def _take(self, _step: str, at: datetime) -> None:
        """Assign the ticket to the agent, and record the event."""
        self.ticket.assignee = self.agent
        self._event(
            "ticket.taken", self.agent, at, before=None, after=self.agent.pk, assignee_name=self.agent.full_name
        )

    def _note(self, step: str, at: datetime) -> None:
        agent = self.agent
        self.rows.notes.append((self.ticket.pk, agent.pk, agent.full_name, self.history.text(step), at))
        self._event("ticket.note_added", self.agent, at, note=None)

    def _answer(self, step: str, at: datetime) -> None:
        """Let the agent answer; then the ticket waits for its customer."""
        ticket, before, solves = self.ticket, self.ticket.status, step == "s"
        reason = Ticket.WaitReason.AUTHORIZATION if solves else Ticket.WaitReason.DETAIL
        self._say(self.agent, Message.Side.STAFF, self.history.text(step), at)
        ticket.assignee = self.agent
        ticket.first_replied_at = ticket.first_replied_at or at
        ticket.status, ticket.wait_reason, ticket.waiting_since = Status.WAITING, reason, at
        ticket.closes_at = ticket.queue_at = at + WAIT
        ticket.solution_proposed_at = at if solves else None
        event = self._event(
            "ticket.answered",
            self.agent,
            at,
            message=ticket.message_count,
            before=before,
            after=Status.WAITING,
            wait_reason=reason,
            asks_confirmation=solves,
            closes_at=ticket.closes_at.isoformat(),
        )
        self._mail("answered", event, at)

    def _inform(self, step: str, at: datetime) -> None:
        """Let the customer add information; then the ticket is open again."""
        ticket, before = self.ticket, self.ticket.status
        self._say(self.requester, Message.Side.CUSTOMER, self.history.text(step), at)
        ticket.status, ticket.customer_replied = Status.OPEN, True
        ticket.wait_reason = ticket.waiting_since = ticket.closes_at = ticket.solution_proposed_at = None
        event = self._event(
            "ticket.information_added",
            self.requester,
            at,
            message=ticket.message_count,
            before=before,
            after=Status.OPEN,
            channel=ticket.channel,
        )
        self._mail("new_message", event, at, to=self.agent)

    def _confirm(self, step: str, at: datetime) -> None:
        """Let the customer confirm the solution; then the ticket is closed."""
        ticket, before = self.ticket, self.ticket.status
        self._say(self.requester, Message.Side.CUSTOMER, self.history.text(step), at)
        ticket.status, ticket.closed_reason = Status.CLOSED, Ticket.ClosedReason.CONFIRMED
        ticket.customer_replied = False
        ticket.closed_at = ticket.queue_at = at
        event = self._event(
            "ticket.confirmed",
            self.requester,
            at,
            before=before,
            after=Status.CLOSED,
            reason=ticket.closed_reason,
            channel=ticket.channel,
            message=ticket.message_count,
        )
        self._mail("closed", event, at)

    def _warn(self, _step: str, _at: datetime) -> None:
        """Append the reminder that goes out 24 hours before the close."""
        warned = self._closes_at() - REMINDER
        data = {"closes_at": self._closes_at().isoformat()}
        queued = self._event("ticket.reminder_queued", None, warned, **data)
        self.ticket.reminder_id = self._mail("reminder", queued, warned)
        self._event("ticket.reminded", None, warned, **data)

    def _silence(self, step: str, at: datetime) -> None:
        """Append the reminder and what the close leaves; `Rows.insert` closes the ticket."""
        self._warn(step, at)
        closed = self._closes_at() + SWEEP_LAG
        event = self._event(
            "ticket.closed_unanswered",
            None,
            closed,
            before=Status.WAITING,
            after=Status.CLOSED,
            reason=Ticket.ClosedReason.UNANSWERED,
        )
        self._mail("closed", event, closed)
        self.rows.silent.append(self.ticket.pk)

    def _closes_at(self) -> datetime:
        assert self.ticket.closes_at is not None  # a history answers before it is silent
        return self.ticket.closes_at

    def _say(self, author: User, side: str, body: str, at: datetime) -> None:
        """Append a message to the ticket."""
        ticket = self.ticket
        ticket.message_count += 1
        ticket.touched_at, ticket.last_excerpt = at, " ".join(body.split())[:100]
        self.rows.messages.append(
            (ticket.pk, ticket.message_count, side, author.pk, author.full_name, ticket.channel, body, at)
        )

    def _event(self, verb: str, actor: User | None, at: datetime, **data: Any) -> str:
        """Append an event to the ticket's chain and return its hash."""
        self.seq += 1
        pk, name = (actor.pk, actor.full_name) if actor else (None, "")
        happened = EventContent(self.chain, self.seq, self.prev, verb, at, pk, name, data)
        link = compute_hash(cast(Event, happened))
        self.rows.events.append(
            (self.chain, self.seq, self.prev, link, verb, at, pk, name, json.dumps(data, ensure_ascii=False))
        )
        self.prev = link
        return link

    def _mail(self, kind: str, event: str, at: datetime, *, to: User | None = None) -> int:
        """Append a mail that was sent at once and return its primary key."""
        number, pk = self.ticket.number, next(self.mail_pks)
        self.rows.mails.append(
            (
                pk,
                f"{event}:{'assignee' if to else 'customer'}",
                f"{pk}@{DOMAIN}",
                f"tickets/{kind}",
                self.chain,
                (to or self.requester).email,
                f"{number} {self.ticket.subject}",
                f"{self.ticket.last_excerpt}\n\nNúmero de seguimiento: {number}\n",
                "{}",
                False,
                "sent",
                1,
                at,
                at,
                "",
                at,
            )
        )
        return pk


_STEPS = {
    "t": Writer._take,
    "n": Writer._note,
    "q": Writer._answer,
    "s": Writer._answer,
    "i": Writer._inform,
    "c": Writer._confirm,
    "w": Writer._warn,
    "x": Writer._silence,
}


class Loader:
    """Insert tickets by the batch."""

    def __init__(self) -> None:
        self.rng = Random(SEED)  # noqa: S311 - no secret: the same data in every run
        self.present = clock.now().replace(minute=0, second=0, microsecond=0)
        self.hours = calendar.load_attention_hours()
        self.numbers = _numbers(self.rng)

    def load(self, count: int, people: SamplePeople, *, active: int) -> Iterator[int]:
        """Insert `count` tickets, `active` of them not closed, over all people; yield how many there are so far."""
        kinds = [True] * active + [False] * (count - active)
        self.rng.shuffle(kinds)
        planned, done = iter(kinds), 0
        while batch := list(islice(planned, BATCH)):
            plans = [
                (
                    ticket_histories.make_history(self.rng, self.present, active=kind),
                    people.contact(self.rng),
                    people.agent(self.rng),
                )
                for kind in batch
            ]
            self.insert(plans, people)
            done += len(batch)
            yield done
        sql.settle()

    def insert(self, plans: Sequence[Plan], people: SamplePeople) -> list[int]:
        """Insert one batch of histories with their people; return the tickets' primary keys."""
        rows, pks = Rows(), sql.reserve(Ticket, len(plans))
        mail_pks = iter(sql.reserve(OutboxMessage, sum(2 * len(history.steps) + 1 for history, _, _ in plans)))
        for pk, (history, requester, agent) in zip(pks, plans, strict=True):
            ticket = _ticket(pk, next(self.numbers), history, requester, people.provider_of(agent))
            Writer(rows, history, requester, agent, ticket, mail_pks).write(self.hours)
        rows.insert()
        return pks


def _ticket(pk: int, number: str, history: ticket_histories.History, requester: User, provider: Provider) -> Ticket:
    """Return a ticket as it is when its history begins."""
    return Ticket(
        pk=pk,
        number=number,
        customer_id=requester.contact.customer_id,
        requester_id=requester.pk,
        provider_id=provider.pk,
        subject=history.subject,
        category=history.category,
        team=Team.SALES if history.category == Ticket.Category.SALES else Team.SUPPORT,
        impact=history.impact,
        status=Status.OPEN,
        channel=Ticket.Channel.PHONE if history.is_phone else Ticket.Channel.PORTAL,
        opened_at=history.opened_at,
        search_words=searchable(history.subject),
    )


def _numbers(rng: Random) -> Iterator[str]:
    """Yield new tracking numbers, the same in every run; those that the database has are left out."""
    taken = set(Ticket.objects.values_list("number", flat=True))
    while True:
        number = numbers.complete_number(NUMBER_PREFIX, "".join(rng.choices(numbers.ALPHABET, k=7)))
        if number not in taken:
            taken.add(number)
            yield number
