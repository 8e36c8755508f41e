"""No form takes more than its column holds (finding of servers.md: a 500 on PostgreSQL; M16, M17, M21).

Every text field of every form of ours, allauth's and the admin's is named here with the column it is stored in, or
with the reason why none holds it. A field that is not named is red, and so is one without a limit.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.core.context import request_context
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.urls import reverse

import accounts
import change_requests
import factureya
import tickets
from change_requests.control.views_common import ActForm
from change_requests.kinds import fields, representative
from factureya.testing.people import make_agent
from factureya.testing.tickets import make_ticket
from factureya.tests.test_access import TABLE, world  # noqa: F401  (a fixture)
from factureya.tests.test_lengths import too_long
from tickets.desk.composer import ComposerForm

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M16", "M17", "M21")]
COMPARED = "compared with something and not stored"
HASHED = "stored as a hash of one length"
COMPOSED = "part of a text column without a limit"
CHECKED = "one of a few values, or of one length, when it is stored"
ADDRESS = "part of fiscal_address, whose whole length DataForm measures"
PERSON, NAME, CUSTOMER = "accounts.User", "accounts.User.full_name", "accounts.Customer"
REPRESENTATIVE, OUTCOME = "accounts.Representative", "change_requests.FormalRequest.outcome_reason"
EMERGENCY = "change_requests.Emergency"
PACKAGE, CHANGE, OPTION = (
    "change_requests.SupplierPackage",
    "change_requests.PackageChange",
    "change_requests.MaintenanceOption",
)
AUTHORITY = "tickets.AuthorityRequest"
STORED: dict[str, str] = {
    "AskForm.need": f"{CHANGE}.need",
    "AskForm.title": f"{CHANGE}.title",
    "AuthorizeForm.reason": f"{CHANGE}.authorization_reason",
    "CancelChangeForm.reason": f"{CHANGE}.end_note",
    "CopyForm.change_log": "change_requests.IdentifiedCopy.change_log",
    "CopyForm.reapply_notes": "change_requests.IdentifiedCopy.reapply_notes",
    "ImpactForm.risk": "change_requests.ImpactEstimate.risk",
    "ImpactForm.support": "change_requests.ImpactEstimate.support",
    "LicenceForm.analysis": "change_requests.LicenceVerdict.analysis",
    "LicenceForm.clause": "change_requests.LicenceVerdict.clause",
    **{f"OptionsForm.{who}_in_favour": f"{OPTION}.in_favour" for who in ("own", "supplier", "third")},
    **{f"OptionsForm.{who}_against": f"{OPTION}.against" for who in ("own", "supplier", "third")},
    "OptionsForm.reason": f"{OPTION}.reason",
    "PortForm.notes": "change_requests.PackagePort.notes",
    **{
        f"RegisterForm.{name}": f"{PACKAGE}.{name}"
        for name in ("supplier", "name", "version", "software", "licence_name", "licence_text")
    },
    "ReleaseForm.note": f"{CHANGE}.release_note",
    "RevertChangeForm.reason": f"{CHANGE}.revert_reason",
    "TestForm.notes": "change_requests.IdentifiedCopy.test_notes",
    "AccountForm.alias": f"{EMERGENCY}Account.alias",
    "AccountForm.purpose": f"{EMERGENCY}Account.purpose",
    "CategoryForm.label": "tickets.TicketCategory.label",
    "NameForm.label": "tickets.TicketCategory.label",
    "ExplanationForm.text": "tickets.ScopeExplanation.text",
    "MergeForm.number": COMPARED,
    "SplitForm.subject": "tickets.Ticket.subject",
    "AuthorityForm.body": f"{AUTHORITY}.body",
    "AuthorityForm.document_number": f"{AUTHORITY}.document_number",
    "AuthorityForm.email": f"{AUTHORITY}.email",
    "AuthorityForm.form_key": f"{AUTHORITY}.form_key",
    "AuthorityForm.official": f"{AUTHORITY}.official",
    "AuthorityForm.position": f"{AUTHORITY}.position",
    "AuthorityForm.taxpayer_rfc": CHECKED,
    "AuthorityForm.unit": f"{AUTHORITY}.unit",
    "CloseForm.outcome": f"{AUTHORITY}.outcome",
    "CauseForm.procedure": f"{EMERGENCY}Cause.procedure",
    "CauseForm.title": f"{EMERGENCY}Cause.title",
    "ChangeForm.field": f"{EMERGENCY}Change.field",
    "ChangeForm.new": f"{EMERGENCY}Change.new",
    "ChangeForm.reason": f"{EMERGENCY}Change.reason",
    "DecisionForm.reason": "change_requests.GrantAuthorization.reason",
    "DelegationForm.reason": "change_requests.Delegation.reason",
    "GrantForm.customer": COMPARED,
    "GrantForm.incident": f"{EMERGENCY}Grant.incident",
    "GrantForm.reason": f"{EMERGENCY}Grant.reason",
    "HalfForm.half": COMPARED,
    "RevokeForm.reason": f"{EMERGENCY}Grant.end_note",
    "SignForm.findings": "change_requests.GrantReview.findings",
    "VerdictForm.note": "change_requests.ActivityVerdict.note",
    "AcceptForm.full_name": NAME,
    "AlarmForm.reason": "core.Event.data",
    "AnswerForm.answer": "change_requests.Clarification.body",
    "BrandingForm.accent": CHECKED,
    "BrandingForm.kept_logo": CHECKED,
    "BrandingForm.main": CHECKED,
    "CancelForm.reason": OUTCOME,
    "ChargeDecisionForm.note": "tickets.ChargeProposal.note",
    "ChargeForm.reason": "tickets.ChargeProposal.reason",
    **{f"ChargeForm.work_{number}": "tickets.ChargeLine.work" for number in range(1, 5)},
    "TimeEntryForm.work": "tickets.TimeEntry.work",
    "ChargeReasonForm.reason": "tickets.TimeEntry.void_reason",
    "CheckForm.findings": "change_requests.Waiver.findings",
    "ComposerForm.body": "tickets.Message.body",
    "ComposerForm.note": "tickets.Note.body",
    "CreditsForm.package": "accounts.CreditBalance.package",
    "CreditsForm.seen": COMPARED,
    "DataForm.city": ADDRESS,
    "DataForm.legal_name": f"{CUSTOMER}.legal_name",
    "DataForm.phone": f"{CUSTOMER}.phone",
    "DataForm.registered_email": f"{CUSTOMER}.registered_email",
    "DataForm.representative_email": f"{REPRESENTATIVE}.email",
    "DataForm.representative_instrument": f"{REPRESENTATIVE}.instrument",
    "DataForm.representative_name": f"{REPRESENTATIVE}.name",
    "DataForm.representative_rfc": CHECKED,
    "DataForm.rfc": CHECKED,
    "DataForm.street": ADDRESS,
    "DataForm.suburb": ADDRESS,
    "DataForm.zip": ADDRESS,
    "DecideForm.reason": OUTCOME,
    "DiscardForm.reason": "core.Event.data",
    "FollowUpForm.body": "tickets.Message.body",
    "GrantOfficeForm.reason": "core.Event.data",
    "HolidayForm.name": "core.Holiday.name",
    **{f"HoursForm.day_{number}": CHECKED for number in range(7)},
    "InformationForm.body": "tickets.Message.body",
    "InviteStaffForm.email": "accounts.Invitation.email",
    "LoginForm.login": COMPARED,
    "LookUpForm.email": COMPARED,
    "LookUpForm.number": COMPARED,
    "MailGrantForm.reason": "tickets.MailGrant.reason",
    "NameForm.full_name": NAME,
    "PersonForm.email": f"{PERSON}.email",
    "PersonForm.full_name": NAME,
    "PersonForm.phone": f"{CUSTOMER}.phone",
    "PersonForm.position": "change_requests.RequestRevision.payload",
    "ProviderForm.name": "accounts.Provider.name",
    "ReasonForm.reason": "accounts.FactorReset.reason",
    "RefuseForm.reason": f"{CUSTOMER}.refusal_reason",
    "ResetPasswordForm.email": f"{PERSON}.email",
    "ResumeForm.reason": "core.Event.data",
    "ReturnForm.reason": OUTCOME,
    "RevertForm.reason": "change_requests.RequestRevision.reason",
    "SalesCallForm.caller_name": "tickets.Call.caller_name",
    "SalesCallForm.caller_phone": "tickets.Call.caller_phone",
    "SalesCallForm.note": "tickets.Call.note",
    "SignupForm.email": f"{PERSON}.email",
    "SignupForm.form_key": f"{CUSTOMER}.form_key",
    "SignupForm.full_name": NAME,
    "SignupForm.legal_name": f"{CUSTOMER}.legal_name",
    "SignupForm.rfc": CHECKED,
    "SubmitForm.seen": COMPARED,
    "VerifyForm.reason": OUTCOME,
    "WaiverForm.controls": "change_requests.Waiver.controls",
    "WaiverForm.reason": "change_requests.Waiver.reason",
    "WithdrawForm.reason": OUTCOME,
    **{
        f"{form}.{field}": column
        for form in ("TicketForm", "CallForm", "MailTicketForm")
        for field, column in {
            "subject": "tickets.Ticket.subject",
            "cfdi_uuid": CHECKED,
            "description": COMPOSED,
            "steps": COMPOSED,
            "expected": COMPOSED,
        }.items()
    },
}
# Fields of one name that mean the same in every form.
ALIKE = {
    "password": HASHED,
    "password1": HASHED,
    "password2": HASHED,
    "oldpassword": COMPARED,
    "code": COMPARED,
    "seen_hash": COMPARED,
}
# Two forms are called ReasonForm: the customer's step 3 has the limit that `content` has.
STEP_3 = "change_requests.customer.forms"


def modules() -> Iterator[str]:
    """Whatever may define a form."""
    for place in (accounts, tickets, change_requests, factureya):
        for found in pkgutil.walk_packages(place.__path__, f"{place.__name__}."):
            if not re.search(r"\.(tests|testing|dev|bench|demo|migrations)\b|pdf_worker|bootstrap", found.name):
                yield found.name


def form_classes() -> list[type[Any]]:
    """Every form of ours; the admin's ModelForms too."""
    for name in modules():
        importlib.import_module(name)
    found: set[type[Any]] = set()
    waiting: list[type[Any]] = [forms.BaseForm]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            if child.__module__.partition(".")[0] in {"accounts", "tickets", "change_requests", "factureya"}:
                found.add(child)
    return sorted((f for f in found if "tests" not in f.__module__), key=lambda f: f"{f.__module__}{f.__name__}")


