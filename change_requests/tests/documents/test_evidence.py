"""«La evidencia es la que se envió» is read from the bytes: at display, decision, download and execution (M20, M21)."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from change_requests import operations
from change_requests.documents import evidence
from change_requests.models import Evidence, FormalRequest
from change_requests.tests.control.test_control_pages import act, look
from factureya.core.files import store
from factureya.core.models import OutboxMessage
from factureya.testing import request_histories
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import Cast
from factureya.testing.request_histories import WHY, add_file, draft, seen, step

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M20", "M21")]
Status = FormalRequest.Status
GOOD, BAD = ("La evidencia es la que se envió", "La evidencia no es la que se envió: «constancia.txt»")


def flip(path: Path) -> None:
    path.write_bytes(b"c" + path.read_bytes()[1:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b".")


def lose(path: Path) -> None:
    path.unlink()


every_way = pytest.mark.parametrize("alter", [flip, cut, lengthen, lose])


@pytest.fixture(autouse=True)
def _own_store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def brought(cast: Cast, status: str) -> tuple[FormalRequest, Path]:
    """A request with one file, in `status`, and where the file is stored."""
    request = add_file(cast, draft(cast))
    for reached in request_histories.ORDER[1 : request_histories.ORDER.index(Status(status)) + 1]:
        request = step(cast, request, reached)
    kept = Evidence.objects.get(request=request).attachment
    return request, Path(kept.file.path)


def alarms(request: FormalRequest) -> tuple[int, set[str]]:
    mails = OutboxMessage.objects.filter(kind="change_requests/evidence_altered")
    found = request.events().filter(verb="request.evidence_altered")
    return found.count(), set(mails.values_list("to", flat=True))


@every_way
def test_h9_the_page_looks_at_the_bytes_and_names_the_file(cast, alter):
    request, path = brought(cast, Status.IN_APPROVAL)
    assert GOOD in text_of(look(cast.elsa, request))
    alter(path)
    page = text_of(look(cast.elsa, request))
    assert GOOD not in page
    assert BAD in page


RELIES = {
    Status.VERIFYING: lambda cast, r: operations.verify(r.pk, actor=cast.laura),
    Status.IN_APPROVAL: lambda cast, r: operations.approve(r.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(r)),
    Status.APPROVED: lambda cast, r: operations.execute(r.pk, actor=cast.gina),
}


@every_way
@pytest.mark.parametrize("before", RELIES)
def test_h9_nobody_verifies_approves_or_applies_on_altered_evidence(cast, alter, before):
    request, path = brought(cast, before)
    alter(path)
    whole = FormalRequest.objects.filter(pk=request.pk).values().get()
    for _ in range(2):
        with pytest.raises(operations.AlteredEvidence, match=r"«constancia\.txt»"):
            RELIES[before](cast, request)
    assert FormalRequest.objects.filter(pk=request.pk).values().get() == whole
    assert request.decisions.count() == (2 if before == Status.APPROVED else 0)
    assert not request.executions.exists()
    assert alarms(request) == (1, {cast.elsa.email, cast.laura.email})


def test_h9_the_page_says_why_the_decision_was_not_taken(cast):
    request, path = brought(cast, Status.IN_APPROVAL)
    lose(path)
    answer = act(cast.fabian, request, "decide", decision="approve", reason=WHY)
    assert answer.status_code == 409
    assert "No se registró nada y avisamos a Seguridad Informática" in text_of(answer)
    refused = operations.reject(request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))
    assert refused.status == Status.REJECTED  # a refusal relies on nothing


@every_way
def test_h9_an_altered_file_is_not_downloaded_and_the_officers_hear(cast, alter):
    request, path = brought(cast, Status.IN_APPROVAL)
    token = Evidence.objects.get(request=request).attachment.token
    staff, hers = make_client(cast.elsa), make_client(cast.ana)
    places = ((staff, f"/control/{request.folio}/archivos/{token}/"), (hers, evidence_url(token)))
    for client, url in places:
        answer = client.get(url)
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content) == b"Constancia"
    alter(path)
    for client, url in places:
        answer = client.get(url)
        assert answer.status_code == (404 if alter is lose else 409)
        assert "no es el que se envió" in text_of(answer)
        assert "constancia.txt" in text_of(answer)
    assert alarms(request) == (1, {cast.elsa.email, cast.laura.email})


def test_h9_what_is_altered_after_it_was_read_is_not_what_leaves(cast):
    request, path = brought(cast, Status.IN_APPROVAL)
    kept = Evidence.objects.get(request=request)
    _, file = evidence.open_as_sent(kept.attachment, kept.sha256)
    flip(path)  # in place, as the answer begins
    with file:
        assert file.read() == b"Constancia"


def evidence_url(token: str) -> str:
    return f"/solicitudes/archivos/{token}/"


def test_h9_a_file_that_was_altered_before_it_is_sent_is_asked_for_again(cast):
    request = add_file(cast, draft(cast))
    flip(Path(Evidence.objects.get(request=request).attachment.file.path))
    with pytest.raises(operations.Invalid, match=r"«constancia\.txt»") as refusal:
        operations.submit(request.pk, actor=cast.ana)
    assert set(refusal.value.errors) == {"evidence"}


def test_h9_a_file_is_read_in_pieces_and_no_further_than_it_was(monkeypatch):
    sizes: list[int] = []
    upload = SimpleUploadedFile("grande.txt", b"a" * (evidence.PIECE * 3))
    kept = store.store(upload, draft="k")

    class Watched:
        def __init__(self, file):
            self.file = file

        def read(self, size):
            sizes.append(size)
            return self.file.read(size)

    assert evidence.is_as_sent(kept, kept.sha256)
    with Path(kept.file.path).open("ab") as file:
        file.write(b"b" * evidence.PIECE * 9)
    with Path(kept.file.path).open("rb") as file:
        assert evidence._hash_file(Watched(file), kept.size) == ""
    assert sizes == [evidence.PIECE] * 4  # the fourth is one too many, and the last
    assert not evidence.is_as_sent(kept, kept.sha256)
