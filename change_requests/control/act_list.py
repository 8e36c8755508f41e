"""The acts of mesa de control, in the order of a request's life.

Whether an act is offered decides nothing: its operation asks again, under the lock.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from change_requests import operations, policy
from change_requests.control import forms, people
from change_requests.control.acts import Act, Link, Offer
from change_requests.control.forms import ActForm
from change_requests.control.request_page import Dossier
from change_requests.models import Decision, FormalRequest

Status = FormalRequest.Status
# What a person reads above each form.
RESUME_LEAD = (
    "La detuvo un aviso «no fui yo». Reanúdela solo si comprobó con la empresa, por otro medio, que es legítima."
)
ALARM_LEAD = (
    "Compruebe con la empresa, por teléfono, quién la pidió. Si no fue ella, pida que mesa de control la revierta; "
    "después escriba aquí qué comprobó."
)
WAIVE_LEAD = (
    "Implementa alguien de Desarrollo, con controles adicionales: su actividad queda registrada y otra "
    "persona lo revisa en 1 día hábil. Mientras no se revise, la solicitud queda en rojo."
)
CLOSE_LEAD = "Se avisó al cliente de lo aplicado. Ciérrela cuando compruebe que quedó como se aprobó."
RETURN_LEAD = "Conserva su folio: el cliente la corrige y la envía de nuevo, y se aprueba otra vez."
CANCEL_LEAD = "Termina aquí y nada se aplica. El cliente lee la razón."
REVERT_LEAD = "Se prepara una solicitud nueva con los valores de antes; pasa por las mismas aprobaciones."
EXECUTE_LEAD = (
    "El sistema aplica exactamente lo aprobado; nadie vuelve a teclear los datos. Si un dato de hoy ya "
    "no es el que dice la solicitud, no se escribe nada."
)


# -- Whom each act is for ----------------------------------------------------------------------------


def _is_ripe_for(user: User, seen: Dossier) -> bool:
    """The designated person, once the wait after the approval is over."""
    return policy.may_execute(user, seen.formal) is None and seen.is_ripe


def _allowed(question: Callable[[User, FormalRequest], object]) -> Callable[[User, Dossier], bool]:
    """Whether the policy has nothing against it."""
    return lambda user, seen: question(user, seen.formal) is None


def _may_designate(user: User, seen: Dossier) -> bool:
    """Once it is approved; before, the last approval's form offers it."""
    is_approved = seen.formal.status == Status.APPROVED
    return is_approved and policy.may_designate(user, seen.formal) is None


def _may_return(user: User, seen: Dossier) -> bool:
    """In approval; while it is being verified, the verification's form offers it."""
    in_approval = seen.formal.status == Status.IN_APPROVAL
    return in_approval and policy.may_return(user, seen.formal) is None


# -- What each act does ------------------------------------------------------------------------------


def _verify(formal: FormalRequest, user: User, form: Any) -> str:
    data = form.cleaned_data
    if data["outcome"] == forms.VERIFY:
        operations.verify(formal.pk, actor=user, note=data["reason"])
        return "La solicitud pasó a aprobación."
    return _ask(formal, user, form) if data["outcome"] == forms.CLARIFY else _return(formal, user, form)


def _return(formal: FormalRequest, user: User, form: Any) -> str:
    operations.return_to_requester(formal.pk, actor=user, reason=form.cleaned_data["reason"])
    return "La solicitud se devolvió al cliente, con la razón."


def _ask(formal: FormalRequest, user: User, form: Any) -> str:
    operations.ask_clarification(formal.pk, actor=user, question=form.cleaned_data["reason"])
    return "Le preguntamos al cliente; el plazo se detiene hasta que responda."


def _withdraw(formal: FormalRequest, user: User, form: Any) -> str:
    operations.withdraw(formal.pk, actor=user, reason=form.cleaned_data["reason"])
    return "La solicitud quedó cancelada; el cliente recibe la razón."


