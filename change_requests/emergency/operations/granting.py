"""Ask for an emergency, authorize it twice, refuse, revoke or let it lapse (M23)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from accounts.models import Customer, Proof, User
from change_requests.emergency import notifications, policy, roles
from change_requests.emergency.models import EmergencyAccount, EmergencyCause, EmergencyGrant, GrantAuthorization
from change_requests.emergency.operations._common import (
    clean_line,
    describe_person,
    describe_proof,
    find_drill_customer,
    find_limit,
    lock_account,
    lock_grant,
    require_minutes,
)
from change_requests.emergency.operations.opening import end_locked
from change_requests.kinds import fields as sensitive_fields
from change_requests.models import FormalRequest, find_folio
from change_requests.operations._common import clean_text, require_none, reread_person
from factureya.core import audit, numbers
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.refusals import FormUsed, Invalid, NotAllowed

Status, EndReason, Incident = EmergencyGrant.Status, EmergencyGrant.EndReason, EmergencyGrant.Incident
Verdict = GrantAuthorization.Verdict
MIN_REASON = 20


@dataclass(frozen=True)
class FoundIncident:
    """Hold the ticket or request by which an emergency is needed, and whose it is."""

    kind: str
    folio: str
    customer: Customer


def request_grant(
    account_pk: int,
    *,
    actor: User,
    incident: str,
    cause: str,
    fields: Sequence[str],
    reason: str,
    minutes: int,
    drill: bool = False,
    form_key: str | None = None,
    proof: Proof | None = None,
) -> EmergencyGrant:
    """Ask to use an emergency account for the customer of an incident, and return the new emergency (M23).

    `incident` is the number of a ticket or the folio of a request, `cause` the code of a cause, `fields` are codes of
    `kinds.fields.COLUMNS`. A drill has no incident and is for the customer of drills. A second call with the same
    `form_key` returns the emergency of the first. Raises Refused, or Invalid with a text for each field.
    """
    with lock_account(account_pk) as account:
        actor = reread_person(actor)
        if form_key and (earlier := EmergencyGrant.objects.filter(form_key=form_key).first()):
            return _require_same(earlier, actor, account)
        _tidy_account(account)
        require_none(policy.why_not_request_grant(actor, account))
        require_minutes(minutes, settings.EMERGENCY_MAX_MINUTES)
        found_cause, found_incident = _find_cause(cause), _find_incident(incident, actor, is_drill=drill)
        grant = _insert_grant(
            account,
            actor,
            found_incident,
            cause=found_cause,
            fields=_clean_fields(fields, account),
            reason=clean_text(reason, field="reason", text_name="qué va a hacer", at_least=MIN_REASON, at_most=4000),
            minutes_asked=minutes,
            drill=drill,
            form_key=form_key or None,
        )
        notifications.mail_requested(grant, _record_request(grant, proof))
    return grant


def authorize_grant(
    pk: int, *, actor: User, reason: str, minutes: int | None = None, slot: str = "", proof: Proof | None = None
) -> EmergencyGrant:
    """Give one of the two authorizations (`slot`) for the minutes asked (None) or fewer; return the emergency (M23).

    After the second, it can be opened during EMERGENCY_START_MINUTES; it is then open for the shorter of both times.
    """
    with lock_grant(pk) as grant:
        actor = reread_person(actor)
        minutes = grant.minutes_asked if minutes is None else minutes
        require_minutes(minutes, grant.minutes_asked)
        decision = _insert_authorization(
            grant, actor, slot, reason, Verdict.AUTHORIZE if minutes == grant.minutes_asked else Verdict.LESS, minutes
        )
        decisions = list(grant.authorizations.all())
        if len(decisions) < len(GrantAuthorization.Slot):  # this is the first of the two
            event = _record_decision("grant.authorized_by", grant, decision, proof)
            notifications.mail_authorized_by(grant, event, decision)
            return grant
        grant.status, grant.authorized_at = Status.AUTHORIZED, now()
        grant.minutes = min(each.minutes for each in decisions)
        grant.start_before = now() + timedelta(minutes=settings.EMERGENCY_START_MINUTES)
        grant.save(update_fields=["status", "authorized_at", "minutes", "start_before"])
        event = _record_decision("grant.authorized", grant, decision, proof)
        notifications.mail_authorized(grant, event)
    return grant


def refuse_grant(pk: int, *, actor: User, reason: str, slot: str = "", proof: Proof | None = None) -> EmergencyGrant:
    """Refuse one of the two authorizations (`slot`) of an emergency; it ends, and another one may be asked for."""
    with lock_grant(pk) as grant:
        actor = reread_person(actor)
        decision = _insert_authorization(grant, actor, slot, reason, Verdict.REFUSE, 0)
        grant.status, grant.ended_at, grant.ended_by = Status.REFUSED, now(), actor
        grant.save(update_fields=["status", "ended_at", "ended_by"])
        event = _record_decision("grant.refused", grant, decision, proof)
        notifications.mail_refused(grant, event, reason=decision.reason)
    return grant


def revoke_grant(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> EmergencyGrant:
    """Stop an emergency in course, with a reason, and return it; one that is not open yet ends as refused."""
    with lock_grant(pk) as grant:
        actor = reread_person(actor)
        require_none(policy.why_not_revoke(actor, grant))
        note = clean_line(
            reason, field="reason", text_name="el motivo", at_least=10, at_most=find_limit(EmergencyGrant, "end_note")
        )
        if grant.status == Status.OPEN:
            return end_locked(grant, EndReason.REVOKED, actor=actor, note=note, proof=proof)
        grant.status, grant.ended_at, grant.ended_by = Status.REFUSED, now(), actor
        grant.end_reason, grant.end_note = EndReason.REVOKED, note
        grant.save(update_fields=["status", "ended_at", "ended_by", "end_reason", "end_note"])
        event = audit.record("grant.revoked", grant, actor=actor, reason=note, auth=describe_proof(proof))
        notifications.mail_refused(grant, event, reason=note)
    return grant


def lapse_due(instant: datetime | None = None) -> int:
    """End the emergencies that nobody authorized or opened in time; return how many. Requests check this themselves."""
    instant = instant or now()
    late = Q(status=Status.REQUESTED, decide_before__lte=instant)
    late |= Q(status=Status.AUTHORIZED, start_before__lte=instant)
    count = 0
    for pk in list(EmergencyGrant.objects.filter(late).order_by("pk").values_list("pk", flat=True)):
        with lock_grant(pk) as grant:
            count += _lapse(grant)
    return count


def _lapse(grant: EmergencyGrant) -> bool:
    """End a locked emergency as *caducada* and return True, if its time to be authorized or opened is over."""
    deadline = {Status.REQUESTED: grant.decide_before, Status.AUTHORIZED: grant.start_before}.get(Status(grant.status))
    if deadline is None or not policy.is_over(deadline):
        return False
    old_status, grant.status, grant.ended_at, grant.end_reason = grant.status, Status.LAPSED, now(), EndReason.TIME
    grant.save(update_fields=["status", "ended_at", "end_reason"])
    event = audit.record("grant.lapsed", grant, actor=None, before=str(old_status), until=deadline.isoformat())
    notifications.mail_lapsed(grant, event)
    return True


def _tidy_account(account: EmergencyAccount) -> None:
    """End the emergencies of this locked account whose time is over, as the periodic task may come later."""
    for grant in account.grants.filter(status__in=EmergencyGrant.LIVE).select_related("operator", "cause", "customer"):
        if grant.status != Status.OPEN:
            _lapse(grant)
        elif (reason := policy.find_end_reason(grant)) is not None:
            end_locked(grant, reason, actor=None)


def _insert_grant(account: EmergencyAccount, operator: User, incident: FoundIncident, **columns: Any) -> EmergencyGrant:
    """Insert and return an emergency that waits for its authorizations, for the customer of its incident."""
    return EmergencyGrant.objects.create(
        folio=numbers.make_number(EmergencyGrant.PREFIX),
        account=account,
        operator=operator,
        operator_name=operator.get_full_name(),
        incident_kind=incident.kind,
        incident=incident.folio,
        customer=incident.customer,
        requested_at=now(),
        decide_before=now() + timedelta(minutes=settings.EMERGENCY_DECIDE_MINUTES),
        **columns,
    )


def _require_same(earlier: EmergencyGrant, actor: User, account: EmergencyAccount) -> EmergencyGrant:
    """Return the emergency that this form made before. Raises FormUsed unless its person and account are the same."""
    if earlier.operator_id != actor.pk or earlier.account_id != account.pk:
        raise FormUsed
    return earlier


def _find_cause(code: str) -> EmergencyCause:
    """Return the cause with this code. Raises Invalid unless it is on the list today."""
    cause = EmergencyCause.objects.filter(code=code, active=True).first()
    if cause is None:
        raise Invalid({"cause": "Elija una causa de la lista."})
    return cause


def _find_incident(text: str, actor: User, *, is_drill: bool) -> FoundIncident:
    """Return the drill's incident or the typed one. Raises Invalid unless it is open and of a verified customer."""
    if is_drill:
        return FoundIncident(Incident.DRILL, "SIMULACRO", find_drill_customer(actor))
    parts: tuple[str, str, int, bool] | None = None  # kind, number, customer's key, is it open
    if (folio := find_folio(text)) is not None:
        request = FormalRequest.objects.filter(folio=folio, revision_no__gte=1).first()  # 0: a draft, not sent
        parts = (Incident.REQUEST, request.folio, request.customer_id, request.is_open) if request else None
    elif (ticket := import_string(settings.EMERGENCY_TICKET_FINDER)(text)) is not None:
        parts = (Incident.TICKET, *ticket)
    if parts is None:
        raise Invalid({"incident": "No hay un ticket ni una solicitud con ese número."})
    kind, number, customer_pk, is_open = parts
    if not is_open:
        raise Invalid({"incident": f"{number} ya terminó; indique uno abierto."})
    customer = Customer.objects.get(pk=customer_pk)
    if not customer.is_verified or customer.is_drill:
        raise Invalid({"incident": f"La empresa de {number} no está verificada."})
    return FoundIncident(kind, number, customer)


