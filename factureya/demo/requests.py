"""Plays the demo's formal requests through the real operations, each step at its own instant."""

import re
import tomllib
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import User
from change_requests import operations
from change_requests.models import ACCESS, FormalRequest, InformationAsset
from factureya.core import clock
from factureya.core.calendar import load_attention_hours
from factureya.core.files import store
from factureya.core.models import OutboxMessage

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
Story = dict[str, Any]
People = dict[str, User]


def seed(people: People, present: datetime) -> None:
    """Name the owners of the information, and play every story up to `present`.

    Called by `seed_demo` (settings.DEMO_SEEDS) inside its transaction, with the people by key.
    """
    root = User.objects.get(is_superuser=True)
    for asset in InformationAsset.objects.exclude(code=ACCESS):
        operations.set_asset_owner(asset.pk, actor=root, owner=people["fabian"])
    pks = [person.pk for person in people.values()]
    fresh = User.objects.select_related("contact__customer").in_bulk(pks)  # their companies as verified since
    people = {key: fresh[person.pk] for key, person in people.items()}
    for story in load():
        _play(story, people, present)


def load() -> list[Story]:
    """Return the stories on file."""
    return tomllib.loads((Path(__file__).parent / "requests.toml").read_text())["story"]


def _play(story: Story, people: People, present: datetime) -> None:
    at = _start(story["start"], present)
    with clock.at(at):
        request = _draft(story, people, at)
    for step in story["steps"]:
        at += _span(step["after"])
        if at > present:
            return
        with clock.at(at):
            STEPS[step["do"]](request, people, step)
        request.refresh_from_db()


def _draft(story: Story, people: People, at: datetime) -> FormalRequest:
    """Make the draft with every answer and its file."""
    author = people[story["by"]]
    request = operations.create_draft(
        actor=author, customer=author.contact.customer, form=story["form"], kind=story["kind"]
    )
    answers: dict[str, Any] = {key: story[key] for key in ("reason", "items", "person") if key in story}
    if "user" in story:
        answers["person"] = {"user": people[story["user"]].pk}
    if days := story.get("effective_in_days"):
        answers["effective_date"] = (timezone.localdate(at) + timedelta(days=days)).isoformat()
    request = operations.save_draft(request.pk, actor=author, draft=answers)
    if name := story.get("file"):
        text = f"Constancia de situación fiscal de {author.contact.customer}, de demostración."
        file = store.store(SimpleUploadedFile(name, text.encode()), draft=request.folio)
        request = operations.add_evidence(request.pk, actor=author, files=[file])
    return request


# -- The steps ---------------------------------------------------------------------------------------


def _code(request: FormalRequest, people: People, step: Story) -> None:
    """Read the code in the mail to the new registered mail, and give it back."""
    address = next(item["new"] for item in _items(request) if item["field"] == "registered_email")
    body = OutboxMessage.objects.filter(to=address).latest("pk").body
    code = re.search(r"\b\d{6}\b", body)
    assert code is not None  # the mail of a code carries one
    operations.confirm_new_email(request.pk, code=code.group())


def _approve(officer: str) -> Callable[[FormalRequest, People, Story], None]:
    def approve(request: FormalRequest, people: People, step: Story) -> None:
        operations.approve(request.pk, actor=people[officer], reason=step["text"], seen_hash=_seen(request))

    return approve


def _reject(request: FormalRequest, people: People, step: Story) -> None:
    operations.reject(request.pk, actor=people["elsa"], reason=step["text"], seen_hash=_seen(request))


def _ask(request: FormalRequest, people: People, step: Story) -> None:
    operations.ask_clarification(request.pk, actor=people[step["who"]], question=step["text"])


def _designate(request: FormalRequest, people: People, step: Story) -> None:
    operations.designate(request.pk, actor=people["elsa"], implementer=people["gina"])


STEPS: dict[str, Callable[[FormalRequest, People, Story], Any]] = {
    "submit": lambda request, _people, _step: operations.submit(request.pk, actor=request.requester),
    "confirm": lambda request, _people, _step: operations.confirm_from_registered_email(
        request.pk, actor=request.requester, revision_no=request.revision_no
    ),
    "code": _code,
    "verify": lambda r, people, step: operations.verify(r.pk, actor=people["laura"], note=step["text"]),
    "return": lambda r, people, step: operations.return_to_requester(r.pk, actor=people["laura"], reason=step["text"]),
    "ask": _ask,
    "approve_owner": _approve("fabian"),
    "approve_security": _approve("elsa"),
    "reject": _reject,
    "designate": _designate,
    "execute": lambda r, people, _step: operations.execute(r.pk, actor=people["gina"]),
    "close": lambda r, people, _step: operations.close(r.pk, actor=people["laura"]),
}


def _items(request: FormalRequest) -> list[dict[str, str]]:
    items: list[dict[str, str]] = request.read_payload()["items"]
    return items


def _seen(request: FormalRequest) -> str:
    return request.read_revision().sha256


def _start(text: str, present: datetime) -> datetime:
    """Return the instant so many business days before `present`, at that hour."""
    days, hour = text.split()
    hours = load_attention_hours()
    day = present.astimezone(hours.zone).date()
    for _ in range(int(days)):
        day -= timedelta(days=1)
        while not hours.is_business_day(day):
            day -= timedelta(days=1)
    return datetime.combine(day, time.fromisoformat(hour.zfill(5)), hours.zone)


def _span(text: str) -> timedelta:
    """Return a length of time such as "1d8m"."""
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([mhd])", text)))
