"""What the pages and the acts of one request in mesa de control share (M3, M21)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import User
from accounts.sign_in import backends
from accounts.web import form_memory
from accounts.web.mixins import PrivateView
from accounts.web.proofs import read_proof
from change_requests import operations, policy
from change_requests.control.request_page import RequestPage, join_page_data
from change_requests.kinds.inputs import Choice
from change_requests.models import FormalRequest, find_folio
from factureya.core.forms import PortalForm, Text
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

CONFLICT = 409
MIN_REASON = 10
MAX_REASON = 2000
FORM_FIELDS = {"question": "reason"}  # field of an operation -> field of a form
NOT_YOURS = "No hay una solicitud con ese folio para usted."


def make_choice(words: str, consequence: str) -> str:
    """Return the label of a choice, followed by its consequence in small print."""
    return format_html("{} <small>{}</small>", words, consequence)


class Reason(Text):
    """Ask for a written reason with a least and a greatest length; spaces at its ends do not count."""

    def __init__(self, *, least: int = MIN_REASON, most: int = MAX_REASON, missing: str, rows: int = 3, **options: Any):
        super().__init__(missing=missing, rows=rows, most=most, **options)
        self.least = least

    def clean(self, value: Any) -> str:
        """Return the written reason without spaces at its ends. Raises ValidationError when it is too short."""
        text = str(super().clean(value)).strip()
        if 0 < len(text) < self.least:  # `required` refuses an empty text
            raise forms.ValidationError(f"Explíquelo en al menos {self.least} caracteres; escribió {len(text)}")
        return text


class RefusableForm(PortalForm):
    """Show in a form why its operation refused."""

    def show_refusal(self, refusal: operations.Refused) -> None:
        """Add to this form why its operation refused: beside the input at fault, or above the form if it has none."""
        errors = getattr(refusal, "errors", None) or {refusal.field: str(refusal)}
        for name, text in errors.items():
            field = FORM_FIELDS.get(name, name)  # a form names some fields otherwise than the operation
            self.add_error(field if field in self.fields else None, text)


class ActForm(RefusableForm):
    """Ask for an act, with the hash of the content that was seen, and the password unless it was just typed."""

    STALE = "La página perdió su validez. Revise el contenido de nuevo y repita su decisión."
    seen_hash = forms.CharField(
        widget=forms.HiddenInput,
        max_length=64,
        error_messages=dict.fromkeys(("required", "max_length", "null_characters_not_allowed"), STALE),
    )
    password = forms.CharField(
        label="Confirme con su contraseña",
        required=False,
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"max_length": backends.WRONG, "null_characters_not_allowed": backends.WRONG},
    )

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        """Make the form of an act; the password comes last, and is not asked for soon after it was typed."""
        self.request = request
        super().__init__(data, **options)
        self.order_fields([*(n for n in self.fields if n != "password"), "password"])
        if backends.is_password_fresh(request):
            del self.fields["password"]

    def full_clean(self) -> None:
        """Validate the form; then drop the password's field if it was right, so that nobody is asked for it twice."""
        super().full_clean()
        if self.is_bound and "password" not in self.errors:
            self.fields.pop("password", None)

    def clean_password(self) -> str:
        """Return "" for a right password; for a time it is not asked again. Raises ValidationError for a wrong one."""
        if problem := backends.confirm_password(self.request, self.cleaned_data["password"]):
            raise forms.ValidationError(problem)
        return ""  # the right password counts even if another field is wrong

    def make_arguments(self) -> dict[str, Any]:
        """Return what the person decided, as the operation takes it."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"seen_hash", "password"}}


class SafeForm(ActForm):
    """Ask for an act on what cannot change under its reader, so no hash is sent; the password as for any act."""

    seen_hash = None  # type: ignore[assignment]  # Django takes the inherited field away


class PersonField(Choice):
    """Ask for one person; `people` are those who may be chosen, by key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(is_list=True, **options)
        self.people: dict[str, User] = {}

    def offer_people(self, people: Iterable[User], none: str = "Elija a una persona") -> None:
        """Make these people the choices of the field; `none` is the text of the empty choice."""
        self.people = {str(person.pk): person for person in people}
        self.choices = [("", none), *((key, person.get_full_name()) for key, person in self.people.items())]

    def clean(self, value: Any) -> User | None:
        """Return the person that was chosen, or None."""
        return self.people.get(str(super().clean(value)))