def _clean_fields(codes: Sequence[str], account: EmergencyAccount) -> list[str]:
    """Return the chosen fields in a fixed order. Raises Invalid for an unknown field or a wrong scope."""
    chosen = [code for code in sensitive_fields.COLUMNS if code in codes]
    if set(codes) - set(chosen):
        raise Invalid({"fields": "Elija los datos de la lista."})
    reads_only = account.scope == EmergencyAccount.Scope.READ
    if reads_only and chosen:  # scope "read" allows none
        raise Invalid({"fields": "Esta cuenta solo lee: no marque ningún dato."})
    if not reads_only and not chosen:  # scope "fix" needs one
        raise Invalid({"fields": "Marque al menos un dato; si solo va a leer, use una cuenta de lectura."})
    return chosen


def _record_request(grant: EmergencyGrant, proof: Proof | None) -> Event:
    """Record and return the event of a new emergency, with all that the authorizers read."""
    return audit.record(
        "grant.requested",
        grant,
        actor=grant.operator,
        account=grant.account.alias,
        incident=grant.incident,
        incident_kind=str(grant.incident_kind),
        cause=grant.cause.code,
        customer={"pk": grant.customer.pk, "name": grant.customer.legal_name, "rfc": grant.customer.rfc},
        fields=grant.fields,
        reason=grant.reason,
        minutes=grant.minutes_asked,
        decide_before=grant.decide_before.isoformat(),
        drill=grant.drill,
        auth=describe_proof(proof),
    )