def _decide(formal: FormalRequest, user: User, form: Any) -> str:
    data = form.cleaned_data
    reason, seen_hash = data["reason"], data["seen_hash"]
    if data["decision"] == forms.CLARIFY:
        return _ask(formal, user, form)
    if data["decision"] == forms.REJECT:
        operations.reject(formal.pk, actor=user, reason=reason, seen_hash=seen_hash)
        return "Rechazó la solicitud; el cliente recibe la razón."
    formal = operations.approve(formal.pk, actor=user, reason=reason, seen_hash=seen_hash)
    if formal.status != Status.APPROVED:
        return "Registramos su aprobación; faltan otras."
    done = "Registramos su aprobación: la solicitud está aprobada."
    if not data.get("implementer"):
        return done
    try:
        return f"{done} {_designate(formal, user, form)}"
    except operations.Refused as refusal:  # the approval is written all the same
        return f"{done} No designó a nadie: {refusal}"


def _designate(formal: FormalRequest, user: User, form: Any) -> str:
    person = form.cleaned_data["implementer"]
    operations.designate(formal.pk, actor=user, implementer=person)
    return f"Designó a {person} para implementarla."


def _waive(formal: FormalRequest, user: User, form: Any) -> str:
    operations.grant_waiver(formal.pk, actor=user, **form.arguments())
    return f"Registramos la excepción: implementa {form.cleaned_data['implementer']}."


def _execute(formal: FormalRequest, user: User, _form: Any) -> str:
    execution = operations.execute(formal.pk, actor=user)
    if execution.result == execution.Result.OK:
        return "Se aplicó exactamente lo aprobado."
    return "No se aplicó nada: un dato cambió desde que se aprobó. La solicitud quedó como fallida."


def _check(formal: FormalRequest, user: User, form: Any) -> str:
    operations.check_waiver(formal.pk, actor=user, **form.arguments())
    return "Registramos su revisión."


def _close(formal: FormalRequest, user: User, _form: Any) -> str:
    operations.close(formal.pk, actor=user)
    return "La solicitud quedó cerrada."


def _revert(formal: FormalRequest, user: User, form: Any) -> str:
    fresh = operations.revert(formal.pk, actor=user, reason=form.cleaned_data["reason"])
    return f"Se preparó la solicitud {fresh.folio}, que revierte {formal.folio}."


def _mark_seen(formal: FormalRequest, user: User, form: Any) -> str:
    operations.mark_alarm_seen(formal.pk, actor=user, reason=form.cleaned_data["reason"])
    return "Registramos lo que comprobó; avisamos a quien dijo «no fui yo»."


def _resume(formal: FormalRequest, user: User, form: Any) -> str:
    operations.resume(formal.pk, actor=user, reason=form.cleaned_data["reason"])
    return "La solicitud sigue su curso."


# -- Whom one may choose -----------------------------------------------------------------------------


def _implementers(seen: Dossier, user: User) -> dict[str, Any]:
    chosen = people.implementers(_involved(seen) | {user.pk})
    return {"people": chosen, "initial": {"implementer": seen.formal.implementer_id}}


def _implementers_if_last(seen: Dossier, user: User) -> dict[str, Any]:
    """With the last approval, if it is security's, the implementer can be named at once (M24)."""
    is_last = [slot.office for slot in seen.pending] == [Decision.Office.SECURITY]
    return _implementers(seen, user) if is_last and seen.is_my_decision else {}


def _verification(seen: Dossier, _user: User) -> dict[str, Any]:
    """While a question is open it can only be returned."""
    return {"has_question": seen.is_waiting_for_customer}


def _under_waiver(seen: Dossier, user: User) -> dict[str, Any]:
    chosen: QuerySet[User] = people.developers(_involved(seen) | {user.pk})
    return {
        "people": chosen,
        "checkers": people.checkers(policy.took_part(seen.formal) | {user.pk}),
    }


def _why_undone(seen: Dossier, _user: User) -> dict[str, Any]:
    """After a «no fui yo» the reason is there already, to be completed."""
    if seen.formal.alarmed_at is None:
        return {}
    return {"initial": {"reason": f"La empresa avisó «no fui yo» de {seen.folio}, que ya se había aplicado."}}


