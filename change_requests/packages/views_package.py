"""One package: its page, and what became of a copy in a newer version (M32)."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from change_requests.control.pages import choose_status_code
from change_requests.packages import operations, policy
from change_requests.packages.forms import EndSaleForm, PortForm
from change_requests.packages.package_page import PackagePage
from change_requests.packages.views_common import NOT_YOURS, PackageView
from factureya.core.refusals import Refused


class PackageDetail(PackageView):
    """Show a package, its original, its copies, its changes, and the copies of the version before."""

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        """Return the page."""
        return self.render_package()

    def render_package(
        self,
        *,
        refused: tuple[int, PortForm] | None = None,
        sale: EndSaleForm | None = None,
        code: int = HttpResponse.status_code,
    ) -> HttpResponse:
        """Return the page; `refused` is the key of a copy and its form as it was sent; `code` is the HTTP status.

        `sale` is the form about the end of the sale as it was sent, if it was refused just now.
        """
        page = PackagePage(self.package, self.user)
        ports = [(row, self._find_form(row.copy.pk, refused) if row.may_record else None) for row in page.ports]
        context = {"page": page, "package": self.package, "ports": ports, "form": refused[1] if refused else sale}
        context["sale"] = (sale or EndSaleForm()) if page.may_end_sale else None
        return render(self.request, "packages/package.html", context, status=code)

    def _find_form(self, copy_pk: int, refused: tuple[int, PortForm] | None) -> PortForm:
        """Return the form about one copy: as it was sent, if it was refused just now."""
        return refused[1] if refused and refused[0] == copy_pk else make_port_form(copy_pk)


class EndSale(PackageDetail):
    """Note until when a package is sold (M28)."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Note it and return to the page; or return the page with what is wrong."""
        form = EndSaleForm(request.POST)
        if not form.is_valid() and policy.why_not_end_sale(self.user, self.package) is None:
            return self.render_package(sale=form)
        day = form.cleaned_data.get("valid_until")
        try:
            operations.end_sale(pk, valid_until=day, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_package(sale=form, code=choose_status_code(refusal))
        messages.success(request, "Quedó anotado hasta cuándo se vende.")
        return redirect("packages:package", pk)


class RecordPort(PackageDetail):
    """Note that a copy is in conflict with this version, or that it is not needed any more (M32)."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int, copy_pk: int) -> HttpResponse:
        """Note it and return to the page; or return the page with what is wrong."""
        copy = next((row.copy for row in PackagePage(self.package, self.user).ports if row.copy.pk == copy_pk), None)
        if copy is None:
            raise Http404(NOT_YOURS)
        form = make_port_form(copy.pk, request.POST)
        if not form.is_valid():
            return self.render_package(refused=(copy.pk, form))
        try:
            operations.record_port(
                copy_pk=copy.pk,
                package_pk=self.package.pk,
                actor=self.user,
                proof=self.make_proof(),
                **form.cleaned_data,
            )
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_package(refused=(copy.pk, form), code=choose_status_code(refusal))
        messages.success(request, f"Quedó anotado qué pasó con {copy.label}.")
        return redirect("packages:package", self.package.pk)


def make_port_form(copy_pk: int, data: Any = None) -> PortForm:
    """Return the form about one copy, blank or with what was posted."""
    return PortForm(data, auto_id=f"id_port_{copy_pk}_%s")
