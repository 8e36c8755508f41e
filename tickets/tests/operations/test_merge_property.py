"""500 random sequences of merge, split, undo and messages: none is lost or doubled, and every number resolves (M11)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from factureya.core import audit, clock
from factureya.core.refusals import Refused
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.merging import family
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]

SEQUENCES, BATCHES, STEPS, TICKETS = 500, 10, 9, 4
START = datetime.fromisoformat("2026-11-24T16:05:00+00:00")


class Story:
    """One company's tickets, and what was written in them."""

    def __init__(self, seed: int, ana: User, agent: User, tickets: list[Ticket]) -> None:
        self.random, self.ana, self.agent = Random(seed), ana, agent
        self.pks = [ticket.pk for ticket in tickets]
        self.now = START
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        """Take random steps; what was promised holds after each."""
        steps = [
            self.write,
            self.write,
            self.split,
            self.confirm,
            self.answer,
            self.merge,
            self.merge,
            self.undo,
            self.undo,
            self.split,
            self.wait,
        ]
        for _ in range(STEPS):
            step = self.random.choice(steps)
            rows = list(Message.objects.order_by("pk").values())
            with clock.at(self.now), suppress(Refused):
                step()
                self.done[step.__name__] += 1
            assert list(Message.objects.order_by("pk").values())[: len(rows)] == rows  # none is written again
            self.check()

    def pick(self) -> int:
        return self.random.choice(self.pks)

    def write(self) -> None:
        pk, body = self.pick(), f"Mensaje {self.random.random()}"
        survivor_pk = Ticket.objects.find_survivor_pk(pk)
        assert operations.add_information(pk, author=self.ana, body=body).pk == survivor_pk
        assert Message.objects.get(body=body).ticket_id == survivor_pk

    def answer(self) -> None:
        reason = self.random.choice([None, "detail"])
        operations.answer(self.pick(), agent=self.agent, body="Respuesta", wait_reason=reason)

    def merge(self) -> None:
        pk, into_pk = self.pick(), self.pick()
        before = Ticket.objects.values("status", "closes_at").get(pk=pk)
        operations.merge_ticket(pk, agent=self.agent, into_pk=into_pk)
        assert Ticket.objects.values("status", "closes_at").get(pk=pk) == before

    def undo(self) -> None:
        merged = Ticket.objects.filter(pk__in=self.pks, merged_into__isnull=False).values_list("pk", flat=True)
        pk = self.random.choice([*merged.order_by("pk"), self.pick()])
        operations.undo_merge(pk, agent=self.agent)

    def split(self) -> None:
        messages = Message.objects.filter(ticket__in=self.pks).exclude(seq=1).order_by("pk")
        if written := list(messages.values_list("ticket", "pk")):
            pk, chosen = self.random.choice(written)
            if self.random.random() < 0.7:  # from the page where it is read; else from its own ticket, merged or not
                pk = Ticket.objects.find_survivor_pk(pk)
            new = operations.split_message(pk, agent=self.agent, message_pk=chosen, subject="Otro problema")
            self.pks.append(new.pk)

    def wait(self) -> None:
        self.now += timedelta(days=self.random.choice([0, 1, 20, 31]))

    def confirm(self) -> None:
        if self.random.random() < 0.4:
            operations.confirm_resolved(self.pick(), author=self.ana)

    def check(self) -> None:
        """Each message is read on one page, once; each number leads to a ticket that is merged into none."""
        tickets = {ticket.pk: ticket for ticket in Ticket.objects.filter(pk__in=self.pks)}
        read = [pk for each in tickets.values() if not each.is_merged for pk in self.read(each)]
        assert sorted(read) == sorted(Message.objects.filter(ticket__in=self.pks).values_list("pk", flat=True))
        for ticket in tickets.values():
            survivor = tickets[Ticket.objects.find_survivor_pk(ticket.pk)]
            assert not survivor.is_merged
            assert survivor.customer_id == ticket.customer_id
            assert (ticket.pk in family.list_merged_pks(survivor.pk)) == ticket.is_merged

    def read(self, ticket: Ticket) -> Iterator[Any]:
        return family.read_family(ticket, self.ana).select_messages().values_list("pk", flat=True)


@pytest.fixture
def world() -> tuple[User, User, list[Ticket]]:
    with clock.at(START - timedelta(hours=1)):
        ana, agent = make_contact(), make_agent()
        return ana, agent, [make_ticket(requester=ana) for _ in range(TICKETS)]


# Two batches on each engine, the others once.
@pytest.mark.parametrize("batch", [0, 1, *(pytest.param(batch, marks=pytest.mark.once) for batch in range(2, BATCHES))])
def test_no_message_is_lost_or_doubled_and_every_number_resolves(world: Any, batch: int):
    done: Counter[str] = Counter()
    for seed in range(batch, SEQUENCES, BATCHES):
        with transaction.atomic():
            story = Story(seed, *world)
            story.run()
            done += story.done
            if seed < BATCHES:
                assert not list(audit.find_flaws())
            transaction.set_rollback(True)
    assert all(done[step] > 3 for step in ("merge", "undo", "split", "write")), done  # they did happen
