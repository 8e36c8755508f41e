"""One request in mesa de control: see it, act on it, take its files away (M21, M24, M25)."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from accounts.web import returning
from accounts.web.mixins import PrivateView
from change_requests import operations, policy
from change_requests.control import act_list, acts, history_page, request_page
from change_requests.control.forms import ActForm
from change_requests.documents import archive
from change_requests.kinds.folios import find_folio
from change_requests.models import Evidence, FormalRequest, MailTextFile
from change_requests.views_sending import send

CONFLICT = 409


class FolioView(PrivateView):
    """A page of one request, for who may see it by office; for everybody else there is none (M3)."""

    user: User
    formal: FormalRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """405 first, then login, then the request or 404; a folio typed otherwise goes to its address."""
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return returning.ask_login(request, self.form_page())
        self.user = request.user
        folio = find_folio(kwargs["folio"])
        if not self.user.works_in_control or folio is None:
            raise Http404("No hay una solicitud con ese folio para usted.")
        if folio != kwargs["folio"] and request.method in {"GET", "HEAD"}:
            return redirect("control:request", folio)
        found = request_page.with_names(policy.visible_to(self.user)).filter(folio=folio).first()
        if found is None:
            raise Http404("No hay una solicitud con ese folio para usted.")
        self.formal = found
        return super().dispatch(request, *args, **kwargs)

    def form_page(self) -> str:
        """Return the request's page for a post, as an act is not repeated by a GET; else this address."""
        if self.request.method != "POST":
            return self.request.get_full_path()
        return reverse("control:request", args=[self.kwargs["folio"]])


class RequestPage(FolioView):
    """The approval page (mock-up aprobacion): what changes, why, who decided, and what this person may do."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Show it; nothing is decided by a GET."""
        return page(request, self.formal)


class ActView(FolioView):
    """POST: one act of one person. GET only where the act has a page of its own."""

    act: acts.Act = None  # type: ignore[assignment] # as_view() gives it
    http_method_names = ["get", "head", "post"]

    def takes(self, request: HttpRequest) -> bool:
        """A GET only of an act with its own page."""
        return request.method == "POST" or (super().takes(request) and self.act.has_page)

    def form_page(self) -> str:
        """Return this address when the act has a page of its own."""
        return self.request.get_full_path() if self.act.has_page else super().form_page()

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """The page of the act, for who may do it now."""
        seen = request_page.of(self.formal, self.user)
        if not self.act.applies(self.user, seen):
            return redirect("control:request", self.formal.folio)
        return self.own_page(seen, self.act.form_for(self.request, seen))

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Do it, or show what is wrong; another content than the one that was seen is 409 (M21)."""
        seen = request_page.of(self.formal, self.user)
        form = self.act.form_for(request, seen, request.POST)
        if not form.is_valid():
            return self.again(seen, form, 200)
        if form.cleaned_data["seen_hash"] != seen.sha256:
            return self.again(seen, form, CONFLICT, changed=True)
        try:
            done = self.act.perform(self.formal, self.user, form)
        except operations.StaleContent:
            return self.changed(form)
        except operations.SentBack as refusal:
            messages.warning(request, str(refusal))
            return redirect("control:request", self.formal.folio)
        except operations.Refused as refusal:
            form.refuse(refusal)
            return self.again(request_page.of(self.reread(), self.user), form, self.code_of(refusal))
        messages.success(request, done)
        return redirect("control:request", self.formal.folio)

    def changed(self, form: ActForm) -> HttpResponse:
        """409 with what there is now: it changed between the check and the lock."""
        return self.again(request_page.of(self.reread(), self.user), form, CONFLICT, changed=True)

    def reread(self) -> FormalRequest:
        """The request as it is now."""
        self.formal = request_page.with_names(policy.visible_to(self.user)).get(pk=self.formal.pk)
        return self.formal

    def code_of(self, refusal: operations.Refused) -> int:
        """409 when the request is in another state by now, 403 when the person may not."""
        if isinstance(refusal, operations.WrongStatus):
            return CONFLICT
        return 403 if isinstance(refusal, operations.NotAllowed) else 200

    def again(self, seen: request_page.Dossier, form: ActForm, status: int, *, changed: bool = False) -> HttpResponse:
        """The page with the form as it was sent."""
        if self.act.has_page and not changed:
            return self.own_page(seen, form, status)
        return page(self.request, seen.formal, seen, self.act, form, status, changed)

    def own_page(self, seen: request_page.Dossier, form: ActForm, status: int = 200) -> HttpResponse:
        """The act alone, with the content it is about."""
        offer = self.act.offer(seen, form)
        context = {"dossier": seen, "act": offer, "form": form}
        return render(self.request, "control/act_page.html", context, status=status)


class EvidenceFile(FolioView):
    """A file of the request, as attachment, for who may see the request."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str, token: str) -> HttpResponseBase:
        """The file, or 404: another request's files are none of this one's."""
        named = {"attachment__token": token}
        found = Evidence.objects.filter(request=self.formal, **named).select_related("attachment")
        beside = MailTextFile.objects.filter(text__request=self.formal, **named)
        evidence = found.first() or beside.select_related("attachment").first()
        if evidence is None:
            raise Http404("Ese archivo no es de esta solicitud.")
        return send(request, self.user, self.formal, evidence.attachment, evidence.sha256)


class ExpedientePage(FolioView):
    """Everything of one request on one page that prints well."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """The page."""
        seen = request_page.of(self.formal, self.user)
        context = {"dossier": seen, "record": history_page.of(self.formal)}
        return render(request, "control/expediente.html", context)


class ExpedienteZip(FolioView):
    """The same as a ZIP that verifies itself."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponseBase:
        """The ZIP, as attachment."""
        content = archive.as_zip(self.formal)
        return FileResponse(
            content,
            as_attachment=True,
            filename=f"expediente-{self.formal.folio}.zip",
            content_type="application/zip",
        )


def page(
    request: HttpRequest,
    formal: FormalRequest,
    seen: request_page.Dossier | None = None,
    act: "acts.Act | None" = None,
    form: "ActForm | None" = None,
    status: int = 200,
    changed: bool = False,
) -> HttpResponse:
    """The page of a request, with one of its forms as it was sent, if it was."""
    user: Any = request.user
    seen = seen or request_page.of(formal, user)
    offers = act_list.offers(request, user, seen, act, form)
    context = {
        "dossier": seen,
        "acts": offers,
        "form": form,
        "changed": changed,
        "refusal": "" if offers else seen.turn.text,
        "more_links": act_list.links(user, seen),
    }
    return render(request, "control/request.html", context, status=status)
