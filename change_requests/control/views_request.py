"""One request in mesa de control: its page, its files, and the *expediente* (M21)."""

import hashlib
from contextlib import ExitStack
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from accounts.web.proofs import read_proof
from change_requests import operations
from change_requests.control import history_page
from change_requests.control.views_common import FolioView
from change_requests.documents import archive
from change_requests.models import Evidence, MailTextFile, ReceivedForm
from change_requests.views_sending import send_request_file


class RequestView(FolioView):
    """Serve the approval page (mock-up aprobacion): what changes, why, who decided, and what this person may do."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        return self.render_request()


class EvidenceFile(FolioView):
    """Serve a file of the request, as attachment, for who may see the request."""

    def get(self, request: HttpRequest, folio: str, token: str) -> HttpResponseBase:
        """Return the file with this token: evidence of the request, its PDF form, or a file that came in its mail."""
        with_token = {"attachment__token": token}
        evidence = Evidence.objects.filter(request=self.formal_request, **with_token)
        mailed = MailTextFile.objects.filter(text__request=self.formal_request, **with_token)
        forms = ReceivedForm.objects.filter(request=self.formal_request, **with_token)
        first_rows = (rows.select_related("attachment").first() for rows in (evidence, mailed, forms))
        file: Any = next((row for row in first_rows if row is not None), None)
        if file is None:
            raise Http404("Ese archivo no es de esta solicitud.")
        return send_request_file(request, self.user, self.formal_request, file.attachment, file.sha256)


class ExpedientePage(FolioView):
    """Serve everything of one request on one page that prints well."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        context = {"dossier": self.make_page(), "record": history_page.read_history(self.formal_request)}
        return render(request, "control/expediente.html", context)


class ExpedienteZip(FolioView):
    """Serve the same as a ZIP that verifies itself."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponseBase:
        """Return the request's *expediente* as a ZIP; for a GET, record who got which bytes: a HEAD gets none (M26)."""
        archived: Any = archive.build_zip(self.formal_request)
        with ExitStack() as unsent:
            unsent.enter_context(archived)
            if request.method == "GET":
                sha256 = hashlib.file_digest(archived, "sha256").hexdigest()
                archived.seek(0)
                proof = read_proof(request)
                operations.record_download(self.formal_request, actor=self.user, sha256=sha256, proof=proof)
            unsent.pop_all()  # the response closes the file
        return FileResponse(
            archived,
            as_attachment=True,
            filename=f"expediente-{self.formal_request.folio}.zip",
            content_type="application/zip",
        )
