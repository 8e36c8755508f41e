"""Publish, to everybody, with what an *expediente* is checked: the verifier, its hash, and the public keys (M26)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from change_requests.documents import archive, signing


class VerifierPage(View):
    """Serve the page that says what the verifier is, its SHA-256, and the keys that sign or signed."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the public page of the verifier; it reads no row of the database."""
        context = {
            "present_key": signing.find_present_key(),
            "old_keys": signing.read_old_keys(),
            "sha256": archive.hash_verifier(),
            "size": archive.VERIFIER.stat().st_size,
        }
        return render(request, "change_requests/customer/verifier.html", context)


class VerifierFile(View):
    """Serve the verifier itself, as attachment, exactly the bytes whose hash the page says."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the verifier, a program in Python, as a download."""
        name = archive.VERIFIER.name
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(archive.VERIFIER.read_bytes(), "text/x-python; charset=utf-8", headers=headers)
