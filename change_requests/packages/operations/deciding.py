"""Judge the licence, choose who modifies a package, and weigh the impact of maintaining it (M29–M31)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from accounts.models import Proof, User
from change_requests.packages import notifications, policy, record
from change_requests.packages.models import (
    FileKind,
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
    PackageFile,
)
from change_requests.packages.operations._common import (
    Status,
    clean_amount,
    clean_line,
    clean_reason,
    lock_change,
    move,
    record_change,
    take_upload,
)
from change_requests.packages.operations.asking import end_change
from factureya.core.clock import now
from factureya.core.refusals import Invalid

Verdict, Who = LicenceVerdict.Verdict, MaintenanceOption.Who
NO = Decimal(0)
MAX_HOURS, MAX_COST = Decimal("99999.99"), Decimal("9999999999.99")
Arguments = Mapping[str, tuple[str, str]]  # who could modify it -> what speaks for and against


def judge_licence(
    pk: int,
    *,
    verdict: str,
    clause: str,
    analysis: str,
    document_upload: int | None,
    actor: User,
    consent_upload: int | None = None,
    proof: Proof | None = None,
) -> PackageChange:
    """Record what the licence says of a change, with its clause and document, and return the change (M29).

    If it forbids the change, that is its end. If it asks for the supplier's consent, the change waits for that file,
    unless it comes along.
    """
    if verdict not in Verdict.values:
        raise Invalid({"verdict": "Elija qué dice la licencia."})
    clause = clean_line(clause, field="clause", text_name="la cláusula", at_least=1, at_most=60)
    analysis = clean_reason(analysis, field="analysis", text_name="qué dice y por qué aplica", at_least=20)
    with lock_change(pk, actor, policy.why_not_judge_licence) as change:
        document = take_upload(document_upload, FileKind.LICENCE, actor, change=change, field="document")
        judged = LicenceVerdict.objects.create(
            change=change,
            verdict=verdict,
            clause=clause,
            analysis=analysis,
            document=document,
            **_sign("judged", actor),
        )
        if verdict == Verdict.NEEDS_CONSENT and consent_upload is not None:
            _write_consent(judged, _take_consent(change, consent_upload, actor), actor)
        if verdict == Verdict.FORBIDDEN:
            end_change(change, PackageChange.EndReason.LICENCE, analysis, actor)
        elif judged.permits:
            move(change, Status.LICENCE_CHECKED)
        rows = {record.VERDICT: record.describe_row(judged)}
        event = record_change("licence_judged", change, actor=actor, proof=proof, rows=rows, verdict=str(verdict))
        notifications.mail_step(change, event) if change.is_live else notifications.mail_ended(change, event)
    return change


def add_consent(pk: int, *, consent_upload: int | None, actor: User, proof: Proof | None = None) -> PackageChange:
    """Add the supplier's consent that the licence asks for, and return the change, which goes on (M29)."""
    with lock_change(pk, actor, policy.why_not_add_consent) as change:
        judged = change.licence_verdict
        _write_consent(judged, _take_consent(change, consent_upload, actor), actor)
        move(change, Status.LICENCE_CHECKED)
        rows = {record.VERDICT: record.describe_row(judged)}
        event = record_change("consent_added", change, actor=actor, proof=proof, rows=rows)
        notifications.mail_step(change, event)
    return change


def choose_option(
    pk: int, *, arguments: Arguments, chosen: str, reason: str, actor: User, proof: Proof | None = None
) -> PackageChange:
    """Choose who modifies the package, after all three were argued for and against, and return the change (M30)."""
    argued = {who: _clean_arguments(who, arguments) for who in Who.values}
    if chosen not in Who.values:
        raise Invalid({"chosen": "Elija quién lo modifica."})
    reason = clean_reason(reason, text_name="por qué se elige")
    with lock_change(pk, actor, policy.why_not_choose_option) as change:
        options = [
            MaintenanceOption.objects.create(
                change=change,
                who=who,
                in_favour=in_favour,
                against=against,
                chosen=who == chosen,
                reason=reason if who == chosen else "",
                **_sign("argued", actor),
            )
            for who, (in_favour, against) in argued.items()
        ]
        move(change, Status.OPTION_CHOSEN)
        rows = {record.OPTION: [record.describe_row(option) for option in options]}
        event = record_change(
            "option_chosen", change, actor=actor, proof=proof, rows=rows, chosen=str(chosen), reason=reason
        )
        notifications.mail_step(change, event)
    return change