def fields_of(cls: type[Any], request: Any) -> dict[str, forms.Field]:
    """The fields of an empty form; of one that cannot be made without its page, those that it declares."""
    ways: list[dict[str, Any]] = [
        {},
        {"request": request},
        {"email": "ana@ejemplo.mx"},
        {"user": request.user},
        {"user": request.user, "temp_key": "x"},
    ]
    for way in ways:
        try:
            with request_context(request):
                fields: dict[str, forms.Field] = cls(**way).fields
        except (TypeError, KeyError):
            continue
        return fields
    declared: dict[str, forms.Field] = cls.base_fields
    return declared


def limit_of(field: forms.Field) -> int | None:
    """How many characters the field takes."""
    limits = [v.limit_value for v in field.validators if isinstance(v, MaxLengthValidator)]
    named = getattr(field, "most", None) or getattr(field, "max_length", None)
    return min([*([named] if named else []), *limits], default=None)


@pytest.fixture
def request_of_agent(rf):
    request = rf.get("/")
    request.user, request.session = make_agent(), SessionStore()
    return request


def text_fields(request: Any) -> Iterator[tuple[str, type[Any], forms.Field]]:
    for cls in form_classes():
        for name, field in fields_of(cls, request).items():
            if isinstance(field, forms.CharField):
                yield f"{cls.__name__}.{name}", cls, field


