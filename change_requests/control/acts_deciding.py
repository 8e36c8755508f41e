"""The acts that lead a request to its decision or stop it, each with its form (M20, M21)."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from accounts.models import User
from accounts.web.proofs import read_proof
from change_requests import operations, policy
from change_requests.control.acts_applying import WRONG_IMPLEMENTER, Designate
from change_requests.control.request_page import RequestPage
from change_requests.control.views_common import ActForm, ActView, Link, PersonField, Reason, make_choice
from change_requests.kinds.inputs import Choice
from change_requests.models import Decision, FormalRequest
from factureya.core.refusals import Refused

MAX_OUTCOME = 1000  # of a reason that ends a request: FormalRequest.outcome_reason holds no more
APPROVE, CLARIFY, REJECT = "approve", "clarify", "reject"
VERIFY, RETURN = "verify", "return"
Status = FormalRequest.Status


class ResumeForm(ActForm):
    """Ask how the officer found out that «no fui yo» was a mistake."""

    reason = Reason(
        label="Cómo lo comprobó",
        help_text="Queda en el expediente.",
        missing="Escriba cómo comprobó que la solicitud es legítima",
    )


class Resume(ActView):
    """Let the security officer resume a request that «no fui yo» stopped."""

    name, path = "resume", "reanudar"
    title, button = "Reanudar la solicitud", "Reanudar"
    lead = "La detuvo un aviso «no fui yo». Reanúdela solo si comprobó con la empresa, por otro medio, que es legítima."
    done = "La solicitud sigue su curso."
    form_class = ResumeForm
    why_not = staticmethod(policy.why_not_resume)
    operation = staticmethod(operations.resume)


class AlarmForm(ActForm):
    """Ask what the officer found out about a «no fui yo» after the execution (M8)."""

    reason = Reason(
        label="Qué comprobó y qué sigue",
        help_text="Queda en el expediente. La marca roja se quita.",
        missing="Escriba qué comprobó con la empresa y qué sigue",
    )


class MarkAlarmSeen(ActView):
    """Let the security officer write what he found about a «no fui yo» after the execution (M8)."""

    name, path = "alarm", "aviso"
    title, button = "Aviso «no fui yo» después de aplicarse", "Marcar como revisado"
    lead = (
        "Compruebe con la empresa, por teléfono, quién la pidió. Si no fue ella, pida que mesa de control la revierta; "
        "después escriba aquí qué comprobó."
    )
    done = "Registramos lo que comprobó; avisamos a quien dijo «no fui yo»."
    form_class = AlarmForm
    why_not = staticmethod(policy.why_not_mark_alarm_seen)
    operation = staticmethod(operations.mark_alarm_seen)


class ReturnForm(ActForm):
    """Ask what the customer must correct."""

    reason = Reason(
        label="Qué debe corregir",
        most=MAX_OUTCOME,
        help_text="Lo lee el cliente.",
        missing="Escriba qué debe corregir el cliente",
    )


class Return(ActView):
    """Let a supervisor send the request back to the company, with the reason."""

    name, path = "return", "devolver"
    title, button = "Devolver al cliente", "Devolver la solicitud"
    lead = "Conserva su folio: el cliente la corrige y la envía de nuevo, y se aprueba otra vez."
    done = "La solicitud se devolvió al cliente, con la razón."
    form_class = ReturnForm
    why_not = staticmethod(policy.why_not_return)
    operation = staticmethod(operations.return_to_requester)
    has_page = is_bad = True

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True in approval; while the request is being verified, the verification's form offers it."""
        return page.formal_request.status == Status.IN_APPROVAL and super().is_offered(page)


class AskingView(ActView):
    """Let the form of an act ask the company a question instead of deciding."""

    def ask_company(self, form: ActForm) -> str:
        """Send the company the question that the form holds as its reason, and return the message for the asker."""
        operations.ask_clarification(
            self.formal_request.pk,
            actor=self.user,
            question=form.cleaned_data["reason"],
            proof=read_proof(self.request),
        )
        return "Le preguntamos al cliente; el plazo se detiene hasta que responda."