class FolioView(PrivateView):
    """Serve a page of one request to who may see it by office; everybody else gets 404 (M3)."""

    http_method_names = ["get", "head"]
    user: User
    formal_request: FormalRequest
    acts: Sequence[type["ActView"]] = ()  # those that the request's page offers; as_view() gives them

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Find the request of the address for a member of mesa de control, and serve its page.

        A method that the page does not take gets 405. An anonymous person gets the login. A person who may not see the
        request gets 404; who reads everything gets 403 for any POST (M26). A folio with a typing error, such as O for
        0, is understood; a GET is redirected to the right address.
        """
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return form_memory.ask_login(request, self.form_page())
        self.user = request.user
        if not self.user.works_in_control:
            raise Http404(NOT_YOURS)
        typed = kwargs["folio"]
        visible_request = self._find_request(typed)
        if visible_request is None and (folio := find_folio(typed)) and folio != typed:
            if request.method in {"GET", "HEAD"}:
                return redirect("control:request", folio)
            visible_request = self._find_request(folio)
        if visible_request is None:
            raise Http404(NOT_YOURS)
        if request.method == "POST" and self.user.reads_all:
            raise PermissionDenied  # M26: Auditoría reads everything and does nothing
        self.formal_request = visible_request
        return super().dispatch(request, *args, **kwargs)

    def _find_request(self, folio: str) -> FormalRequest | None:
        return join_page_data(policy.visible_to(self.user)).filter(folio=folio).first()

    def form_page(self) -> str:
        """Return the address to come back to after a login: for a POST the request's page, which holds the form."""
        if self.request.method != "POST":
            return self.request.get_full_path()
        return reverse("control:request", args=[self.kwargs["folio"]])

    def make_page(self) -> RequestPage:
        """Return the request as this person sees it."""
        return RequestPage(self.formal_request, self.user)

    def render_request(
        self, *, form: ActForm | None = None, code: int = 200, has_changed: bool = False
    ) -> HttpResponse:
        """Return the page of the request in mesa de control, with the forms of the acts that its reader may do now.

        `form` is the form of the act that was just refused; it is shown as it was sent; `code` is the HTTP status.
        `has_changed` warns that the content changed after the reader saw it. An act with a page of its own is shown as
        a link.
        """
        page = self.make_page()
        offered = [act for act in self.acts if act.is_offered(page)]
        offers = [
            # The refused form is of this view's own act; each other act gets a new form.
            act.make_offer(page, form if form is not None and type(self) is act else act.make_form(self.request, page))
            for act in offered
            if not act.has_page
        ]
        context = {
            "dossier": page,
            "acts": offers,
            "form": form,
            "changed": has_changed,
            "refusal": "" if offers else page.turn.text,
            "more_links": [Link(act.make_url(page), act.title) for act in offered if act.has_page],
        }
        return render(self.request, "control/request.html", context, status=code)


@dataclass(frozen=True)
class Link:
    """Hold a link beside an act's button, or to an act with a page of its own."""

    url: str
    label: str


@dataclass(frozen=True)
class Offer:
    """Hold an act with its form, as a page shows it."""

    name: str
    url: str
    title: str
    lead: str
    button: str
    form: ActForm
    is_bad: bool
    link: Link | None


