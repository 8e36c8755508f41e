"""Carry out the demo's formal requests with the real operations, each step at its own instant."""

import re
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
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
from factureya.demo.tickets import compute_start, parse_span

Story = dict[str, Any]
People = dict[str, User]


def seed(people: People, now: datetime) -> None:
    """Give each information asset an owner, and carry out the stories of formal requests; `seed_demo` calls this."""
    root = User.objects.get(is_superuser=True)
    for asset in InformationAsset.objects.exclude(code=ACCESS):  # access alone has no owner
        operations.set_asset_owner(asset.pk, actor=root, owner=people["fabian"])
    users = User.objects.select_related("contact__customer").in_bulk([person.pk for person in people.values()])
    people = {key: users[person.pk] for key, person in people.items()}  # read again: their companies are verified now
    for story in tomllib.loads((Path(__file__).parent / "requests.toml").read_text())["story"]:
        _run_story(story, people, now)


def _run_story(story: Story, people: People, now: datetime) -> None:
    """Draft the formal request of a story, and carry out its steps in order; stop at a step after `now`."""
    at = compute_start(story, now, load_attention_hours())
    with clock.at(at):
        request = _make_draft(story, people, at)
    for step in story["steps"]:
        at += parse_span(step["after"])
        if at > now:
            return
        with clock.at(at):
            STEPS[step["do"]](request, people, step)
        request.refresh_from_db()


def _make_draft(story: Story, people: People, at: datetime) -> FormalRequest:
    """Return a new draft of the story's formal request, with its answers and, if the story has one, its evidence."""
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
        file = store.store(SimpleUploadedFile(name, text.encode()), draft=request.folio)  # `draft`: its key until sent
        request = operations.add_evidence(request.pk, actor=author, files=[file])
    return request


def _confirm_new_email(request: FormalRequest, people: People, step: Story) -> None:
    """Confirm the new registered address that a request asks for, with the code mailed to that address."""
    items: list[dict[str, str]] = request.read_payload()["items"]
    address = next(item["new"] for item in items if item["field"] == "registered_email")
    body = OutboxMessage.objects.filter(to=address).latest("pk").body
    code = re.search(r"\b\d{6}\b", body)
    assert code is not None  # the mail of a code carries one
    operations.confirm_new_email(request.pk, code=code.group())


def _decide(operation: Callable[..., Any], officer: str, request: FormalRequest, people: People, step: Story) -> None:
    """Call `operation`, which approves or rejects the request, as the person `officer`; the step has the reason."""
    sha256 = request.read_revision().sha256  # says which version of the request the officer saw
    operation(request.pk, actor=people[officer], reason=step["text"], seen_hash=sha256)


STEPS: dict[str, Callable[[FormalRequest, People, Story], Any]] = {
    "submit": lambda request, _people, _step: operations.submit(request.pk, actor=request.requester),
    "confirm": lambda request, _people, _step: operations.confirm_from_registered_email(
        request.pk, actor=request.requester, revision_no=request.revision_no
    ),
    "code": _confirm_new_email,
    "verify": lambda r, people, step: operations.verify(r.pk, actor=people["laura"], note=step["text"]),
    "return": lambda r, people, step: operations.return_to_requester(r.pk, actor=people["laura"], reason=step["text"]),
    "ask": lambda r, people, step: operations.ask_clarification(r.pk, actor=people[step["who"]], question=step["text"]),
    "approve_owner": partial(_decide, operations.approve, "fabian"),
    "approve_security": partial(_decide, operations.approve, "elsa"),
    "reject": partial(_decide, operations.reject, "elsa"),
    "designate": lambda r, people, _step: operations.designate(r.pk, actor=people["elsa"], implementer=people["gina"]),
    "execute": lambda r, people, _step: operations.execute(r.pk, actor=people["gina"]),
    "close": lambda r, people, _step: operations.close(r.pk, actor=people["laura"]),
}
