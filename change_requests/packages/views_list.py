"""The list of packages and changes; register a package, ask for a change (M28, M32)."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from change_requests.control.pages import choose_status_code
from change_requests.packages import list_page, operations, policy
from change_requests.packages.forms import AskForm, RegisterForm
from change_requests.packages.forms_common import PackageForm
from change_requests.packages.models import IdentifiedCopy, PackageChange, SupplierPackage
from change_requests.packages.views_common import CANCEL, FormWithFiles, PackagesPage
from factureya.core.forms import STALE_FORM, choose_kept_fields
from factureya.core.keyset import AFTER, BEFORE
from factureya.core.refusals import FormUsed, Refused

PACKAGES, CHANGES = "paquetes", "cambios"  # which of the two lists a cursor of the address is of
REGISTER_FORM, ASK_FORM = "package", "package-change"
SHOWN_UNPORTED = 5
MAX_KEY = 19  # characters of a key that a database has none of
MAX_CHOICES = 200  # packages that a list to choose from shows, the newest


class PackageList(PackagesPage):
    """List the packages with their originals, and the changes."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the two lists; the cursor in the address is of the one that `lista` names, by default of changes."""
        name = PACKAGES if request.GET.get("lista") == PACKAGES else CHANGES
        address = {key: request.GET.get(key, "") for key in (AFTER, BEFORE)}
        packages_cursor = list_page.NEWEST_PACKAGE_FIRST.read_from(address if name == PACKAGES else {})
        packages = list_page.read_packages(self.user, packages_cursor)
        changes = list_page.read_changes(
            self.user, list_page.NEWEST_FIRST.read_from(address if name == CHANGES else {})
        )
        context = {
            "originals": list_page.read_originals(),
            "packages": list_page.make_package_rows(packages.rows),
            "package_links": packages.links({"lista": PACKAGES}),
            "changes": list_page.make_change_rows(changes.rows, self.user),
            "change_links": changes.links({"lista": CHANGES}),
            "unported": operations.list_missing_ports(SHOWN_UNPORTED),
            "may_ask": policy.why_not_request(self.user) is None,
            "may_register": policy.why_not_register(self.user) is None,
            "credits": list_page.read_credits(self.user, request.GET),
        }
        return render(request, "packages/list.html", context)


class RegisterPackage(FormWithFiles):
    """Let a person register a supplier's package with its original (M28, M32)."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the form, with what was typed before a login; who may not register goes to the list."""
        if refusal := policy.why_not_register(self.user):
            messages.error(request, str(refusal))
            return redirect("packages:list")
        replaced = request.GET.get("reemplaza", "")
        form = self.fill_held(self.make_form(initial={"replaces": replaced}), request.path)
        return self.render_form(form, form_memory.new_key(self.user, REGISTER_FORM))

    def find_form_class(self) -> type[PackageForm]:
        """Return the form of a package."""
        return RegisterForm

    def why_not_files(self) -> Refused | None:
        """Return why this person may not register a package, or None."""
        return policy.why_not_register(self.user)

    def make_form(self, data: Any = None, **options: Any) -> RegisterForm:
        """Return the form, blank or with what was posted, and with this person's upload."""
        uploads = self.find_uploads()
        return RegisterForm(self.request, data, uploads=uploads, packages=list_replaceable(), **options)

    def receive(self, request: HttpRequest) -> HttpResponse:
        """Register the package and redirect to it; or return the form with what is wrong."""
        if refusal := policy.why_not_register(self.user):
            messages.error(request, str(refusal))
            return redirect("packages:list")
        key, is_good_key = self.read_key(request)
        if CANCEL in request.POST:
            return self.render_form(self.make_form(initial=choose_kept_fields(request.POST)), key)
        if is_good_key and (first := self.find_first(key)):
            return redirect("packages:package", first.pk)  # a double click
        form = self.make_form(request.POST)
        is_valid = form.is_valid()
        if not is_valid and is_good_key and (first := self.find_first(key)):
            return redirect("packages:package", first.pk)  # the other click took the file meanwhile
        self.show_file_refusals(form)
        if not is_good_key:
            form.add_error(None, STALE_FORM)
        if not is_valid or form.errors:
            return self.render_form(form, key)
        try:
            package = operations.register_package(
                actor=self.user, form_key=key.key, proof=self.make_proof(), **form.make_arguments()
            )
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_form(form, key, choose_status_code(refusal))
        messages.success(request, f"{package} quedó registrado; su original se compara cada noche.")
        return redirect("packages:package", package.pk)

    def find_first(self, key: FormKey) -> SupplierPackage | None:
        """Return the package that this form registered before, or None."""
        return SupplierPackage.objects.filter(form_key=key.key).first()

    def read_key(self, request: HttpRequest) -> tuple[FormKey, bool]:
        """Return the posted form's one-time key and True; a new key and False if it is forged or another person's."""
        key = form_memory.read_key(request.POST.get("key", ""), REGISTER_FORM, self.user)
        return (key, True) if key else (form_memory.new_key(self.user, REGISTER_FORM), False)

    def render_form(self, form: RegisterForm, key: FormKey, code: int = HttpResponse.status_code) -> HttpResponse:
        """Return the page with this form."""
        return render(self.request, "packages/register.html", {"form": form, "key": key.token}, status=code)


