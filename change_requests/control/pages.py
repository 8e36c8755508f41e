"""What the pages of the rooms of mesa de control share: who is let in, ways back, refusals (M3, M26)."""

from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from accounts.models import Proof, User
from accounts.web import form_memory
from accounts.web.mixins import PrivateView
from accounts.web.proofs import read_proof
from change_requests.control.views_common import CONFLICT
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

FORBIDDEN = 403


class ControlPage(PrivateView):
    """Serve a page to who works or reads in /control/; everybody else gets 404 (M3)."""

    http_method_names = ["get", "head"]
    not_yours: ClassVar[str]  # the text of the 404
    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page to people who work or read in mesa de control, who are the only ones to see it.

        A method that the page does not take gets 405, an anonymous person the login, everybody else 404. Who reads
        everything gets 403 for any POST (M26).
        """
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return form_memory.ask_login(request, self.form_page())
        self.user = request.user
        if not self.user.works_in_control:
            raise Http404(self.not_yours)
        self.prepare(**kwargs)
        if request.method == "POST" and self.user.reads_all:
            raise PermissionDenied  # M26: Auditoría reads everything and does nothing
        return super().dispatch(request, *args, **kwargs)

    def prepare(self, **kwargs: Any) -> None:
        """Find what the address names. Raises Http404 for what this person may not see."""

    def form_page(self) -> str:
        """Return the address to open after a login: of this page, or for a POST of the page that holds its form."""
        if self.request.method != "POST":
            return self.request.get_full_path()
        return self.form_address()

    def form_address(self) -> str:
        """Return the address of the page that holds the form of a POST: by default this one."""
        return self.request.get_full_path()

    def make_proof(self) -> Proof:
        """Return how the person of this request is authenticated, for the event of the act."""
        return read_proof(self.request)

    def tell(self, refusal: Refused) -> int:
        """Add a message with the refusal, shown at the top of the page, and return the HTTP status for it."""
        messages.error(self.request, str(refusal))
        return choose_status_code(refusal)

    def fill_held(self, form: Any, posted_to: str) -> Any:
        """Return the form; if its values were sent to this address before a login, they fill it again (M17)."""
        held_fields = form_memory.read_held_fields(self.request)
        if held_fields.get("posted_to") == posted_to:
            form.initial.update(held_fields)
        return form


def choose_status_code(refusal: Refused) -> int:
    """Return the HTTP status for a refusal: 409 if the status does not allow the act, 403 for the person, else 200."""
    if isinstance(refusal, WrongStatus):
        return CONFLICT
    return FORBIDDEN if isinstance(refusal, NotAllowed) else 200
