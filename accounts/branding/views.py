"""Show *Personaliza tu imagen*: the page with its previews, the printed invoice, the logo and the colours (M33)."""

import re
from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views import View
from django.views.decorators.http import require_safe

from accounts.branding import drafts, logos, operations, stylesheets
from accounts.branding.drafts import Design
from accounts.branding.forms import BrandingForm
from accounts.branding.printing import codes, paper
from accounts.branding.printing.content import Printed
from accounts.models import BrandLogo
from accounts.views import RepresentativeMixin
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import get_person
from factureya.core.files.sending import send_document
from factureya.core.files.store import SANDBOXED
from factureya.core.forms import STALE_FORM
from factureya.core.refusals import Refused

FORM = "branding"
# The address of a logo holds its hash, that of a stylesheet its colours: neither ever changes.
UNCHANGING = "private, max-age=31536000, immutable"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BrandingMixin(RepresentativeMixin):
    """Find the image to preview: what this person last tried, else what the company has."""

    request: HttpRequest

    def find_draft(self) -> tuple[FormKey, dict[str, str]] | None:
        """Return the key and the fields of what this person tried and did not save; None if there is nothing."""
        draft = form_memory.find_draft(self.request.session, get_person(self.request), FORM)
        return draft[:2] if draft else None

    def find_design(self) -> Design:
        """Return the image to preview."""
        draft, saved = self.find_draft(), drafts.find_saved_design(self.customer)
        return drafts.read_fields(self.customer, draft[1], saved) if draft else saved

    def find_invoice(self) -> tuple[Printed, bool]:
        """Return the invoice to preview, and whether it is the company's own."""
        return drafts.find_invoice(self.request.session, self.customer)


class BrandingPage(BrandingMixin, View):
    """Show the form and the previews; a POST previews or saves an image, reads an XML, or goes back to Factureya's."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page with what this person last tried, or with what the company has."""
        draft = self.find_draft()
        key = draft[0] if draft else form_memory.new_key(get_person(request), FORM)
        fields = draft[1] if draft else self.find_design().fields
        return self.render_page(BrandingForm(initial=fields), key)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Do what the pressed button says, and show the page again."""
        if limited := ratelimit.consume_or_429(request, action="branding"):
            return limited
        if "original" in request.POST:
            return self.reset()
        return self.receive_form()

    def receive_form(self) -> HttpResponse:
        """Preview or save the posted image, or preview it with another invoice, and keep everything that was typed.

        With errors the page shows them.
        """
        person = get_person(self.request)
        key = form_memory.read_key(self.request.POST.get("key", ""), FORM, person)
        form = BrandingForm(self.request.POST, self.request.FILES)
        logo_id = self.take_logo(form)
        if key is None:
            key = form_memory.new_key(person, FORM)
            form.add_error(None, STALE_FORM)
        if form.is_valid() and "guardar" in self.request.POST:
            try:
                return self.save(form.cleaned_data, logo_id)
            except Refused as refusal:
                form.add_error(refusal.field or None, str(refusal))
        xml_error = self.choose_invoice()
        typed = {name: self.request.POST.get(name, "")[:20] for name in ("main", "accent")}
        typed["kept_logo"] = str(logo_id or "")
        is_about_invoice = "leer" in self.request.POST or "muestra" in self.request.POST
        if not is_about_invoice or typed != self.find_design().fields:  # another invoice alone is no other image
            form_memory.keep_draft(self.request.session, key, typed, reason=form_memory.SET_ASIDE)
        if form.is_valid() and not xml_error:
            return self.show_preview()
        return self.render_page(form, key, xml_error=xml_error)

    def take_logo(self, form: BrandingForm) -> int | None:
        """Store the uploaded logo for the preview and return its key; without one, that of the logo of before.

        Why an upload is no good logo becomes an error of its field.
        """
        upload, kept_logo = self.request.FILES.get("logo"), form.clean_key()
        if "quitar" in self.request.POST:
            return None
        if upload is None:
            return kept_logo
        content = upload.read(logos.MAX_BYTES + 1)
        try:
            return operations.keep_logo(content, upload.name or "", actor=get_person(self.request)).pk
        except Refused as refusal:
            form.add_error("logo", str(refusal))
            return kept_logo

    def save(self, values: dict[str, Any], logo_id: int | None) -> HttpResponse:
        """Give the company this image, and show the page again. Raises Refused."""
        person = get_person(self.request)
        operations.change_branding(main=values["main"], accent=values["accent"], logo_id=logo_id, actor=person)
        form_memory.forget_form(self.request.session, FORM)
        messages.success(self.request, "Guardamos su imagen. Ya se ve en las páginas de su empresa.")
        return redirect("accounts:branding")

    def reset(self) -> HttpResponse:
        """Give the company Factureya's image again."""
        try:
            operations.reset_branding(actor=get_person(self.request))
        except Refused as refusal:
            messages.error(self.request, str(refusal))
        else:
            form_memory.forget_form(self.request.session, FORM)
            messages.success(self.request, "Su empresa tiene de nuevo la imagen de Factureya.")
        return redirect("accounts:branding")

    def choose_invoice(self) -> str:
        """Take the posted XML as the invoice of the preview, or the sample again, if the pressed button says so.

        Return why the XML cannot be shown, or "".
        """
        if "muestra" in self.request.POST:
            drafts.drop_invoice(self.request.session)
        elif "leer" in self.request.POST or ("ver" in self.request.POST and "xml" in self.request.FILES):
            xml = drafts.read_upload(self.request.FILES.get("xml"))
            try:
                drafts.keep_invoice(self.request.session, self.customer, xml)
            except Refused as refusal:
                return str(refusal)
        return ""

    def show_preview(self) -> HttpResponse:
        """Redirect to the previews on the page."""
        return redirect(f"{reverse('accounts:branding')}#vista")

    def render_page(self, form: BrandingForm, key: FormKey, *, xml_error: str = "") -> HttpResponse:
        """Return the page with this form; the previews show the last image that was good."""
        design, (printed, is_own_invoice) = self.find_design(), self.find_invoice()
        context = {
            "form": form,
            "key": key,
            "design": design,
            "is_draft": self.find_draft() is not None,
            "customer": self.customer,
            "printed": printed,
            "code": codes.write_path(printed.code) if printed.code else None,
            "is_own_invoice": is_own_invoice,
            "xml_error": xml_error,
        }
        return render(self.request, "accounts/branding/page.html", context)


