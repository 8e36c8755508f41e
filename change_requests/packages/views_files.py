"""The files of packages: the pieces of an upload, and downloads of what is stored, byte for byte (M32)."""

from typing import Any
from urllib.parse import unquote

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from change_requests.control.pages import choose_status_code
from change_requests.packages import operations, parts, policy, store
from change_requests.packages.models import FileKind, PackageFile, PackageUpload
from change_requests.packages.views_common import CANCEL, NOT_YOURS, ChangeView, PackagesPage
from factureya.core.files.sending import stream_stored
from factureya.core.refusals import Refused

PIECE_TYPE = "application/octet-stream"
CONFLICT, UNPROCESSABLE, NO_SPACE = 409, 422, 507
MAX_DIGITS, MAX_MARK = 18, 64
NOT_UNDERSTOOD = "La subida no se entendió. Recargue la página y elija el archivo otra vez."


class OriginalPieces(PackagesPage):
    """Take an original in pieces, from the script of the form that registers a package; say how much is here."""

    http_method_names = ["get", "head", "post"]
    kind: str = FileKind.ORIGINAL

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        """Return how much of this person's upload is here."""
        if refusal := self.why_not():
            return self.refuse(refusal)
        return self.tell_state(self.find_upload())

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        """Add a piece, or cancel the upload; return how much is here then, or why it was refused."""
        if refusal := self.why_not():
            return self.refuse(refusal)
        try:
            if request.content_type == PIECE_TYPE:
                return self.tell_state(self.add_piece())
            if CANCEL in request.POST and (upload := self.find_upload()):
                operations.drop_upload(upload.pk, actor=self.user)
            return self.tell_state(self.find_upload())
        except operations.WrongOffset as error:
            return JsonResponse({"received": error.received}, status=CONFLICT)
        except parts.UploadBusy:
            upload = self.find_upload()
            return JsonResponse({"received": upload.received if upload else 0}, status=CONFLICT)
        except Refused as error:
            return self.refuse(error)

    def form_address(self) -> str:
        """Return the address of the page with the form that the file is for."""
        return reverse("packages:register")

    def find_change_pk(self) -> int | None:
        """Return the key of the change that the file is of; None for an original."""
        return None

    def why_not(self) -> Refused | None:
        """Return why this person may not upload such a file now, or None."""
        return policy.why_not_upload(self.user, self.kind, None)

    def find_upload(self) -> PackageUpload | None:
        """Return this person's upload, or None."""
        return operations.find_upload(self.user, self.kind, self.find_change_pk())

    def add_piece(self) -> PackageUpload:
        """Begin the upload if this is its first piece, add the piece, and finish the upload with its last one.

        Raises what the operations refuse. If the disk is full, nothing of the file is kept.
        """
        offset, mark = self.read_number("X-Upload-Offset"), self.read_mark()
        upload = self.find_upload()
        if upload is None:
            if offset:
                raise operations.WrongOffset(0)
            upload = self.begin(mark)
        try:
            upload = operations.append_piece(upload.pk, offset=offset, stream=self.request, actor=self.user, mark=mark)
            is_last = upload.received == upload.size
            return operations.finish_upload(upload.pk, actor=self.user) if is_last else upload
        except parts.Unstorable:
            operations.drop_upload(upload.pk, actor=self.user)
            raise

    def begin(self, mark: str) -> PackageUpload:
        """Begin the upload of the file that the script announces. Raises what the operation refuses."""
        return operations.begin_upload(
            kind=self.kind,
            name=unquote(self.request.headers.get("X-Upload-Name", ""))[:500],
            size=self.read_number("X-Upload-Size"),
            actor=self.user,
            change_pk=self.find_change_pk(),
            mark=mark,
        )

    def read_mark(self) -> str:
        """Return the mark that the script gave to its file. Raises Refused if there is none."""
        mark = self.request.headers.get("X-Upload-Mark", "")
        if not (mark.isascii() and mark.isalnum() and len(mark) <= MAX_MARK):
            raise Refused(NOT_UNDERSTOOD)
        return mark

    def read_number(self, header: str) -> int:
        """Return the number that a header holds. Raises Refused for anything else."""
        text = self.request.headers.get(header, "")
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            raise Refused(NOT_UNDERSTOOD)
        return int(text)

    def refuse(self, refusal: Refused) -> HttpResponse:
        """Return why the upload was refused, for the script to show."""
        code = NO_SPACE if isinstance(refusal, parts.Unstorable) else choose_status_code(refusal)
        return JsonResponse({"error": str(refusal)}, status=UNPROCESSABLE if code == HttpResponse.status_code else code)

    def tell_state(self, upload: PackageUpload | None) -> HttpResponse:
        """Return the name and size of an upload, how much of it is here, and its hash once it is whole."""
        if upload is None:
            return JsonResponse({"received": 0})
        state = {"name": upload.name, "size": upload.size, "received": upload.received}
        return JsonResponse({**state, "sha256": upload.found_sha256})


class ChangePieces(OriginalPieces, ChangeView):
    """Take a file of a change in pieces; before the change is authorized none (M28)."""

    def prepare(self, **kwargs: Any) -> None:
        """Find the change. Raises Http404 if this person may not see it, and for an unknown kind of file."""
        ChangeView.prepare(self, **kwargs)
        if kwargs["kind"] not in policy.STATUS_OF_KIND:
            raise Http404(NOT_YOURS)
        self.kind = kwargs["kind"]

    def form_address(self) -> str:
        """Return the address of the change's page."""
        return ChangeView.form_address(self)

    def find_change_pk(self) -> int | None:
        """Return the key of the change."""
        return self.change.pk

    def why_not(self) -> Refused | None:
        """Return why this person may not upload such a file now, or None."""
        return policy.why_not_upload(self.user, self.kind, self.change)


class DownloadFile(PackagesPage):
    """Give out a stored file, after its bytes were compared with its hash; one that was altered is not given out."""

    file: PackageFile

    def prepare(self, **kwargs: Any) -> None:
        """Find the file of the address. Raises Http404 if this person may not see it."""
        files = policy.files_visible_to(self.user)
        file = files.filter(token=kwargs["token"]).first()
        if file is None:
            raise Http404(NOT_YOURS)
        self.file = file

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponseBase:
        """Return the file as a download, streamed; or the page that says that it was altered."""
        try:
            content = operations.open_stored(self.file)
            return stream_stored(store.describe_download(self.file), content)
        except store.AlteredFile as refusal:
            return self.render_altered(refusal)

    def head(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        """Return the headers of the download; its bytes are not read."""
        return HttpResponse(headers=store.describe_download(self.file))

    def render_altered(self, refusal: Refused) -> HttpResponse:
        """Return the page that says that the stored bytes are not those that were stored."""
        context = {"file": self.file, "refusal": refusal}
        return render(self.request, "packages/altered.html", context, status=CONFLICT)
