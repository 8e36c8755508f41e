"""The kinds of formal requests, in the order in which a person is asked; a new kind is a file and a line here."""

from collections.abc import Sequence

from change_requests.kinds.access_add import AccessAdd
from change_requests.kinds.access_remove import AccessRemove
from change_requests.kinds.base import RequestKind
from change_requests.kinds.password import PasswordChange
from change_requests.kinds.sensitive_data import SensitiveData
from change_requests.kinds.service_stop import ServiceStop
from change_requests.kinds.values import Item
from change_requests.models import FormalRequest

KINDS: tuple[RequestKind, ...] = (AccessAdd(), AccessRemove(), PasswordChange(), SensitiveData(), ServiceStop())
_BY_CODES = {(kind.form, kind.code): kind for kind in KINDS}


def find_kind(request: FormalRequest) -> RequestKind:
    """Return the kind of the request."""
    return _BY_CODES[request.form, request.kind]


def list_kinds(form: str) -> list[RequestKind]:
    """Return the kinds that a form, of access or of change, can ask for."""
    return [kind for kind in KINDS if kind.form == form]


def find_title(form: str, kind: str, items: Sequence[Item]) -> str:
    """Return what a request of this kind is called, such as «Cambio de teléfono» or «Alta de Rosa Paredes»."""
    return _BY_CODES[form, kind].title(items)