class PrintedInvoice(BrandingMixin, View):
    """Show the printed representation of the preview's invoice as a page to print."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the sample, or the company's own invoice, in the image that is previewed."""
        printed, is_own_invoice = self.find_invoice()
        context = {
            "design": self.find_design(),
            "printed": printed,
            "code": codes.write_path(printed.code) if printed.code else None,
            "is_own_invoice": is_own_invoice,
        }
        return render(request, "accounts/branding/printed.html", context)


class PrintedInvoicePdf(BrandingMixin, View):
    """Send the printed representation of the preview's invoice as a PDF."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Send the sample, or the company's own invoice, in the image that is previewed."""
        printed, is_own_invoice = self.find_invoice()
        content = paper.draw_invoice(printed, self.find_design().look)
        name = f"{'factura' if is_own_invoice else 'factura-de-ejemplo'}.pdf"
        return send_document(content, name=name, content_type="application/pdf")


class CompanyLogo(LoginRequiredMixin, View):
    """Send a logo of the person's own company to its people; everybody else gets 404."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, sha256: str, size: str) -> HttpResponse:
        """Send the logo with this hash, for the «pantalla» or to «imprimir»."""
        column = {"pantalla": "screen_png", "imprimir": "print_png"}.get(size)
        membership = get_person(request).membership
        if column is None or membership is None or not _SHA256.fullmatch(sha256):
            raise Http404
        logos_of_company = BrandLogo.objects.filter(customer=membership.customer_id, sha256=sha256)
        content = logos_of_company.values_list(column, flat=True).first()
        if content is None:
            raise Http404
        headers = {**SANDBOXED, "Cache-Control": UNCHANGING}
        return HttpResponse(bytes(content), content_type="image/png", headers=headers)


@require_safe
def send_colours(request: HttpRequest, slug: str, part: str) -> HttpResponse:
    """Send the stylesheet of two colours, for the «portal» or for the «factura»; it holds nothing private."""
    write = {"portal": stylesheets.write_portal_css, "factura": stylesheets.write_preview_css}.get(part)
    try:
        main, accent = stylesheets.read_slug(slug)
    except Refused as refusal:
        raise Http404 from refusal
    if write is None:
        raise Http404
    return HttpResponse(
        write(main, accent), content_type="text/css; charset=utf-8", headers={"Cache-Control": UNCHANGING}
    )