def _insert_authorization(
    grant: EmergencyGrant, actor: User, slot: str, reason: str, verdict: str, minutes: int
) -> GrantAuthorization:
    """Insert and return the actor's decision, in the given authorization (`slot`) or the first that he may give.

    Raises the policy's refusal if he may not decide.
    """
    slot = slot or policy.may_authorize(actor, grant) or _find_any_slot(actor)
    require_none(policy.why_not_decide(actor, grant, slot))
    mandate = roles.find_mandate(actor, slot)
    assert mandate is not None  # `why_not_decide` asked for it
    return GrantAuthorization.objects.create(
        grant=grant,
        slot=slot,
        authorizer=actor,
        authorizer_name=actor.get_full_name(),
        office=mandate.assignment.office,
        assignment=mandate.assignment,
        delegation=mandate.delegation,
        verdict=verdict,
        minutes=minutes,
        reason=clean_text(reason, field="reason", text_name="la razón de su decisión", at_least=10, at_most=4000),
        decided_at=now(),
    )


def _find_any_slot(actor: User) -> str:
    """Return an authorization (slot) for which the actor has the office; the caller then says why he may not give it.

    Raises NotAllowed if he has the office for none.
    """
    for slot in GrantAuthorization.Slot.values:
        if roles.find_mandate(actor, slot) is not None:
            return str(slot)
    raise NotAllowed("La autorizan el Propietario o el Área Informática, y Seguridad; o sus suplentes.")


def _record_decision(verb: str, grant: EmergencyGrant, decision: GrantAuthorization, proof: Proof | None) -> Event:
    """Record and return the event of one decision, with the office and any delegation that allowed it."""
    delegation = decision.delegation
    return audit.record(
        verb,
        grant,
        actor=decision.authorizer,
        slot=str(decision.slot),
        office=str(decision.office),
        office_assignment=decision.assignment_id,
        delegation={"pk": delegation.pk, "absent": describe_person(delegation.absent)} if delegation else None,
        verdict=str(decision.verdict),
        minutes=decision.minutes,
        reason=decision.reason,
        decided_at=decision.decided_at.isoformat(),
        start_before=grant.start_before.isoformat() if grant.start_before else None,
        auth=describe_proof(proof),
    )
