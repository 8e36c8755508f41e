"""Plays the demo's stories through the real operations, each step at its own instant.

A heap of instants is worked off in order, so primary keys, chains and mails come out as if lived. Every wait that
nobody ends gets its reminder and its close (M15) at their time, as the sweeps would have done.
"""

import heapq
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from accounts.models import Provider, User
from factureya.core import clock
from factureya.core.calendar import AttentionHours, load_attention_hours
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.demo import files
from tickets import operations
from tickets.models import Ticket

# Mails younger than this stay queued, so that the demo's worker really sends a few.
LEFT_QUEUED = timedelta(minutes=30)
_UNITS = {"m": 60, "h": 3600, "d": 86_400}

Story = dict[str, Any]
Step = dict[str, Any]


class Player:
    """Play the stories in the order of their instants, up to `present`."""

    def __init__(self, people: dict[str, User], present: datetime) -> None:
        self.people = people
        self.present = present
        self.hours = load_attention_hours()
        self.third_party = Provider.objects.get(is_own=False)
        self.known: dict[str, int] = {}  # tickets that a later story continues
        self.order = 0
        self.heap: list[tuple[datetime, int, Callable[[], None]]] = []

    def play(self, stories: list[Story]) -> int:
        """Play every story; return the number of tickets."""
        for story in stories:
            self._at(begins(story, self.present, self.hours), self._open, story)
        while self.heap:
            instant, _, act = heapq.heappop(self.heap)
            with clock.at(instant):
                act()
            self._deliver(instant + timedelta(seconds=4))
        return len(stories)

    def _at(self, instant: datetime, act: Callable[..., None], *args: Any) -> None:
        """Note that `act` is done at `instant`, unless that is still to come."""
        if instant <= self.present:
            self.order += 1
            heapq.heappush(self.heap, (instant, self.order, lambda: act(*args)))

    def _deliver(self, instant: datetime) -> None:
        if instant < self.present - LEFT_QUEUED:
            queued = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=instant)
            with clock.at(instant), _mail_goes_nowhere():
                for pk in list(queued.values_list("pk", flat=True)):
                    outbox.deliver(pk)

    def _open(self, story: Story) -> None:
        author = self.people[story["by"]]
        body, attached = story["body"].strip(), [files.store(f) for f in story.get("files", ())]
        if "follows" in story:
            ticket = operations.follow_up(self.known[story["follows"]], author=author, body=body, files=attached)
        else:
            agent = self.people.get(story.get("agent", ""))
            ticket = operations.open_ticket(
                author=author,
                customer=author.contact.customer,
                subject=story["subject"],
                body=body,
                category=story["category"],
                impact=story["impact"],
                cfdi_uuid=story.get("cfdi_uuid", ""),
                files=attached,
                channel=story.get("channel", Ticket.Channel.PORTAL),
                agent=agent,
            )
        self.known[story.get("key", "")] = ticket.pk
        self._next(ticket.pk, list(story["steps"]))

    def _next(self, pk: int, steps: list[Step]) -> None:
        if steps and steps[0]["do"] != "silence":
            self._at(clock.now() + span(steps[0]["after"]), self._step, pk, steps)

    def _step(self, pk: int, steps: list[Step]) -> None:
        step, *rest = steps
        self._do(pk, step, self.people[step["who"]])
        self._expect_silence(pk)
        self._next(pk, rest)

    def _do(self, pk: int, step: Step, who: User) -> None:
        match step["do"]:
            case "take":
                operations.take(pk, agent=who)
            case "assign":
                operations.assign(pk, agent=who, assignee=self.people[step["to"]])
            case "hand_over":
                operations.hand_over(pk, supervisor=who, provider=self.third_party)
            case "phone_confirm":
                operations.confirm_by_phone(pk, agent=who, contact=self.people[step["contact"]])
            case verb:
                self._write(pk, verb, step, who)

    def _write(self, pk: int, verb: str, step: Step, who: User) -> None:
        """Do the steps that carry a text and files."""
        written = {"body": step.get("text", "").strip(), "files": [files.store(spec) for spec in step.get("files", ())]}
        match verb:
            case "note":
                operations.add_note(pk, agent=who, **written)
            case "answer":
                operations.answer(
                    pk, agent=who, wait_reason=step.get("wait"), proposes_solution=step.get("solves", False), **written
                )
            case "info":
                operations.add_information(pk, author=who, **written)
            case "confirm":
                operations.confirm_resolved(pk, author=who, **written)

    def _expect_silence(self, pk: int) -> None:
        """Note what the sweeps will do if nobody ends this wait."""
        closes_at = Ticket.objects.values_list("closes_at", flat=True).get(pk=pk)
        if closes_at is None:
            return
        warn = closes_at - operations.reminder_before() - timedelta(seconds=40)
        self._at(warn, self._unless_ended, operations.warn_before_close, pk, closes_at)
        close = closes_at + timedelta(seconds=70)
        self._at(close, self._unless_ended, operations.close_unanswered, pk, closes_at)

    def _unless_ended(self, sweep: Callable[[int], object], pk: int, closes_at: datetime) -> None:
        if Ticket.objects.filter(pk=pk, status=Ticket.Status.WAITING, closes_at=closes_at).exists():
            sweep(pk)


def load() -> list[Story]:
    """Return the stories on file."""
    return tomllib.loads((Path(__file__).parent / "tickets.toml").read_text())["story"]


def span(text: str) -> timedelta:
    """Return a length of time such as "1d8m"."""
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([mhd])", text)))


def begins(story: Story, present: datetime, hours: AttentionHours) -> datetime:
    """Return when a story starts; the three ways of saying it are explained in tickets.toml."""
    start: str = story["start"]
    if start.startswith("-"):
        return present - span(start)
    if start.startswith("due "):
        answer = max(place for place, step in enumerate(story["steps"]) if step["do"] == "answer")
        until_answer = sum((span(s["after"]) for s in story["steps"][: answer + 1]), timedelta())
        return present + span(start) - timedelta(days=settings.CUSTOMER_REPLY_DAYS) - until_answer
    days, clock_time = start.removeprefix("d").split()
    day = present.astimezone(hours.zone).date()
    for _ in range(int(days)):
        day -= timedelta(days=1)
        while not hours.is_business_day(day):
            day -= timedelta(days=1)
    return datetime.combine(day, time.fromisoformat(clock_time.zfill(5)), ZoneInfo(str(hours.zone)))


@contextmanager
def _mail_goes_nowhere() -> Iterator[None]:
    """Count mails of the past as sent; nobody wants hundreds of files in var/mail."""
    backend = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    try:
        yield
    finally:
        settings.EMAIL_BACKEND = backend
