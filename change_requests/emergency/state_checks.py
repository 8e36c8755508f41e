"""Compare the rows of emergencies with their events, for `verify_audit` (M22, M23, M26).

An event cannot be changed; a row can, by whoever owns the tables. What the rows of accounts, seals, causes,
delegations and emergencies say must be what their events say. A flaw names the chain and the event.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from change_requests.emergency.models import (
    CriticalCredential,
    Delegation,
    EmergencyAccount,
    EmergencyCause,
    EmergencyGrant,
    GrantAuthorization,
)
from factureya.core.audit import Flaw
from factureya.core.models import ChainHead, Event

Facts = dict[str, tuple[int, Any]]  # by name: the number of the event that told it, and its value
_STATUS_AFTER = {
    "grant.requested": "requested",
    "grant.authorized": "authorized",
    "grant.refused": "refused",
    "grant.revoked": "refused",
    "grant.lapsed": "lapsed",
    "grant.opened": "open",
    "grant.ended": "ended",
}
_DECISION_VERBS = ("grant.authorized_by", "grant.authorized", "grant.refused")
_REQUEST_NAMES = ("account", "incident", "incident_kind", "cause", "fields", "reason", "drill")


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each fact in which rows and events of emergencies differ, and for each row that is gone."""
    for account in EmergencyAccount.objects.order_by("pk"):
        yield from _compare(account.chain, _read_account(account.events()), _describe_account(account))
    for cause in EmergencyCause.objects.exclude(kept_by=None).order_by("pk"):  # None: came with the portal, no event
        yield from _compare(cause.chain, _read_cause(cause.events()), _describe_cause(cause))
    for delegation in Delegation.objects.order_by("pk"):
        facts = _read_delegation(delegation.pk, delegation.events())
        yield from _compare(delegation.chain, facts, _describe_delegation(delegation))
    grants = EmergencyGrant.objects.select_related("account", "cause", "credential")
    for grant in grants.prefetch_related("authorizations").order_by("pk"):
        yield from _compare(grant.chain, _read_grant(grant.events()), _describe_grant(grant))
    yield from _find_lost("grant:", {f"grant:{folio}" for folio in grants.values_list("folio", flat=True)})
    aliases = EmergencyAccount.objects.values_list("alias", flat=True)
    yield from _find_lost("emergency:", {f"emergency:{alias}" for alias in aliases})


def hash_stored(half_hash: str) -> str:
    """Return what an event keeps of the stored hash of a half, so that nobody exchanges that hash unseen."""
    return hashlib.sha256(half_hash.encode()).hexdigest() if half_hash else ""


def _compare(chain: str, facts: Facts, described: dict[str, Any]) -> Iterator[Flaw]:
    """Yield a flaw for each fact that differs between row (`described`) and events (`facts`); empty counts as None."""
    for name in sorted(described.keys() | facts.keys()):
        seq, value = facts.get(name, (0, None))
        if (described.get(name) or None) != (value or None):
            yield Flaw(chain, seq, f"{name}: la fila no dice lo que su evento")


def _find_lost(prefix: str, chains: set[str]) -> Iterator[Flaw]:
    """Yield a flaw for each stored chain with this prefix that is not in `chains`: its row is gone."""
    heads = ChainHead.objects.filter(chain__startswith=prefix).order_by("chain")
    for chain in heads.values_list("chain", flat=True):
        if chain not in chains:
            yield Flaw(chain, 1, "la fila ya no está")


def _show_instant(instant: datetime | str | None) -> str:
    """Return an instant (of a row) or its text (of an event) as text in UTC, so both compare; "" for none."""
    if not instant:
        return ""
    parsed = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return parsed.astimezone(UTC).isoformat()


# -- Accounts and their seals ------------------------------------------------------------------------


