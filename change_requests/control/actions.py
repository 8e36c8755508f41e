"""The acts of mesa de control on a request, one class per act: its words, its form, and the operation that it calls."""

from typing import Any

from django.urls import reverse

from change_requests import operations, policy
from change_requests.control import forms, people
from change_requests.control.forms import ActForm
from change_requests.control.request_page import RequestPage
from change_requests.control.views_common import ActView, Link
from change_requests.models import Decision, FormalRequest
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import when

Status = FormalRequest.Status


class Resume(ActView):
    """The security officer lets a request go on that «no fui yo» stopped."""

    name, path = "resume", "reanudar"
    title, button = "Reanudar la solicitud", "Reanudar"
    lead = "La detuvo un aviso «no fui yo». Reanúdela solo si comprobó con la empresa, por otro medio, que es legítima."
    done = "La solicitud sigue su curso."
    form_class = forms.ResumeForm
    why_not = staticmethod(policy.why_not_resume)
    operation = staticmethod(operations.resume)


class MarkAlarmSeen(ActView):
    """The security officer writes what he found about a «no fui yo» after the execution (M8)."""

    name, path = "alarm", "aviso"
    title, button = "Aviso «no fui yo» después de aplicarse", "Marcar como revisado"
    lead = (
        "Compruebe con la empresa, por teléfono, quién la pidió. Si no fue ella, pida que mesa de control la revierta; "
        "después escriba aquí qué comprobó."
    )
    done = "Registramos lo que comprobó; avisamos a quien dijo «no fui yo»."
    form_class = forms.AlarmForm
    why_not = staticmethod(policy.why_not_mark_alarm_seen)
    operation = staticmethod(operations.mark_alarm_seen)


class Return(ActView):
    """A supervisor sends the request back to the company, with the reason."""

    name, path = "return", "devolver"
    title, button = "Devolver al cliente", "Devolver la solicitud"
    lead = "Conserva su folio: el cliente la corrige y la envía de nuevo, y se aprueba otra vez."
    done = "La solicitud se devolvió al cliente, con la razón."
    form_class = forms.ReturnForm
    why_not = staticmethod(policy.why_not_return)
    operation = staticmethod(operations.return_to_requester)
    has_page = is_bad = True

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True in approval; while the request is being verified, the verification's form offers it."""
        return page.formal_request.status == Status.IN_APPROVAL and super().is_offered(page)


class AskingView(ActView):
    """An act whose form can ask the company a question instead of deciding."""

    def ask(self, form: ActForm) -> str:
        """Ask the company what the form says, and return what to tell the person."""
        operations.ask_clarification(self.formal_request.pk, actor=self.user, question=form.cleaned_data["reason"])
        return "Le preguntamos al cliente; el plazo se detiene hasta que responda."


class Verify(AskingView):
    """A supervisor verifies the request, asks the company, or sends the request back (M20)."""

    name, path = "verify", "verificar"
    title, button = "Verificación", "Registrar la verificación"
    done = "La solicitud pasó a aprobación."
    form_class = forms.VerifyForm
    why_not = staticmethod(policy.why_not_verify)

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return whether a question is open: then the request can only be sent back."""
        return {"has_question": page.is_waiting_for_answer}

    def perform(self, form: ActForm) -> str:
        """Do what was chosen, and return what to tell the person."""
        outcome, reason = form.cleaned_data["outcome"], form.cleaned_data["reason"]
        if outcome == forms.CLARIFY:
            return self.ask(form)
        if outcome == forms.RETURN:
            operations.return_to_requester(self.formal_request.pk, actor=self.user, reason=reason)
            return Return.done
        operations.verify(self.formal_request.pk, actor=self.user, note=reason)
        return self.done


class Decide(AskingView):
    """An owner of the information or the security officer approves, asks, or rejects (M21)."""

    name, path = "decide", "decidir"
    title, button = "Su decisión", "Registrar mi decisión"
    form_class = forms.DecideForm

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True if it is the reader's turn to decide."""
        return page.is_my_decision

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the people who may implement, if the last approval is security's and this officer's (M24)."""
        is_last = [approval.office for approval in page.open_approvals] == [Decision.Office.SECURITY]
        return Designate.find_options(page) if is_last and page.is_my_decision else {}

    @classmethod
    def make_link(cls, page: RequestPage) -> Link:
        """Return the link back to the inbox."""
        return Link(reverse("control:inbox"), "Decidir después")

    def perform(self, form: ActForm) -> str:
        """Do what was chosen, and return what to tell; the last approval may name an implementer."""
        data = form.cleaned_data
        if data["decision"] == forms.CLARIFY:
            return self.ask(form)
        pk, decision = self.formal_request.pk, {"reason": data["reason"], "seen_hash": data["seen_hash"]}
        if data["decision"] == forms.REJECT:
            operations.reject(pk, actor=self.user, **decision)
            return "Rechazó la solicitud; el cliente recibe la razón."
        if operations.approve(pk, actor=self.user, **decision).status != Status.APPROVED:
            return "Registramos su aprobación; faltan otras."
        done, implementer = "Registramos su aprobación: la solicitud está aprobada.", data.get("implementer")
        if not implementer:
            return done
        try:
            operations.designate(pk, actor=self.user, implementer=implementer)
        except Refused as refusal:  # the approval is written all the same
            return f"{done} No designó a nadie: {refusal}"
        return f"{done} {Designate.done.format(person=implementer)}"


class NamingView(ActView):
    """An act that names who applies an approved request."""

    why_not = staticmethod(policy.why_not_designate)

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True once the request is approved; before, the last approval's form offers it."""
        return page.formal_request.status == Status.APPROVED and super().is_offered(page)

    def perform(self, form: ActForm) -> str:
        """Name the person, and return what to tell."""
        super().perform(form)
        return self.done.format(person=form.cleaned_data["implementer"])