def column(place: str) -> Any:
    """The column of «app.Model.field»; None for a reason in words."""
    if not re.fullmatch(r"\w+\.\w+\.\w+", place):
        return None
    app, model, field = place.split(".")
    return apps.get_model(app, model)._meta.get_field(field)


def place_of(name: str, cls: type[Any]) -> str | None:
    if cls.__module__ == STEP_3 and name == "ReasonForm.reason":
        return "change_requests.RequestRevision.reason"
    return STORED.get(name) or ALIKE.get(name.partition(".")[2])


def test_every_text_field_fits_its_column(request_of_agent):
    """The one rule, for all of them: named, limited, and no longer than what it is stored in."""
    wrong = []
    for name, cls, field in text_fields(request_of_agent):
        place, limit = place_of(name, cls), limit_of(field)
        if place is None:
            wrong.append(f"{name}: say in STORED where it is stored")
            continue
        found = column(place)
        most = getattr(found, "max_length", None)
        if limit is None:
            wrong.append(f"{name}: has no limit")
        elif most is not None and limit > most:
            wrong.append(f"{name}: takes {limit} characters, {place} holds {most}")
    assert not wrong, "\n".join(wrong)


def test_every_text_field_says_in_spanish_that_a_text_is_too_long(request_of_agent):
    """One character too many is refused in words of ours."""
    wrong = []
    for name, _cls, field in text_fields(request_of_agent):
        limit = limit_of(field) or 0
        long = "x" * (limit + 1)
        if isinstance(field, forms.EmailField):
            long = f"{'x' * 60}@{'.'.join(['y' * 60] * 5)}.mx"
        try:
            field.clean(long)
            wrong.append(f"{name}: takes {limit + 1} characters")
        except ValidationError as refusal:
            said = " ".join(refusal.messages)
            if "Asegúrese" in said or "Ensure" in said or not said:
                wrong.append(f"{name}: {said}")
    assert not wrong, "\n".join(wrong)