def estimate_impact(
    pk: int,
    *,
    hours: Decimal,
    cost: Decimal,
    risk: str,
    loses_support: bool,
    support: str,
    actor: User,
    proof: Proof | None = None,
) -> PackageChange:
    """Record what maintaining the change will cost, its risk, and what support is lost, and return the change (M31).

    If Factureya itself maintains it, hours and cost are more than nothing, and the change waits for a second signature.
    """
    risk = clean_reason(risk, field="risk", text_name="el riesgo")
    support = clean_reason(support, field="support", text_name="qué pasa con el soporte del proveedor")
    hours = clean_amount(hours, field="hours", text="Escriba las horas al año.", at_least=NO, at_most=MAX_HOURS)
    cost = clean_amount(cost, field="cost", text="Escriba el costo al año.", at_least=NO, at_most=MAX_COST)
    with lock_change(pk, actor, policy.why_not_estimate) as change:
        is_own = change.options.filter(chosen=True, who=Who.OWN).exists()
        if is_own and not (hours and cost):
            empty = "cost" if hours else "hours"
            raise Invalid({empty: "Si lo mantiene Factureya, escriba las horas y el costo al año."})
        impact = ImpactEstimate.objects.create(
            change=change,
            is_own=is_own,
            hours=hours,
            cost=cost,
            risk=risk,
            loses_support=loses_support,
            support=support,
            **_sign("estimated", actor),
        )
        if impact.is_complete:
            move(change, Status.IMPACT_WEIGHED)
        rows = {record.IMPACT: record.describe_row(impact)}
        event = record_change("impact_estimated", change, actor=actor, proof=proof, rows=rows)
        notifications.mail_step(change, event)
    return change


def sign_impact(pk: int, *, actor: User, proof: Proof | None = None) -> PackageChange:
    """Sign, as head of IT, the estimate of a change that Factureya itself maintains, and return the change (M31)."""
    with lock_change(pk, actor, policy.why_not_sign_impact) as change:
        impact = change.impact
        impact.signed_by, impact.signed_at = actor, now()
        impact.save(update_fields=["signed_by", "signed_at"])
        move(change, Status.IMPACT_WEIGHED)
        rows = {record.IMPACT: record.describe_row(impact)}
        event = record_change("impact_signed", change, actor=actor, proof=proof, rows=rows)
        notifications.mail_step(change, event)
    return change


def _sign(verb: str, actor: User) -> dict[str, Any]:
    """Return the columns that say who did this (the `verb`) and when."""
    return {f"{verb}_by": actor, f"{verb}_by_name": actor.get_full_name(), f"{verb}_at": now()}


def _take_consent(change: PackageChange, upload: int | None, actor: User) -> PackageFile:
    """Store the supplier's consent and return its file."""
    return take_upload(upload, FileKind.CONSENT, actor, change=change, field="consent")


def _write_consent(judged: LicenceVerdict, consent: PackageFile, actor: User) -> None:
    """Write the consent into the verdict, once."""
    judged.consent, judged.consent_by, judged.consent_at = consent, actor, now()
    judged.save(update_fields=["consent", "consent_by", "consent_at"])


def _clean_arguments(who: str, arguments: Arguments) -> tuple[str, str]:
    """Return what speaks for and against one who could modify it. Raises Invalid unless both were written."""
    in_favour, against = arguments.get(who, ("", ""))
    label = Who(who).label
    return (
        clean_reason(in_favour, field=f"{who}_in_favour", text_name=f"qué hay a favor de «{label}»"),
        clean_reason(against, field=f"{who}_against", text_name=f"qué hay en contra de «{label}»"),
    )