def _describe_account(account: EmergencyAccount) -> dict[str, Any]:
    """Return what the rows of an account and of its seals say."""
    facts: dict[str, Any] = {
        "user": account.user_id,
        "purpose": account.purpose,
        "scope": account.scope,
        "retired": account.retired_at is not None,
    }
    for credential in account.credentials.all():
        facts |= _describe_credential(credential)
    return facts


def _describe_credential(credential: CriticalCredential) -> dict[str, Any]:
    """Return what the row of a seal says; each name holds the seal's number, as an account has many seals."""
    facts: dict[str, Any] = {"retired": credential.retired_reason, "renew_by": _show_instant(credential.renew_by)}
    for letter in "ab":
        facts[f"custodian_{letter}"] = getattr(credential, f"custodian_{letter}_id")
        facts[f"half_{letter}"] = hash_stored(getattr(credential, f"half_{letter}_hash"))
        facts[f"sealed_{letter}"] = getattr(credential, f"sealed_{letter}_at") is not None
    return {f"seal {credential.generation} {name}": value for name, value in facts.items()}


def _read_account(events: Iterable[Event]) -> Facts:
    """Return what the events of an account say about it and its seals."""
    facts: Facts = {}
    for event in events:
        data, seq = event.data, event.seq
        if event.verb == "account.added":
            facts |= {name: (seq, data[name]) for name in ("user", "purpose", "scope")}
        elif event.verb == "account.retired":
            facts["retired"] = (seq, True)
        elif event.verb.startswith("credential."):
            seal_facts = _read_credential(event.verb.removeprefix("credential."), data)
            facts |= {f"seal {data['generation']} {name}": (seq, value) for name, value in seal_facts.items()}
    return facts