class ActView(FolioView):
    """Receive one act of one person by POST; a GET shows the act's own page, where it has one (`has_page`).

    Whether an act is offered decides nothing: its operation asks again, under the lock.
    """

    http_method_names = ["get", "head", "post"]
    name: ClassVar[str]  # of the address and of the form's fields
    path: ClassVar[str]  # last part of the address
    title: ClassVar[str]
    button: ClassVar[str]
    lead: ClassVar[str] = ""  # what a person reads above the form
    done: ClassVar[str] = ""  # what a person reads afterwards
    form_class: ClassVar[type[ActForm]] = ActForm
    why_not: "ClassVar[staticmethod[[User, FormalRequest], Refused | None]]"
    operation: "ClassVar[staticmethod[..., Any]]"
    has_page: ClassVar[bool] = False
    is_bad: ClassVar[bool] = False

    @classmethod
    def is_offered(cls, page: RequestPage) -> bool:
        """Return True if the page offers the act to its reader."""
        return cls.why_not(page.user, page.formal_request) is None

    @classmethod
    def find_options(cls, page: RequestPage) -> dict[str, Any]:
        """Return the arguments of the form besides what was sent, such as the people to choose from."""
        return {}

    @classmethod
    def make_lead(cls, page: RequestPage) -> str:
        """Return the text above the form."""
        return cls.lead

    @classmethod
    def make_link(cls, page: RequestPage) -> Link | None:
        """Return the link beside the button: from the act's own page back to the request."""
        return Link(reverse("control:request", args=[page.folio]), "Volver a la solicitud") if cls.has_page else None

    def perform(self, form: ActForm) -> str:
        """Call this act's operation with the form's arguments; return the message for the person. Raises Refused."""
        type(self).operation(
            self.formal_request.pk, actor=self.user, proof=read_proof(self.request), **form.make_arguments()
        )
        return self.done

    @classmethod
    def make_url(cls, page: RequestPage) -> str:
        """Return the address that the form is sent to."""
        return reverse(f"control:{cls.name}", args=[page.folio])

    @classmethod
    def make_form(cls, request: HttpRequest, page: RequestPage, data: Any = None) -> ActForm:
        """Return the act's form: as posted (`data`), else blank, or with what was typed before a login (M17)."""
        form = cls.form_class(request, data, auto_id=f"id_{cls.name}_%s", **cls.find_options(page))
        held_fields = form_memory.read_held_fields(request) if data is None else {}
        if held_fields.get("posted_to") == cls.make_url(page):
            form.initial.update(held_fields)
        return form

    @classmethod
    def make_offer(cls, page: RequestPage, form: ActForm) -> Offer:
        """Return this act with its form, its texts and its addresses, as the page of the request shows it."""
        url, lead, link = cls.make_url(page), cls.make_lead(page), cls.make_link(page)
        return Offer(cls.name, url, cls.title, lead, cls.button, form, cls.is_bad, link)

    def takes(self, request: HttpRequest) -> bool:
        """Return True for a POST, and for a GET of an act with its own page."""
        return request.method == "POST" or (super().takes(request) and self.has_page)

    def form_page(self) -> str:
        """Return the address that holds the form: the act's own page, or the request's."""
        return self.request.get_full_path() if self.has_page else super().form_page()

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the act's own page to a reader who may do the act now; redirect others to the request's page."""
        page = self.make_page()
        if not self.is_offered(page):
            return redirect("control:request", self.formal_request.folio)
        return self._render_act(self.make_form(request, page))

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Do the act and redirect to the request's page; show a wrong form or a refused act again with the reason.

        If the content was changed after the person saw it, nothing is done and the answer is 409 (M21).
        """
        page = self.make_page()
        form = self.make_form(request, page, request.POST)
        if not form.is_valid():
            return self._render_again(form, 200)
        if form.cleaned_data["seen_hash"] != page.sha256:
            return self.render_request(form=form, code=CONFLICT, has_changed=True)
        try:
            message = self.perform(form)
        except operations.StaleContent:
            self._reread()
            return self.render_request(form=form, code=CONFLICT, has_changed=True)
        except operations.SentBack as refusal:  # nothing applied; the request needs approvals again
            messages.warning(request, str(refusal))
            return redirect("control:request", self.formal_request.folio)
        except Refused as refusal:
            form.show_refusal(refusal)
            self._reread()
            return self._render_again(form, _choose_status_code(refusal))
        messages.success(request, message)
        return redirect("control:request", self.formal_request.folio)

    def _reread(self) -> None:
        """Read the request again, as somebody may have changed it."""
        self.formal_request = join_page_data(policy.visible_to(self.user)).get(pk=self.formal_request.pk)

    def _render_again(self, form: ActForm, code: int) -> HttpResponse:
        """Return the page that holds the form, with the form as it was sent."""
        return self._render_act(form, code) if self.has_page else self.render_request(form=form, code=code)

    def _render_act(self, form: ActForm, code: int = 200) -> HttpResponse:
        """Return this act's own page, with its form and the content of the request."""
        page = self.make_page()
        context = {"dossier": page, "act": self.make_offer(page, form), "form": form}
        return render(self.request, "control/act_page.html", context, status=code)


def _choose_status_code(refusal: Refused) -> int:
    """Return the HTTP status that answers a refused act: 409 if the status changed, 403 if not permitted, else 200."""
    if isinstance(refusal, WrongStatus):
        return CONFLICT
    return 403 if isinstance(refusal, NotAllowed) else 200
