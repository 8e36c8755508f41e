"""*Baja* of an access: a person of the company can no longer enter the portal (M7)."""

from accounts import operations as accounts
from accounts.models import User
from change_requests.kinds import people
from change_requests.kinds.access import ColleagueKind
from change_requests.kinds.fields import CONTACT
from change_requests.kinds.values import Errors
from change_requests.models import FormalRequest


class AccessRemove(ColleagueKind):
    """Take the access of a person who is not the requester and holds no powers."""

    code = FormalRequest.Kind.BAJA
    field = CONTACT
    choice = "Baja: quitar el acceso a una persona"
    noun = "una baja"
    changes_heading = "A quién se quita el acceso"
    question = "¿A quién se quita el acceso?"
    consequence = "Cuando se ejecute, sus sesiones se cierran al instante y ya no podrá ingresar."
    title_prefix = "Baja de acceso"
    pdf_value = "Baja"
    pdf_label = "Baja"
    pdf_hint = "la persona deja de entrar de inmediato"
    includes_requester = False
    person_warning = "Esta solicitud es para retirarle a usted el acceso al portal de {company}."

    def check_person(self, request: FormalRequest, person: User, errors: Errors) -> None:
        """Add to `errors` why this person cannot lose the access: the requester himself, or somebody with powers."""
        if person.pk == request.requester_id:
            errors["user"] = "Nadie pide su propia baja; la pide otro representante."
        elif people.holds_powers(request.customer, person):
            errors["user"] = "Esa persona tiene poderes. Primero cambie al representante con una solicitud de cambio."

    def apply_to(self, person: User, request: FormalRequest, actor: User) -> None:
        accounts.disable_by_request(person.pk, folio=request.folio, actor=actor)
