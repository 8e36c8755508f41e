"""The key that signs expedientes: derived or set, changed with dates, and published (M26)."""

import base64
from datetime import date
from types import SimpleNamespace as Namespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from change_requests.documents import anchoring, archive, signing, verify_expediente
from factureya.testing.pages import text_of

pytestmark = [pytest.mark.clause("M26")]
OLD = bytes(range(32))


def test_without_a_key_it_is_derived_from_the_secret_key(settings):
    settings.EXPEDIENTE_KEY, settings.SECRET_KEY = "", "una"
    first = signing.find_present_key()
    assert first == signing.find_present_key()
    settings.SECRET_KEY = "otra"
    assert signing.find_present_key() != first


def test_a_key_of_its_own_signs_what_the_verifier_accepts(settings):
    settings.EXPEDIENTE_KEY = base64.b64encode(OLD).decode()
    key, signature = signing.sign(b"el manifiesto")
    assert verify_expediente.verify_ed25519(key, b"el manifiesto", signature)
    settings.SECRET_KEY = "otra"
    assert signing.sign(b"el manifiesto") == (key, signature)


@pytest.mark.parametrize("key", ["no es base64", base64.b64encode(b"corta").decode()])
def test_a_wrong_key_is_said(settings, key):
    settings.EXPEDIENTE_KEY = key
    with pytest.raises(ImproperlyConfigured, match="32 bytes"):
        signing.find_present_key()


def test_old_keys_have_dates(settings):
    settings.EXPEDIENTE_OLD_KEYS = [f"{OLD.hex()}:2026-01-01:2026-06-30", f"{OLD[::-1].hex()}:2026-07-01:2026-12-01"]
    assert [key.until for key in signing.read_old_keys()] == [date(2026, 12, 1), date(2026, 6, 30)]
    assert signing.find_present_key().since == date(2026, 12, 1)
    settings.EXPEDIENTE_OLD_KEYS = ["zz"]
    with pytest.raises(ImproperlyConfigured, match="EXPEDIENTE_OLD_KEYS"):
        signing.read_old_keys()


@pytest.mark.django_db
def test_the_page_of_the_verifier_is_public_and_says_key_and_hash(client, settings):
    settings.EXPEDIENTE_OLD_KEYS = [f"{OLD.hex()}:2026-01-01:2026-06-30"]
    text = text_of(client.get(reverse("requests:verifier")))
    for words in (
        archive.hash_verifier(),
        signing.find_present_key().spaced_fingerprint,
        signing.find_present_key().hex,
        "Firmó desde el 1 de enero de 2026 hasta el 30 de junio de 2026",
    ):
        assert words in text
    file = client.get(reverse("requests:verifier_file"))
    assert verify_expediente.sha256(file.content) == archive.hash_verifier()
    assert file["Content-Disposition"] == 'attachment; filename="verify_expediente.py"'


HEADS = [Namespace(chain="request:1", seq=5, hash="a" * 64), Namespace(chain="user:1", seq=2, hash="b" * 64)]
ANCHOR = Namespace(day=date(2026, 12, 1), seq=7, hash="c" * 64)


def find_line(monkeypatch, chain: str, anchor: Any = ANCHOR, error: Exception | None = None) -> dict[str, Any] | None:
    """Find the line of a chain in an anchor's file that holds HEADS, or cannot be read."""

    def read_heads(_path: str) -> list[Namespace]:
        if error:
            raise error
        return HEADS

    anchors = Namespace(latest_anchor=lambda: anchor, find_path=lambda _anchor: "", read_heads=read_heads)
    monkeypatch.setattr(anchoring, "anchors", anchors)
    return anchoring.find_anchor_line(chain)


def test_the_line_of_the_latest_anchor_is_as_its_file_writes_it(monkeypatch):
    line = f'["request:1",5,"{"a" * 64}"]'
    assert find_line(monkeypatch, "request:1") == {"line": line, "day": "2026-12-01", "seq": 7, "hash": "c" * 64}


def test_without_an_anchor_there_is_no_line(monkeypatch):
    assert find_line(monkeypatch, "request:2") is None  # younger than the anchor
    assert find_line(monkeypatch, "request:1", anchor=None) is None
    for error in (FileNotFoundError(), ValueError()):
        assert find_line(monkeypatch, "request:1", error=error) is None
