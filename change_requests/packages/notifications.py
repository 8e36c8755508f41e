"""Mails about packages, one function per occasion; each is rendered in the operation's transaction (M28–M32).

Staff alone gets them: who asked, the head of IT, whose turn it is, and those who watch. No mail decides or carries a
file; its link opens the page.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import Office, User
from change_requests.packages import policy, progress
from change_requests.packages.models import (
    IdentifiedCopy,
    PackageChange,
    PackageFile,
    PackageFileCheck,
    SupplierPackage,
)
from change_requests.progress import find_people_in
from factureya.core.mail import outbox
from factureya.core.models import Event


def mail_registered(package: SupplierPackage, event: Event, copies: list[IdentifiedCopy]) -> None:
    """Tell the head of IT and the makers that a new version waits for the changes of the one before, if it does."""
    if copies:
        people = find_people_in(Office.IT_HEAD, *policy.MAKERS)
        _mail("port_needed", event, people, f"{package.pk}/", package=package, copies=copies)


def mail_step(change: PackageChange, event: Event) -> None:
    """Tell who asked, the head of IT and whose turn it is how far a change is, and what is missing."""
    turn = progress.find_turn(change)
    assert turn is not None  # a change that ended has another mail
    everybody = [change.requester, *find_people_in(Office.IT_HEAD, *turn.offices)]
    for person in _keep_active(everybody):
        is_mine = progress.is_turn_of(person, change)
        if is_mine or person.pk == change.requester_id or person.holds(Office.IT_HEAD):
            step = progress.find_step(change)
            context = {"change": change, "turn": turn, "step": step, "steps": len(progress.STEPS), "is_mine": is_mine}
            _mail("step", event, [person], f"cambios/{change.folio}/", **context)


def mail_ended(change: PackageChange, event: Event) -> None:
    """Tell who asked, the head of IT and who takes part that a change goes no further, and why."""
    people = _keep_active([change.requester, *find_people_in(Office.IT_HEAD)])
    _mail("ended", event, people, f"cambios/{change.folio}/", change=change)


def mail_in_use(change: PackageChange, event: Event, copy: IdentifiedCopy) -> None:
    """Tell everybody that a copy is in use, or that the original is in use again."""
    people = _keep_active([change.requester, copy.made_by, *find_people_in(*policy.WATCHERS)])
    is_copy = change.status == PackageChange.Status.RELEASED
    _mail("in_use", event, people, f"cambios/{change.folio}/", change=change, copy=copy, is_copy=is_copy)


def mail_altered(file: PackageFile, event: Event, verdict: PackageFileCheck.Verdict) -> None:
    """Alarm security, the head of IT and Auditoría: a stored file is not what was stored (M32)."""
    people = find_people_in(Office.SECURITY_OFFICER, Office.IT_HEAD, Office.AUDITOR)
    is_missing = verdict == PackageFileCheck.Verdict.MISSING
    found = event.data["found_sha256"]
    _mail("altered", event, people, "", file=file, is_missing=is_missing, found=found)


def _keep_active(people: Iterable[User]) -> list[User]:
    """Return the active people, each once."""
    return list({person.pk: person for person in people if person.is_active}.values())


def _mail(template: str, event: Event, people: Iterable[User], page: str, **context: Any) -> None:
    """Put a mail to each of these people into the outbox, once per event and address, with a link to its page."""
    for person in _keep_active(people):
        address = person.email
        outbox.enqueue(
            f"packages/{template}",
            key=f"{event.hash}:{template}:{hashlib.sha256(address.encode()).hexdigest()[:16]}",
            to=address,
            about=event.chain,
            context={"url": f"{settings.SITE_URL}/control/paquetes/{page}", **context},
        )
