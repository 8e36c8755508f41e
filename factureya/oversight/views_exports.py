"""Take requests or events of a period out, with the hash of each file on the page (M26)."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views import View

from accounts.web.mixins import ControlMixin, get_person
from factureya.core import clock
from factureya.core.forms import PortalForm
from factureya.core.refusals import Refused
from factureya.oversight import exports, policy, reading, tables
from factureya.oversight.exports import Export


def _make_day_field(label: str) -> forms.DateField:
    """Return a form field for a day; the browser shows a calendar for it."""
    return forms.DateField(
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Escriba la fecha como 2026-12-01", "required": "Escriba la fecha"},
    )


class ExportForm(PortalForm):
    """Ask what to take out, and of which days."""

    what = forms.ChoiceField(
        label="Qué",
        choices=list(exports.KINDS.items()),
        error_messages={"required": "Elija qué exportar", "invalid_choice": "Elija qué exportar, de la lista"},
    )
    first_day = _make_day_field("Desde")
    last_day = _make_day_field("Hasta")


class ExportMixin(ControlMixin):
    """Admit to the exports the security officer and Auditoría; the others of mesa de control get 403."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Serve the page to people who may export; others who are signed in get 403, strangers the login."""
        person: Any = request.user
        if person.is_authenticated and not policy.may_export(person):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class Exports(ExportMixin, View):
    """Show the form and the last exports; a POST makes one."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the form, filled with the last thirty days."""
        today = timezone.localdate(clock.now())
        return self.render_form(ExportForm(initial={"first_day": today - timedelta(days=30), "last_day": today}))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Write the files and redirect to the export's page; if it is refused, show the form again with the reason."""
        form = ExportForm(request.POST)
        if form.is_valid():
            try:
                event = exports.export_period(**form.cleaned_data, actor=get_person(request))
            except Refused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(
                    request, "Listo. La exportación quedó anotada en la bitácora, con la huella de cada archivo."
                )
                return redirect("oversight:export", event.pk)
        return self.render_form(form)

    def render_form(self, form: ExportForm) -> HttpResponse:
        """Return the page with this form."""
        return render(self.request, "oversight/exports.html", {"form": form, "exports": exports.list_exports()})


class OneExport(ExportMixin, View):
    """Show one export: its files with their hashes, and the proof that no request is missing."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the page of one export. If the reader did not make it, this reading is recorded (M26)."""
        export, reader = find_or_404(pk), get_person(request)
        if export.event.actor_id != reader.pk:
            reading.record_reading(reader, "log.looked", object=f"Exportación {pk}")
        return render(request, "oversight/export.html", {"export": export})


class ExportFile(ExportMixin, View):
    """Serve a file of an export, as attachment."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
        """Return the file with this name of the export; 404 if the export has none, or the file was removed.

        The download is recorded first, whoever made the export (M26).
        """
        export = find_or_404(pk)
        sha256 = next((file["sha256"] for file in export.files if file["name"] == name), "")
        path = tables.find_path(sha256)
        if not sha256 or not path.is_file():
            raise Http404("Ese archivo ya no está. Haga la exportación de nuevo.")
        reading.record_reading(
            get_person(request), "log.export_downloaded", object=f"Exportación {pk}", name=name, sha256=sha256
        )
        shown_name = f"{name}-{export.first_day}-{export.last_day}.csv"
        return FileResponse(path.open("rb"), as_attachment=True, filename=shown_name, content_type="text/csv")


def find_or_404(pk: int) -> Export:
    """Return the export with this key, or answer 404."""
    export = exports.find_export(pk)
    if export is None:
        raise Http404("No hay una exportación con esa dirección.")
    return export
