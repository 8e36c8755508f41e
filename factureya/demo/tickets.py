"""Carry out the demo's stories of tickets with the real operations, each step at its own instant.

All steps are done in the order of their instants, so that keys, chains and mails come out as in real use. Every wait
that nobody ends gets its reminder and its close (M15) at their time, as the sweeps would have done.
"""

import heapq
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import Provider, User
from factureya.core import clock
from factureya.core.calendar import AttentionHours, load_attention_hours
from factureya.core.invoices import readings
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.demo import files
from tickets import operations, policy
from tickets.calls import operations as calls
from tickets.models import Message, Ticket
from tickets.providers.operations import record_view

# Mails younger than this stay queued, so that the demo's worker really sends a few.
UNSENT_PERIOD = timedelta(minutes=30)
_UNITS = {"m": 60, "h": 3600, "d": 86_400}

Story = dict[str, Any]
Step = dict[str, Any]


class StoryRunner:
    """Carry out stories in the order of the instants of their steps, up to `now`."""

    def __init__(self, people: dict[str, User], now: datetime) -> None:
        self.people = people
        self.now = now
        self.hours = load_attention_hours()
        self.third_party = Provider.objects.get(is_own=False)
        self.ticket_pks: dict[str, int] = {}  # of stories that a later one continues
        self.order = 0  # which of two actions at the same instant was planned first
        self.heap: list[tuple[datetime, int, Callable[[], None]]] = []  # instant, order, action

    def run(self, stories: list[Story]) -> int:
        """Carry out all stories (each is the life of one ticket) in the order of time; return how many they are."""
        for story in stories:
            self._plan(compute_start(story, self.now, self.hours), self._open_ticket, story)
        while self.heap:
            instant, _, action = heapq.heappop(self.heap)
            with clock.at(instant):
                action()
            self._mark_mails_sent(instant + timedelta(seconds=4))  # as soon as a worker would
        readings.read_pending()  # the attached invoices, as a worker would
        return len(stories)

    def _plan(self, instant: datetime, action: Callable[..., None], *args: Any) -> None:
        """Queue a call of `action` for `instant`, unless that is after `self.now`. `run` makes the calls in order."""
        if instant <= self.now:
            self.order += 1
            heapq.heappush(self.heap, (instant, self.order, lambda: action(*args)))

    def _mark_mails_sent(self, instant: datetime) -> None:
        """Mark the mails due by `instant` as sent, but send none; mails of the last UNSENT_PERIOD stay queued."""
        if instant < self.now - UNSENT_PERIOD:  # the demo's worker sends the later ones
            queued = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=instant)
            with clock.at(instant), _drop_mails():
                for pk in list(queued.values_list("pk", flat=True)):
                    outbox.deliver(pk)

    def _open_ticket(self, story: Story) -> None:
        """Open a story's ticket, or a follow-up to an earlier story's ticket, and plan the story's first step."""
        author = self.people[story["by"]]
        body, attached = story["body"].strip(), [files.store(file) for file in story.get("files", ())]
        if "follows" in story:
            ticket = operations.follow_up(self.ticket_pks[story["follows"]], author=author, body=body, files=attached)
        else:
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
                agent=self.people.get(story.get("agent", "")),
            )
        self.ticket_pks[story.get("key", "")] = ticket.pk
        self._plan_step(ticket.pk, list(story["steps"]))

    def _plan_step(self, pk: int, steps: list[Step]) -> None:
        """Plan the first of `steps`, the steps of the ticket's story that are still to come, if there is one."""
        if steps and steps[0]["do"] != "silence":  # "silence": nobody acts, and the ticket is closed by `_plan_sweeps`
            self._plan(clock.now() + parse_span(steps[0]["after"]), self._run_step, pk, steps)

    def _run_step(self, pk: int, steps: list[Step]) -> None:
        """Carry out the first of `steps`. Plan the next, and what follows if the customer does not answer (M15)."""
        step, *rest = steps
        if policy.is_third_party(self.people[step["who"]]):  # he read the ticket before he acted (M3)
            record_view(Ticket.objects.get(pk=pk), agent=self.people[step["who"]], page="tickets_ticket_change")
        self._call_operation(pk, step, self.people[step["who"]])
        self._plan_sweeps(pk)
        self._plan_step(pk, rest)

    def _call_operation(self, pk: int, step: Step, who: User) -> None:
        """Call the operation that a story's step names (`do`) on the ticket, as the person `who`."""
        match step["do"]:
            case "take":
                operations.take(pk, agent=who)
            case "assign":
                operations.assign(pk, agent=who, assignee=self.people[step["to"]])
            case "hand_over":
                operations.hand_over(pk, supervisor=who, provider=self.third_party)
            case "merge":
                operations.merge_ticket(pk, agent=who, into_pk=self.ticket_pks[step["into"]])
            case "split":  # the message is in the ticket `of`, into which this one was merged
                source_pk = self.ticket_pks[step["of"]]
                last = Message.objects.filter(ticket=source_pk, side=Message.Side.CUSTOMER).latest("seq")
                operations.split_message(source_pk, agent=who, message_pk=last.pk, subject=step["subject"])
            case "phone_confirm":
                confirm_by_phone(pk, who, self.people[step["contact"]])
            case verb:
                self._call_message_operation(pk, verb, step, who)

    def _call_message_operation(self, pk: int, verb: str, step: Step, who: User) -> None:
        """Call the operation of a step that writes a message or a note with its files, as the person `who`."""
        written = {"body": step.get("text", "").strip(), "files": [files.store(file) for file in step.get("files", ())]}
        match verb:
            case "note":
                operations.add_note(pk, agent=who, **written)
            case "answer":
                operations.answer(
                    pk, agent=who, wait_reason=step.get("wait"), proposes_solution=step.get("solves", False), **written
                )
            case "out_of_scope":
                operations.answer_out_of_scope(pk, agent=who, scope=step["scope"], **written)
            case "info":
                operations.add_information(pk, author=who, **written)
            case "confirm":
                operations.confirm_resolved(pk, author=who, **written)

    def _plan_sweeps(self, pk: int) -> None:
        """Plan the reminder and the close of a waiting ticket. Both do nothing if its customer replies first."""
        deadline = Ticket.objects.values_list("closes_at", flat=True).get(pk=pk)
        if deadline is None:  # no customer is asked anything
            return
        # In operation a sweep sends a reminder a little early, and closes a ticket a little late: here 40 and 70 s.
        run_reminder_at = deadline - operations.reminder_before() - timedelta(seconds=40)
        self._plan(run_reminder_at, self._sweep_unanswered, operations.warn_before_close, pk, deadline)
        run_close_at = deadline + timedelta(seconds=70)
        self._plan(run_close_at, self._sweep_unanswered, operations.close_unanswered, pk, deadline)

    def _sweep_unanswered(self, sweep: Callable[[int], object], pk: int, closes_at: datetime) -> None:
        """Call `sweep` (the reminder or the close) if the ticket waits and nothing has moved its `closes_at`."""
        if Ticket.objects.filter(pk=pk, status=Ticket.Status.WAITING, closes_at=closes_at).exists():
            sweep(pk)