class Designate(NamingView):
    """The security officer designates who applies an approved request (M24)."""

    name, path = "designate", "designar"
    title, button = "Designar a quien implementa", "Designar"
    done = "Designó a {person} para implementarla."
    form_class = forms.DesignateForm
    operation = staticmethod(operations.designate)

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the people who may implement, and who is designated now."""
        chosen = people.list_implementers(_find_involved(page))
        return {"people": chosen, "initial": {"implementer": page.formal_request.implementer_id}}


class Waive(NamingView):
    """The security officer lets somebody of Development apply the request, under additional controls (M25)."""

    name, path = "waive", "excepcion"
    title, button = "No puedo segregar la función", "Autorizar la excepción"
    lead = (
        "Implementa alguien de Desarrollo, con controles adicionales: su actividad queda registrada y otra "
        "persona lo revisa en 1 día hábil. Mientras no se revise, la solicitud queda en rojo."
    )
    done = "Registramos la excepción: implementa {person}."
    form_class = forms.WaiverForm
    operation = staticmethod(operations.grant_waiver)
    has_page = True

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the people of Development who may implement, and the people who may check them."""
        return {
            "people": people.list_developers(_find_involved(page)),
            "checkers": people.list_checkers(policy.find_people_who_took_part(page.formal_request) | {page.user.pk}),
        }


class Execute(ActView):
    """The designated person applies what was approved, once the wait after the approval is over."""

    name, path = "execute", "implementar"
    title, button = "Implementación", "Aplicar lo aprobado"
    lead = (
        "El sistema aplica exactamente lo aprobado; nadie vuelve a teclear los datos. Si un dato de hoy ya "
        "no es el que dice la solicitud, no se escribe nada."
    )
    form_class = forms.ExecuteForm
    why_not = staticmethod(policy.why_not_execute)

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True to the designated person inside the time to apply the request."""
        return page.is_executable_now and super().is_offered(page)

    @classmethod
    def make_lead(cls, page: RequestPage) -> str:
        """Return what applying does, and until when the approval holds."""
        before = page.formal_request.execute_before
        return f"{cls.lead} La aprobación vence {when(before)}." if before else cls.lead

    def perform(self, form: ActForm) -> str:
        """Apply the request, and return what was done."""
        execution = operations.execute(self.formal_request.pk, actor=self.user)
        if execution.result == execution.Result.OK:
            return "Se aplicó exactamente lo aprobado."
        return "No se aplicó nada: un dato cambió desde que se aprobó. La solicitud quedó como fallida."


class CheckWaiver(ActView):
    """The person whom the waiver names checks what was done under it (M25)."""

    name, path = "check", "revisar"
    title, button = "Revisión independiente", "Registrar mi revisión"
    done = "Registramos su revisión."
    form_class = forms.CheckForm
    why_not = staticmethod(policy.why_not_check)
    operation = staticmethod(operations.check_waiver)

    @classmethod
    def make_lead(cls, page: RequestPage) -> str:
        """Return which additional controls the waiver asks for."""
        waiver = page.formal_request.waiver
        return f"Controles adicionales: {waiver.controls if waiver else ''}"


class Close(ActView):
    """A supervisor closes a request that was applied."""

    name, path = "close", "cerrar"
    title, button = "Cierre", "Cerrar la solicitud"
    lead = "Se avisó al cliente de lo aplicado. Ciérrela cuando compruebe que quedó como se aprobó."
    done = "La solicitud quedó cerrada."
    form_class = forms.CloseForm
    why_not = staticmethod(policy.why_not_close)
    operation = staticmethod(operations.close)


class Cancel(ActView):
    """A supervisor cancels a request before it is applied."""

    name, path = "withdraw", "cancelar"
    title, button = "Cancelar la solicitud", "Cancelar la solicitud"
    lead = "Termina aquí y nada se aplica. El cliente lee la razón."
    done = "La solicitud quedó cancelada; el cliente recibe la razón."
    form_class = forms.CancelForm
    why_not = staticmethod(policy.why_not_withdraw)
    operation = staticmethod(operations.withdraw)
    has_page = is_bad = True


class Revert(ActView):
    """A supervisor prepares a new request that puts back the values of before."""

    name, path = "revert", "revertir"
    title, button = "Revertir este cambio", "Preparar la reversión"
    lead = "Se prepara una solicitud nueva con los valores de antes; pasa por las mismas aprobaciones."
    form_class = forms.RevertForm
    why_not = staticmethod(policy.why_not_revert)
    has_page = is_bad = True

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the beginning of a reason after a «no fui yo», to be completed."""
        if page.formal_request.alarmed_at is None:
            return {}
        reason = f"La empresa avisó «no fui yo» de {page.folio}, que ya se había aplicado."
        return {"initial": {"reason": reason}}

    def perform(self, form: ActForm) -> str:
        """Prepare the reversal, and return its folio in a sentence."""
        original = self.formal_request
        reversal = operations.revert(original.pk, actor=self.user, reason=form.cleaned_data["reason"])
        return f"Se preparó la solicitud {reversal.folio}, que revierte {original.folio}."


# In the order in which a page offers them.
ACTS: tuple[type[ActView], ...] = (
    Resume,
    MarkAlarmSeen,
    Verify,
    Decide,
    Designate,
    Waive,
    Execute,
    CheckWaiver,
    Close,
    Return,
    Cancel,
    Revert,
)


def _find_involved(page: RequestPage) -> set[int]:
    """Return the keys of the reader, and of who decided, asked or prepared the version: none of them may implement."""
    authors = {page.revision.author_id} if page.revision else set()
    return page.decider_ids | authors | {page.formal_request.requester_id, page.user.pk}