class VerifyForm(ActForm):
    """Ask for the verification: in order, a question, or back to the customer (M20)."""

    outcome = Choice(
        label="Resultado de la verificación",
        choices=[
            (VERIFY, make_choice("Está en orden", "Pasa a aprobación")),
            (CLARIFY, make_choice("Pedir aclaración", "Detiene el plazo y le escribe al cliente")),
            (RETURN, make_choice("Devolver al cliente", "Conserva su folio; lo corrige y lo envía de nuevo")),
        ],
        missing="Elija si está en orden o se devuelve",
    )
    reason = Reason(
        label="Qué revisó",
        most=MAX_OUTCOME,
        help_text="Queda en el expediente. Si la devuelve, el cliente lo lee: diga qué debe corregir.",
        missing="Escriba qué revisó, o qué debe corregir el cliente",
    )

    def __init__(self, *args: Any, has_question: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if has_question:
            outcome: Any = self.fields["outcome"]
            outcome.choices = [choice for choice in outcome.choices if choice[0] == RETURN]


class Verify(AskingView):
    """Let a supervisor verify the request, ask the company, or send the request back (M20)."""

    name, path = "verify", "verificar"
    title, button = "Verificación", "Registrar la verificación"
    done = "La solicitud pasó a aprobación."
    form_class = VerifyForm
    why_not = staticmethod(policy.why_not_verify)

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return whether a question is open, as the form's option: then the request can only be sent back."""
        return {"has_question": page.is_waiting_for_answer}

    def perform(self, form: ActForm) -> str:
        """Verify the request, ask the company, or send the request back, as chosen, and return the message about it."""
        outcome, reason = form.cleaned_data["outcome"], form.cleaned_data["reason"]
        proof = read_proof(self.request)
        if outcome == CLARIFY:
            return self.ask_company(form)
        if outcome == RETURN:
            operations.return_to_requester(self.formal_request.pk, actor=self.user, reason=reason, proof=proof)
            return Return.done
        operations.verify(self.formal_request.pk, actor=self.user, note=reason, proof=proof)
        return self.done


class DecideForm(ActForm):
    """Ask an owner or the security officer to approve, ask, or reject, always with a reason (M21)."""

    decision = Choice(
        label="Decisión",
        choices=[
            (APPROVE, make_choice("Aprobar", "Pasa a implementación cuando estén todas las aprobaciones")),
            (CLARIFY, make_choice("Pedir aclaración", "Detiene el plazo y le escribe al cliente")),
            (REJECT, make_choice("Rechazar", "Se cierra; el cliente recibe la razón")),
        ],
        missing="Elija si aprueba, pide aclaración o rechaza",
    )
    reason = Reason(
        label="Razón de su decisión",
        most=MAX_OUTCOME,
        help_text="Queda en el expediente y la lee el cliente. Obligatoria también al aprobar.",
        missing="Escriba la razón de su decisión",
    )
    implementer = PersonField(
        label="Quién implementa (opcional)",
        required=False,
        missing=WRONG_IMPLEMENTER,
        help_text="Solo si aprueba; puede designarlo después. Solo aparece personal ajeno a Desarrollo.",
    )

    def __init__(self, *args: Any, people: Iterable[User] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if people is None:
            del self.fields["implementer"]
        else:
            self.fields["implementer"].offer_people(people, none="Lo designo después")  # type: ignore[attr-defined]


class Decide(AskingView):
    """Let an owner of the information or the security officer approve, ask, or reject (M21)."""

    name, path = "decide", "decidir"
    title, button = "Su decisión", "Registrar mi decisión"
    form_class = DecideForm

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True if it is the reader's turn to decide."""
        return page.is_my_decision

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the list of who may be named to implement, if this decision can be the last approval (M24); else {}.

        It can be the last one if only security's approval is missing, and the reader may give it.
        """
        is_last = [approval.office for approval in page.open_approvals] == [Decision.Office.SECURITY]
        return Designate.find_options(page) if is_last and page.is_my_decision else {}

    @classmethod
    def make_link(cls, page: RequestPage) -> Link:
        """Return the link back to the inbox."""
        return Link(reverse("control:inbox"), "Decidir después")

    def perform(self, form: ActForm) -> str:
        """Approve, reject, or ask the company, as chosen, and return the message about it.

        With the last approval the officer may also name who applies the request. If the naming is refused, the
        approval stays and the message says why.
        """
        data = form.cleaned_data
        if data["decision"] == CLARIFY:
            return self.ask_company(form)
        pk, proof = self.formal_request.pk, read_proof(self.request)
        decision = {"reason": data["reason"], "seen_hash": data["seen_hash"], "proof": proof}
        if data["decision"] == REJECT:
            operations.reject(pk, actor=self.user, **decision)
            return "Rechazó la solicitud; el cliente recibe la razón."
        if operations.approve(pk, actor=self.user, **decision).status != Status.APPROVED:
            return "Registramos su aprobación; faltan otras."
        done, implementer = "Registramos su aprobación: la solicitud está aprobada.", data.get("implementer")
        if not implementer:
            return done
        try:
            operations.designate(pk, actor=self.user, implementer=implementer, proof=proof)
        except Refused as refusal:  # the approval is written all the same
            return f"{done} No designó a nadie: {refusal}"
        return f"{done} {Designate.done.format(person=implementer)}"


class CancelForm(ActForm):
    """Ask why the request is cancelled."""

    reason = Reason(
        label="Por qué se cancela",
        most=MAX_OUTCOME,
        help_text="Lo lee el cliente.",
        missing="Escriba por qué se cancela",
    )


class Cancel(ActView):
    """Let a supervisor cancel a request before it is applied."""

    name, path = "withdraw", "cancelar"
    title, button = "Cancelar la solicitud", "Cancelar la solicitud"
    lead = "Termina aquí y nada se aplica. El cliente lee la razón."
    done = "La solicitud quedó cancelada; el cliente recibe la razón."
    form_class = CancelForm
    why_not = staticmethod(policy.why_not_withdraw)
    operation = staticmethod(operations.withdraw)
    has_page = is_bad = True