def confirm_by_phone(pk: int, agent: User, contact: User) -> None:
    """Call the contact, who reads out the code that we mail, and confirm that the ticket is solved (M5, M15)."""
    call = calls.start_call(agent=agent, contact=contact)
    calls.send_code(call.pk, agent=agent)
    body = OutboxMessage.objects.filter(about=call.chain).values_list("body", flat=True).get()
    code = re.findall(r"^\d{6}$", body, re.MULTILINE)[0]
    with clock.at(clock.now() + timedelta(minutes=1)):
        calls.check_code(call.pk, agent=agent, code=code)
    with clock.at(clock.now() + timedelta(minutes=2)):
        operations.confirm_by_phone(pk, agent=agent, call_pk=call.pk)
        calls.end_call(call.pk, agent=agent)


def load_stories() -> list[Story]:
    """Return the stories of tickets.toml."""
    return tomllib.loads((Path(__file__).parent / "tickets.toml").read_text())["story"]


def parse_span(text: str) -> timedelta:
    """Return the length of time that a story writes as "1d8m"."""
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([mhd])", text)))


def compute_start(story: Story, now: datetime, hours: AttentionHours) -> datetime:
    """Return when a story starts: "-95m" before `now`, "d3 10:20" three business days ago at that time.

    "h4": four attention hours before `now`, so in the afternoon before if the demo is made at night.
    "due 4m": so early that the customer's time to reply to the story's last answer ends in 4 minutes (M15).
    """
    start: str = story["start"]
    if start.startswith("-"):
        return now - parse_span(start)
    if start.startswith("h"):
        return go_back(now, timedelta(hours=int(start.removeprefix("h"))), hours)
    if start.startswith("due "):
        last_answer = max(index for index, step in enumerate(story["steps"]) if step["do"] == "answer")
        until_answer = sum((parse_span(step["after"]) for step in story["steps"][: last_answer + 1]), timedelta())
        # Go back from the end of the customer's time: by that whole time, and by the time until the last answer.
        return now + parse_span(start) - timedelta(days=settings.CUSTOMER_REPLY_DAYS) - until_answer
    return parse_past_instant(start.removeprefix("d"), now, hours)


def go_back(instant: datetime, span: timedelta, hours: AttentionHours) -> datetime:
    """Return the time in attention hours from which `span` of them has passed at this instant."""
    local = instant.astimezone(hours.zone)
    day, left = local.date(), span
    while True:
        for start, end in reversed(hours.list_hours(day)):
            begin = datetime.combine(day, start, hours.zone)
            passed = min(local, datetime.combine(day, end, hours.zone)) - begin  # negative: they are still to come
            if passed >= left:
                return begin + passed - left
            left -= max(passed, timedelta())
        day -= timedelta(days=1)


def parse_past_instant(text: str, now: datetime, hours: AttentionHours) -> datetime:
    """Return the instant that a story writes as "3 10:05": three business days before `now`, at that time."""
    days, clock_time = text.split()
    day = now.astimezone(hours.zone).date()
    for _ in range(int(days)):
        day -= timedelta(days=1)
        while not hours.is_business_day(day):
            day -= timedelta(days=1)
    return datetime.combine(day, time.fromisoformat(clock_time.zfill(5)), hours.zone)  # zfill: "9:05" is "09:05"


@contextmanager
def _drop_mails() -> Iterator[None]:
    """Inside `with`, throw sent mails away, because nobody wants hundreds of files in var/mail."""
    backend = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    try:
        yield
    finally:
        settings.EMAIL_BACKEND = backend
