"""The acts on an approved request, each with its form: who applies it, its execution, check, close and reversal."""

from collections.abc import Iterable
from typing import Any

from django import forms

from accounts.models import User
from accounts.web.proofs import read_proof
from change_requests import operations, policy
from change_requests.control import people
from change_requests.control.request_page import RequestPage
from change_requests.control.views_common import ActForm, ActView, PersonField, Reason, make_choice
from change_requests.models import FormalRequest
from factureya.core.templatetags.fy import when

MIN_CHANGE = 20  # characters of the reason of a change request
MIN_WAIVER = 50
WRONG_IMPLEMENTER = "Elija a quien implementa, de la lista"
Status = FormalRequest.Status


class NamingView(ActView):
    """Name who applies an approved request."""

    why_not = staticmethod(policy.why_not_designate)

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True once the request is approved; before, the last approval's form offers it."""
        return page.formal_request.status == Status.APPROVED and super().is_offered(page)

    def perform(self, form: ActForm) -> str:
        """Designate the chosen person to apply the approved request, and return the message with that person's name."""
        super().perform(form)
        return self.done.format(person=form.cleaned_data["implementer"])


class DesignateForm(ActForm):
    """Ask who applies the request (M24)."""

    implementer = PersonField(
        label="Quién implementa", help_text="Solo aparece personal ajeno a Desarrollo.", missing=WRONG_IMPLEMENTER
    )

    def __init__(self, *args: Any, people: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["implementer"].offer_people(people)  # type: ignore[attr-defined]


class Designate(NamingView):
    """Let the security officer designate who applies an approved request (M24)."""

    name, path = "designate", "designar"
    title, button = "Designar a quien implementa", "Designar"
    done = "Designó a {person} para implementarla."
    form_class = DesignateForm
    operation = staticmethod(operations.designate)

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the choices for who applies the approved request, and who is designated now, as the form's options."""
        implementers = people.list_implementers(_find_barred_implementers(page))
        return {"people": implementers, "initial": {"implementer": page.formal_request.implementer_id}}


class WaiverForm(ActForm):
    """Ask for a waiver: somebody of Development applies the request, under additional controls (M25)."""

    implementer = PersonField(
        label="Quién implementa",
        missing=WRONG_IMPLEMENTER,
        help_text="Personal de Desarrollo que además tiene el cargo de Implementador.",
    )
    reason = Reason(
        label="Por qué no se puede segregar la función",
        least=MIN_WAIVER,
        rows=4,
        help_text=f"Al menos {MIN_WAIVER} caracteres. Queda en el expediente.",
        missing="Escriba por qué no se puede segregar la función",
    )
    controls = Reason(
        label="Controles adicionales",
        help_text="Qué más se vigilará, además del registro de actividad y de la revisión.",
        missing="Escriba qué controles adicionales habrá",
    )
    checker = PersonField(
        label="Quién revisa después",
        missing="Elija a quien revisa, de la lista",
        help_text="Otra persona, ajena a la implementación; tiene 1 día hábil desde la ejecución.",
    )

    def __init__(self, *args: Any, people: Iterable[User] = (), checkers: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["implementer"].offer_people(people)  # type: ignore[attr-defined]
        self.fields["checker"].offer_people(checkers)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that whoever checks the work under a waiver is not who does it."""
        data = super().clean() or self.cleaned_data
        if data.get("checker") and data.get("checker") == data.get("implementer"):
            self.add_error("checker", "Quien revisa no puede ser quien implementa")
        return data


class Waive(NamingView):
    """Let the security officer permit that Development applies the request, under additional controls (M25)."""

    name, path = "waive", "excepcion"
    title, button = "No puedo segregar la función", "Autorizar la excepción"
    lead = (
        "Implementa alguien de Desarrollo, con controles adicionales: su actividad queda registrada y otra "
        "persona lo revisa en 1 día hábil. Mientras no se revise, la solicitud queda en rojo."
    )
    done = "Registramos la excepción: implementa {person}."
    form_class = WaiverForm
    operation = staticmethod(operations.grant_waiver)
    has_page = True

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the choices of a waiver's form: developers to apply the request; checkers who took no part in it."""
        return {
            "people": people.list_developers(_find_barred_implementers(page)),
            "checkers": people.list_checkers(policy.find_people_who_took_part(page.formal_request) | {page.user.pk}),
        }


class Execute(ActView):
    """Let the designated person apply what was approved, once the wait after the approval is over."""

    name, path = "execute", "implementar"
    title, button = "Implementación", "Aplicar lo aprobado"
    lead = (
        "El sistema aplica exactamente lo aprobado; nadie vuelve a teclear los datos. Si un dato de hoy ya "
        "no es el que dice la solicitud, no se escribe nada."
    )
    why_not = staticmethod(policy.why_not_execute)

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True to the designated person inside the time to apply the request."""
        return page.is_executable_now and super().is_offered(page)

    @classmethod
    def make_lead(cls, page: RequestPage) -> str:
        """Return the text above the button that applies the request; it also says when the approval expires."""
        expires_at = page.formal_request.execute_before
        return f"{cls.lead} La aprobación vence {when(expires_at)}." if expires_at else cls.lead

    def perform(self, form: ActForm) -> str:
        """Apply the approved request, and return the message; if a value had changed, nothing was applied."""
        execution = operations.execute(self.formal_request.pk, actor=self.user, proof=read_proof(self.request))
        if execution.result == execution.Result.OK:
            return "Se aplicó exactamente lo aprobado."
        return "No se aplicó nada: un dato cambió desde que se aprobó. La solicitud quedó como fallida."


class CheckForm(ActForm):
    """Ask for the independent check of what was done under a waiver (M25)."""

    ok = forms.TypedChoiceField(
        label="Resultado de la revisión",
        coerce=lambda text: text == "yes",
        choices=[
            ("yes", make_choice("Conforme", "Se hizo lo aprobado y nada más")),
            ("no", make_choice("Con observaciones", "Queda marcada y la ve el Responsable de Seguridad")),
        ],
        widget=forms.RadioSelect(),
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si está conforme o tiene observaciones"),
    )
    findings = Reason(
        label="Qué revisó y qué encontró",
        help_text="Queda en el expediente.",
        missing="Escriba qué revisó y qué encontró",
    )


class CheckWaiver(ActView):
    """Let the person whom the waiver names check what was done under it (M25)."""

    name, path = "check", "revisar"
    title, button = "Revisión independiente", "Registrar mi revisión"
    done = "Registramos su revisión."
    form_class = CheckForm
    why_not = staticmethod(policy.why_not_check)
    operation = staticmethod(operations.check_waiver)

    @classmethod
    def make_lead(cls, page: RequestPage) -> str:
        """Return the text above the form of the independent check: the additional controls that the waiver names."""
        waiver = page.formal_request.waiver
        return f"Controles adicionales: {waiver.controls if waiver else ''}"


class Close(ActView):
    """Let a supervisor close a request that was applied."""

    name, path = "close", "cerrar"
    title, button = "Cierre", "Cerrar la solicitud"
    lead = "Se avisó al cliente de lo aplicado. Ciérrela cuando compruebe que quedó como se aprobó."
    done = "La solicitud quedó cerrada."
    why_not = staticmethod(policy.why_not_close)
    operation = staticmethod(operations.close)


class RevertForm(ActForm):
    """Ask why a change is undone (M21)."""

    reason = Reason(
        label="Por qué se revierte",
        least=MIN_CHANGE,
        help_text="Es el motivo de la solicitud nueva: lo leen el cliente y quienes la aprueban.",
        missing="Escriba por qué se revierte",
    )


class Revert(ActView):
    """Let a supervisor prepare a new request that puts back the values of before."""

    name, path = "revert", "revertir"
    title, button = "Revertir este cambio", "Preparar la reversión"
    lead = "Se prepara una solicitud nueva con los valores de antes; pasa por las mismas aprobaciones."
    form_class = RevertForm
    why_not = staticmethod(policy.why_not_revert)
    has_page = is_bad = True

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the options of the form that reverts a request: the reason filled in after a «no fui yo»; else {}."""
        if page.formal_request.alarmed_at is None:
            return {}
        reason = f"La empresa avisó «no fui yo» de {page.folio}, que ya se había aplicado."
        return {"initial": {"reason": reason}}

    def perform(self, form: ActForm) -> str:
        """Prepare the request that reverts this one, and return the message with its folio."""
        original = self.formal_request
        reversal = operations.revert(
            original.pk, actor=self.user, reason=form.cleaned_data["reason"], proof=read_proof(self.request)
        )
        return f"Se preparó la solicitud {reversal.folio}, que revierte {original.folio}."


def _find_barred_implementers(page: RequestPage) -> set[int]:
    """Return the keys of the people who may not apply the request of this page.

    They are the reader, who must name another person, and whoever asked, wrote the current version, or decided on it.
    """
    authors = {page.revision.author_id} if page.revision else set()
    return page.decider_ids | authors | {page.formal_request.requester_id, page.user.pk}
