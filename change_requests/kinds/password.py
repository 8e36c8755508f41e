"""*Cambio de clave*: a person of the company sets another password by a link that works once (M7)."""

from accounts import operations as accounts
from accounts.models import User
from change_requests.kinds.access import ColleagueKind
from change_requests.kinds.fields import PASSWORD
from change_requests.models import FormalRequest


class PasswordChange(ColleagueKind):
    """Void a person's password and mail the person a link to set another."""

    code = FormalRequest.Kind.CLAVE
    field = PASSWORD
    choice = "Cambio de clave: que una persona elija otra contraseña"
    noun = "un cambio de clave"
    changes_heading = "Quién cambia de clave"
    question = "¿Quién necesita otra clave?"
    consequence = (
        "Cuando se ejecute, su clave de hoy deja de servir, sus sesiones se cierran y le enviamos a su correo un "
        "enlace para elegir otra."
    )
    title_prefix = "Cambio de clave"
    pdf_value = "Clave"
    pdf_label = "Cambio de clave"
    pdf_hint = "la persona recibe un enlace de un solo uso; nunca una clave por correo"
    mails_link_to_person = True
    person_warning = "Esta solicitud es para anular su contraseña del portal de {company}."

    def apply_to(self, person: User, request: FormalRequest, actor: User) -> User:
        return accounts.void_password(person.pk, folio=request.folio, actor=actor)
