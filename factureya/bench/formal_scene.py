"""So many formal requests that wait for the security officer, and what is measured over them.

Every request is brought where it is by the operations; the people and the steps are those of the tests.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import count, cycle

from django.urls import reverse

from accounts.models import User
from change_requests import operations
from change_requests.models import FormalRequest
from factureya.bench import formal, sample_people, sql
from factureya.bench.browser import Browser, hidden_fields
from factureya.bench.scene import Page
from factureya.testing import request_histories
from factureya.testing.people import PASSWORD, Cast

SPARE = 20  # companies whose requests come and go while it is measured
STAYS_FRESH = 200.0  # seconds; a password typed again counts for 300
Status = FormalRequest.Status


class Scene:
    """Hold the people, so many requests that wait, and make others as they are wanted."""

    def __init__(self, waiting: int) -> None:
        gathered = sample_people.gather((SPARE + waiting) * sample_people.TICKETS_PER_COMPANY)
        people = _fresh(gathered.contacts[:: sample_people.CONTACTS_PER_COMPANY])
        self.cast, self.serial = Cast(), count(1)
        self.customer, self.spare = people[0], cycle(people[1:SPARE])
        for person in people[SPARE : SPARE + waiting]:
            self.shown = self.waits(person)
        sql.settle()

    def make(self, person: User, status: str) -> FormalRequest:
        """Make a request of this representative in `status`, for another address and telephone than today's."""
        number = next(self.serial)
        new = {"fiscal_address": f"Calle {number}, 72000 Puebla, Pue.", "phone": f"222 555 {number:04d}"}
        return request_histories.make(replace(self.cast, ana=person), status, items=new, declares=True)

    def waits(self, person: User) -> FormalRequest:
        """Make a request that its owner approved and the security officer has not."""
        request = self.make(person, Status.IN_APPROVAL)
        seen = request_histories.seen(request)
        return operations.approve(request.pk, actor=self.cast.fabian, reason=request_histories.WHY, seen_hash=seen)


class Submit(Page):
    """Measure the last step of the customer's; the request is withdrawn afterwards."""

    becomes = Status.SUBMITTED

    def __init__(self, scene: Scene, browser: Browser) -> None:
        super().__init__(browser, "")
        self.scene = scene
        self.fields: dict[str, str] = {}

    def ready(self) -> None:
        """Make a complete draft and get its last page."""
        self.request = self.scene.make(self.scene.customer, Status.DRAFT)
        self.path = reverse("requests:review", args=[self.request.folio])
        self.fields = hidden_fields(self.browser.get(self.path)) | {"confirm": "on"}

    def send(self) -> float:
        """Sign and send the request."""
        self.browser.post(self.path, self.fields)
        return self.browser.seconds

    def over(self) -> None:
        """Check that the request was sent, because a refusal redirects too, and withdraw it."""
        self.request.refresh_from_db()
        if self.request.status != self.becomes:
            raise RuntimeError(f"{self.path}: the request is {self.request.status}")
        if self.becomes != Status.EXECUTED:
            author = self.request.requester
            operations.withdraw(self.request.pk, actor=author, reason="Se pidió solo para medir.")


class Act(Submit):
    """Measure an officer's act, whose password was typed again a moment ago."""

    act = ""
    answers: dict[str, str] = {}

    def __init__(self, scene: Scene, browser: Browser) -> None:
        super().__init__(scene, browser)
        self.typed_at: float | None = None

    def ready(self) -> None:
        """Make a request that waits for this act, and get its page."""
        self.type_password()
        self.request = self.wanted(next(self.scene.spare))
        page = self.browser.get(reverse("control:request", args=[self.request.folio]))
        self.path = reverse(f"control:{self.act}", args=[self.request.folio])
        self.fields = hidden_fields(page) | self.answers

    def type_password(self) -> None:
        """Type the password again before the last time is too long ago."""
        now = time.monotonic()
        if self.typed_at is None or now - self.typed_at > STAYS_FRESH:
            path = reverse("account_reauthenticate")
            self.browser.post(path, hidden_fields(self.browser.get(path)) | {"password": PASSWORD})
            self.typed_at = now

    def wanted(self, person: User) -> FormalRequest:
        """Return a request as it must be for this act."""
        raise NotImplementedError


class Approve(Act):
    """Measure the security officer's decision, the last one that was missing."""

    act, becomes = "decide", Status.APPROVED
    answers = {"decision": "approve", "reason": request_histories.WHY}

    def wanted(self, person: User) -> FormalRequest:
        """Return a request that its owner approved."""
        return self.scene.waits(person)


class Execute(Act):
    """Measure the implementer's button."""

    act, becomes = "execute", Status.EXECUTED

    def wanted(self, person: User) -> FormalRequest:
        """Return an approved request."""
        return self.scene.make(person, Status.APPROVED)


def pages(scene: Scene) -> dict[str, Page]:
    """Return what is measured, by name."""
    cast, auth, inbox = scene.cast, reverse("bench_auth"), reverse("control:inbox")
    customer, officer = Browser(scene.customer), Browser(cast.elsa)
    return {
        formal.AUTH: Page(customer, auth),
        formal.AUTH_OFFICER: Page(officer, auth),
        formal.SUBMIT: Submit(scene, customer),
        formal.APPROVE: Approve(scene, officer),
        formal.EXECUTE: Execute(scene, Browser(cast.gina)),
        formal.APPROVAL: Page(officer, reverse("control:request", args=[scene.shown.folio])),
        formal.INBOX: Page(officer, inbox),
        formal.CURRENT: Page(officer, f"{inbox}?vista=en-curso"),
    }


def _fresh(people: Iterable[User]) -> list[User]:
    """Return the people read again, with their companies as they are verified since."""
    found = User.objects.select_related("contact__customer").in_bulk([user.pk for user in people])
    return [found[pk] for pk in sorted(found)]