def _read_credential(event_name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return what one event says about a seal; `event_name`: started, revealed, sealed, retired or reminded."""
    if event_name == "started":
        return {f"custodian_{letter}": data[f"custodian_{letter}"]["pk"] for letter in "ab"}
    if event_name == "revealed":
        return {f"half_{data['half']}": data["hash_sha256"]}
    if event_name == "sealed":
        renewal = {"renew_by": _show_instant(data["renew_by"])} if data["whole"] else {}
        return {f"sealed_{data['half']}": True, **renewal}
    return {"retired": data["reason"]} if event_name == "retired" else {}  # reminded: nothing


# -- Causes and delegations --------------------------------------------------------------------------


def _describe_cause(cause: EmergencyCause) -> dict[str, Any]:
    """Return what the row of a cause says."""
    return {"title": cause.title, "procedure": cause.procedure, "kept_by": cause.kept_by_id, "ended": not cause.active}


def _read_cause(events: Iterable[Event]) -> Facts:
    """Return what the events of a cause say about it."""
    facts: Facts = {}
    for event in events:
        if event.verb == "cause.added":
            facts |= {name: (event.seq, event.data[name]) for name in ("title", "procedure")}
            facts["kept_by"] = (event.seq, event.actor_id)
        elif event.verb == "cause.ended":
            facts["ended"] = (event.seq, True)
    return facts


def _describe_delegation(delegation: Delegation) -> dict[str, Any]:
    """Return what the row of a delegation says."""
    return {
        "office": delegation.office,
        "alternate": delegation.alternate_id,
        "starts_at": _show_instant(delegation.starts_at),
        "ends_at": _show_instant(delegation.ends_at),
        "granted_by": delegation.granted_by_id,
        "reason": delegation.reason,
        "ended": delegation.ended_at is not None,
    }


def _read_delegation(pk: int, events: Iterable[Event]) -> Facts:
    """Return what the events of the absent officer say about one delegation."""
    facts: Facts = {}
    for event in events:
        data, seq = event.data, event.seq
        if data.get("delegation") != pk:
            continue
        if event.verb == "delegation.granted":
            facts |= {name: (seq, data[name]) for name in ("office", "reason")}
            facts |= {name: (seq, _show_instant(data[name])) for name in ("starts_at", "ends_at")}
            facts |= {"alternate": (seq, data["alternate"]["pk"]), "granted_by": (seq, event.actor_id)}
        elif event.verb == "delegation.ended":
            facts["ended"] = (seq, True)
    return facts


# -- Emergencies -------------------------------------------------------------------------------------


def _describe_grant(grant: EmergencyGrant) -> dict[str, Any]:
    """Return what the rows of an emergency and its authorizations say; `record_checks` compares its review."""
    facts: dict[str, Any] = {
        "account": grant.account.alias,
        "operator": grant.operator_id,
        "cause": grant.cause.code,
        "customer": grant.customer_id,
        "minutes_asked": grant.minutes_asked,
        "minutes": grant.minutes,
        "status": "ended" if grant.status == "reviewed" else grant.status,  # no event here says "reviewed"
        "seal": grant.credential.generation if grant.credential else None,
        "end_reason": grant.end_reason,
        **{name: getattr(grant, name) for name in ("incident", "incident_kind", "fields", "reason", "drill")},
        **{name: _show_instant(getattr(grant, name)) for name in ("decide_before", "start_before")},
        **{name: _show_instant(getattr(grant, name)) for name in ("opened_at", "ends_at")},
    }
    if grant.opened_at is not None:  # else the event of its end has no instant
        facts["ended_at"] = _show_instant(grant.ended_at)
    return facts | {f"decision {each.slot}": _describe_decision(each) for each in grant.authorizations.all()}


def _describe_decision(decision: GrantAuthorization) -> list[Any]:
    """Return what the row of an authorization says."""
    return [
        decision.authorizer_id,
        decision.office,
        decision.assignment_id,
        decision.delegation_id,
        decision.verdict,
        decision.minutes,
        decision.reason,
        _show_instant(decision.decided_at),
    ]


def _read_grant(events: Iterable[Event]) -> Facts:
    """Return what the events of an emergency say about it and its authorizations."""
    facts: Facts = {}
    minutes: list[int] = []
    for event in events:
        data, seq, verb = event.data, event.seq, event.verb
        if verb in _STATUS_AFTER:
            facts["status"] = (seq, _STATUS_AFTER[verb])
        if verb == "grant.requested":
            facts |= {name: (seq, data[name]) for name in _REQUEST_NAMES}
            facts |= {"operator": (seq, event.actor_id), "customer": (seq, data["customer"]["pk"])}
            facts |= {"minutes_asked": (seq, data["minutes"])}
            facts["decide_before"] = (seq, _show_instant(data["decide_before"]))
        elif verb in _DECISION_VERBS:
            facts[f"decision {data['slot']}"] = (seq, _read_decision(event))
            minutes.append(data["minutes"])  # the fewer minutes of the two decisions count
            if verb == "grant.authorized":
                facts |= {"minutes": (seq, min(minutes)), "start_before": (seq, _show_instant(data["start_before"]))}
        elif verb == "grant.opened":
            facts |= {name: (seq, _show_instant(data[name])) for name in ("opened_at", "ends_at")}
            facts["seal"] = (seq, data["generation"])
        elif verb in ("grant.ended", "grant.lapsed", "grant.revoked"):
            facts |= _read_end(event)
    return facts


def _read_decision(event: Event) -> list[Any]:
    """Return what one event says about an authorization."""
    data = event.data
    delegation = data["delegation"]["pk"] if data["delegation"] else None
    decision_facts = [data[name] for name in ("verdict", "minutes", "reason")]
    return [
        event.actor_id,
        data["office"],
        data["office_assignment"],
        delegation,
        *decision_facts,
        _show_instant(data["decided_at"]),
    ]


def _read_end(event: Event) -> Facts:
    """Return what the event that ended an emergency says: why and, if it was open, when it ended."""
    reasons = {"grant.lapsed": "time", "grant.revoked": "revoked"}
    facts: Facts = {"end_reason": (event.seq, reasons.get(event.verb) or event.data["reason"])}
    if event.verb == "grant.ended":
        facts["ended_at"] = (event.seq, _show_instant(event.data["ended_at"]))
    return facts