def test_no_page_fails_on_texts_that_are_one_character_too_long(request, request_of_agent):
    """Every address × everybody who may send to it × every field at once: an answer, and nothing too long is stored."""
    here, limits = request.getfixturevalue("world"), dict[str, int]()
    for name, _cls, field in text_fields(request_of_agent):
        called = name.partition(".")[2]
        limits[called] = min(limits.get(called, 10_000), limit_of(field) or 0)
    long = {name: "x" * (limit + 1) for name, limit in limits.items()}
    chosen = {"outcome": "return", "decision": "reject", "kind": "respuesta", "category": "other", "impact": "1"}
    for role in ("anonymous", "ana", "dario", "laura", "elsa", "root"):
        for name, rows in TABLE.items():
            client = here.client(role)
            answer = client.post(reverse(name, args=rows[0].args(here)), {**long, **chosen})
            assert answer.status_code < 500, f"{role} {name}"
    assert too_long() == []


def test_no_other_form_writes_a_column():
    """The stock admin makes forms of its own only for what is listed; each of these is in STORED."""
    writable = {
        type(site).__name__
        for site in admin.site._registry.values()
        if type(site).has_change_permission is admin.ModelAdmin.has_change_permission
    }
    assert writable == set()


def test_a_form_of_an_act_says_its_limit_and_its_content_too():
    """What a PDF or a mail brings meets the same limits in `content`."""
    assert isinstance(ActForm.base_fields["seen_hash"], forms.CharField)
    for row in (fields.LEGAL_NAME, fields.FISCAL_ADDRESS, fields.PHONE, fields.REGISTERED_EMAIL):
        assert row.max_length <= column(f"{CUSTOMER}.{row.code}").max_length
    for part in representative.PARTS:
        assert not part.max_length or part.max_length <= column(f"{REPRESENTATIVE}.{part.column}").max_length
    assert fields.FULL_NAME.max_length <= column(NAME).max_length
    assert fields.EMAIL.max_length <= column(f"{PERSON}.email").max_length


def test_the_composer_is_measured_as_it_is_made():
    """It needs its ticket."""
    assert limit_of(ComposerForm(make_ticket()).fields["body"]) == 10_000