def _involved(seen: Dossier) -> set[int]:
    """Nobody of these carries it out: who decided, who asked, who prepared it."""
    authors = {seen.revision.author_id} if seen.revision else set()
    return seen.decider_ids | {seen.formal.requester_id} | authors


ACTS = {
    act.name: act
    for act in (
        Act(
            "resume",
            forms.ResumeForm,
            "Reanudar la solicitud",
            "Reanudar",
            _allowed(policy.may_resume),
            _resume,
            lead=lambda _seen: RESUME_LEAD,
        ),
        Act(
            "alarm",
            forms.AlarmForm,
            "Aviso «no fui yo» después de aplicarse",
            "Marcar como revisado",
            _allowed(policy.may_see_alarm),
            _mark_seen,
            lead=lambda _seen: ALARM_LEAD,
        ),
        Act(
            "verify",
            forms.VerifyForm,
            "Verificación",
            "Registrar la verificación",
            _allowed(policy.may_verify),
            _verify,
            options=_verification,
        ),
        Act(
            "decide",
            forms.DecideForm,
            "Su decisión",
            "Registrar mi decisión",
            lambda _user, seen: seen.is_my_decision,
            _decide,
            options=_implementers_if_last,
        ),
        Act(
            "designate",
            forms.DesignateForm,
            "Designar a quien implementa",
            "Designar",
            _may_designate,
            _designate,
            options=_implementers,
        ),
        Act(
            "waive",
            forms.WaiverForm,
            "No puedo segregar la función",
            "Autorizar la excepción",
            _may_designate,
            _waive,
            options=_under_waiver,
            has_page=True,
            lead=lambda _seen: WAIVE_LEAD,
        ),
        Act(
            "execute",
            forms.ExecuteForm,
            "Implementación",
            "Aplicar lo aprobado",
            _is_ripe_for,
            _execute,
            lead=lambda seen: EXECUTE_LEAD + seen.until_words,
        ),
        Act(
            "check",
            forms.CheckForm,
            "Revisión independiente",
            "Registrar mi revisión",
            _allowed(policy.may_check),
            _check,
            lead=lambda seen: f"Controles adicionales: {seen.formal.waiver.controls}",
        ),
        Act(
            "close",
            forms.CloseForm,
            "Cierre",
            "Cerrar la solicitud",
            _allowed(policy.may_close),
            _close,
            lead=lambda _seen: CLOSE_LEAD,
        ),
        Act(
            "return",
            forms.ReturnForm,
            "Devolver al cliente",
            "Devolver la solicitud",
            _may_return,
            _return,
            has_page=True,
            is_bad=True,
            lead=lambda _seen: RETURN_LEAD,
        ),
        Act(
            "withdraw",
            forms.CancelForm,
            "Cancelar la solicitud",
            "Cancelar la solicitud",
            _allowed(policy.may_withdraw),
            _withdraw,
            has_page=True,
            is_bad=True,
            lead=lambda _seen: CANCEL_LEAD,
        ),
        Act(
            "revert",
            forms.RevertForm,
            "Revertir este cambio",
            "Preparar la reversión",
            _allowed(policy.may_revert),
            _revert,
            options=_why_undone,
            has_page=True,
            is_bad=True,
            lead=lambda _seen: REVERT_LEAD,
        ),
    )
}


def offers(request: HttpRequest, user: User, seen: Dossier, sent: Act | None, form: ActForm | None) -> list[Offer]:
    """What this person may do now, on the request's page; the form that was sent takes its blank one's place."""
    shown = [act for act in ACTS.values() if not act.has_page and act.applies(user, seen)]
    return [act.offer(seen, form if form is not None and act is sent else act.form_for(request, seen)) for act in shown]


def links(user: User, seen: Dossier) -> list[Link]:
    """The acts with a page of their own that this person may do now."""
    return [
        Link(reverse(f"control:{act.name}", args=[seen.folio]), act.title)
        for act in ACTS.values()
        if act.has_page and act.applies(user, seen)
    ]