class AskForChange(PostingForm, PackagesPage):
    """Let a person ask for a change of a package (M28)."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the form, with what was typed before a login; who may not ask goes to the list."""
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for the change and redirect to it; or return the form with what is wrong."""
        key, is_good = self.posted_key()
        if is_good and (first := PackageChange.objects.filter(form_key=key.key, requester=self.user).first()):
            return redirect("packages:change", first.folio)  # a double click
        return self.receive_form()

    def form_name(self) -> str:
        """Return the name of the form, for its key and its draft."""
        return ASK_FORM

    def form(self, *args: Any, **options: Any) -> AskForm:
        """Return the form, blank or with what was posted."""
        return AskForm(self.request, *args, packages=list_changeable(), ported=self.find_ported(), **options)

    def find_ported(self) -> IdentifiedCopy | None:
        """Return the copy of the version before that the address names for the change to carry over, or None."""
        key = self.request.GET.get("copia", "")
        if not (key.isascii() and key.isdigit() and len(key) < MAX_KEY):
            return None
        return IdentifiedCopy.objects.filter(pk=int(key)).first()

    def initial(self) -> dict[str, Any]:
        """Return the package that the address names."""
        return {"package": self.request.GET.get("paquete", "")}

    def perform(self, form: Any, key: FormKey) -> str | HttpResponse:
        """Ask for the change and return its address; or return the page with the refusal."""
        try:
            change = operations.request_change(
                actor=self.user, form_key=key.key, proof=self.make_proof(), **form.make_arguments()
            )
        except FormUsed:
            raise
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_page(form, key, code=choose_status_code(refusal))
        messages.success(self.request, "Se pidió el cambio; avisamos al Responsable del Área Informática.")
        return reverse("packages:change", args=[change.folio])

    def render_page(
        self, form: Any, key: FormKey, *, kept: Any = (), draft_reason: str = "", code: int = HttpResponse.status_code
    ) -> HttpResponse:
        """Return the page with this form; who may not ask goes to the list, with the reason."""
        if refusal := policy.why_not_request(self.user):
            messages.error(self.request, str(refusal))
            return redirect("packages:list")
        context = {
            "form": form,
            "key": key.token,
            "draft_reason": draft_reason,
            "has_packages": len(form.fields["package"].choices) > 1,
        }
        return render(self.request, "packages/ask.html", context, status=code)


def list_replaceable() -> list[SupplierPackage]:
    """Return the packages that a newer version may replace, the newest first."""
    return list(SupplierPackage.objects.filter(replaced_by=None).order_by("-registered_at", "-pk")[:MAX_CHOICES])


def list_changeable() -> list[SupplierPackage]:
    """Return the packages that have no change in course and were not replaced, the newest first."""
    live = PackageChange.objects.filter(status__in=PackageChange.LIVE).values("package")
    packages = SupplierPackage.objects.filter(replaced_by=None).exclude(pk__in=live)
    return list(packages.order_by("-registered_at", "-pk")[:MAX_CHOICES])
