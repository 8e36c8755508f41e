"""What the pages of packages share: who is let in, one package or change of the address, files that come (M28, M32)."""

from collections.abc import Iterable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from change_requests.control.pages import ControlPage
from change_requests.packages import operations, parts, policy
from change_requests.packages.change_page import JOINED, ChangePage
from change_requests.packages.forms_common import PackageForm
from change_requests.packages.models import FileKind, PackageChange, PackageUpload, SupplierPackage
from change_requests.packages.upload_handler import BROKEN, COMPLETE, FormFilesHandler, Spooled
from factureya.core import numbers
from factureya.core.refusals import Refused

NOT_YOURS = "No hay un paquete o un cambio así para usted."
CANCEL = "cancelar"  # the button that cancels an upload; its value is the kind of the file


class PackagesPage(ControlPage):
    """Serve a page about packages to who works or reads in /control/; everybody else gets 404 (M3)."""

    not_yours = NOT_YOURS


class PackageView(PackagesPage):
    """Serve a page of one package."""

    package: SupplierPackage

    def prepare(self, **kwargs: Any) -> None:
        """Find the package of the address. Raises Http404 if this person may not see it."""
        joined = ("original__check_row", "in_use__change", "in_use__file__check_row", "replaces", "replaced_by")
        package = policy.packages_visible_to(self.user).select_related(*joined).filter(pk=kwargs["pk"]).first()
        if package is None:
            raise Http404(NOT_YOURS)
        self.package = package

    def form_address(self) -> str:
        """Return the address of the package's page, which holds its forms."""
        return reverse("packages:package", args=[self.kwargs["pk"]])


class ChangeView(PackagesPage):
    """Serve a page of one change."""

    change: PackageChange

    def prepare(self, **kwargs: Any) -> None:
        """Find the change of the address (letter O is read as 0). Raises Http404 if this person may not see it."""
        try:
            folio = numbers.parse_number(PackageChange.PREFIX, kwargs["folio"])
        except numbers.InvalidNumber:
            raise Http404(NOT_YOURS) from None
        change = policy.visible_to(self.user).select_related(*JOINED).filter(folio=folio).first()
        if change is None:
            raise Http404(NOT_YOURS)
        self.change = change

    def make_page(self) -> ChangePage:
        """Return the change as this person sees it."""
        return ChangePage(self.change, self.user)

    def form_address(self) -> str:
        """Return the address of the change's page, which holds the forms of its acts."""
        return reverse("packages:change", args=[self.kwargs["folio"]])


@method_decorator(csrf_exempt, name="dispatch")
class FormWithFiles(PackagesPage):
    """Receive a form with files: each goes to the disk while it arrives, and stays if the form is refused (M32).

    Django reads a form to find its CSRF token, so the token is checked here, after the way of the files is set. A page
    says which form it has, and does with it what it does in `receive`.
    """

    handler: FormFilesHandler
    file_refusals: dict[FileKind, Refused]

    def find_form_class(self) -> type[PackageForm]:
        """Return the class of the form, which says what files it has."""
        raise NotImplementedError

    def find_change_pk(self) -> int | None:
        """Return the key of the change that the files are of; None for an original."""
        return None

    def why_not_files(self) -> Refused | None:
        """Return why this person may not send files now, or None."""
        raise NotImplementedError

    def receive(self, request: HttpRequest) -> HttpResponseBase:
        """Do what the form asks. Its files are stored already, or refused in `file_refusals`."""
        raise NotImplementedError

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponseBase:
        """Read the form with its files, check its CSRF token, and do what it asks."""
        kinds = self.find_form_class().list_kinds()
        self.file_refusals = {}
        self.handler = FormFilesHandler([str(kind) for kind in kinds], self.why_not_files())
        if kinds:
            request.upload_handlers = [self.handler]
        try:
            return csrf_protect(self._receive_checked)(request)
        finally:
            self.handler.discard()

    def find_uploads(self, kinds: Iterable[FileKind] | None = None) -> dict[str, PackageUpload | None]:
        """Return what this person has uploaded for the form, by kind."""
        change_pk = self.find_change_pk()
        wanted = self.find_form_class().list_kinds() if kinds is None else kinds
        return {kind: operations.find_upload(self.user, kind, change_pk) for kind in wanted}

    def show_file_refusals(self, form: PackageForm) -> None:
        """Add to the form why its files were not kept, each beside its own field."""
        for name, field in form.fields.items():
            refusal = self.file_refusals.get(getattr(field, "kind", None))  # type: ignore[arg-type]
            if refusal is not None:
                form.errors.pop(name, None)  # «Suba el archivo» says less
                form.add_error(name, str(refusal))

    def _receive_checked(self, request: HttpRequest) -> HttpResponseBase:
        """Store the files of a form whose token is right; cancel an upload if that was asked for; do the rest."""
        cancelled = request.POST.get(CANCEL)  # reads the form, if the check of its token did not
        for kind, spooled in self.handler.received.items():
            try:
                self._store(FileKind(kind), spooled)
            except Refused as refusal:
                self.file_refusals[FileKind(kind)] = refusal
        if cancelled:
            self._cancel(cancelled)
        return self.receive(request)

    def _store(self, kind: FileKind, spooled: Spooled) -> None:
        """Store a file that came with the form as this person's upload. Raises Refused."""
        if spooled.refusal is not None:
            raise spooled.refusal
        if COMPLETE not in self.request.POST:
            raise Refused(BROKEN)
        try:
            with spooled.path.open("rb") as stream:
                operations.store_whole(
                    kind=kind,
                    name=spooled.name,
                    size=spooled.size,
                    stream=stream,
                    actor=self.user,
                    change_pk=self.find_change_pk(),
                )
        except OSError as error:
            raise parts.Unstorable from error

    def _cancel(self, kind: str) -> None:
        """Delete this person's upload of a kind, if there is one."""
        upload = self.find_uploads([FileKind(kind)])[kind] if kind in self.find_form_class().list_kinds() else None
        if upload is not None:
            operations.drop_upload(upload.pk, actor=self.user)
