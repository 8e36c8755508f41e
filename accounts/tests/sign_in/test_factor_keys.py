"""Changing SECRET_KEY as documented keeps every second factor, and never ends in a 500 (security A6; M3)."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.conf import settings as configured
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.operations import factor_keys
from accounts.tests.sign_in.test_factor import SECRET, code, enrolled, prove_again, sign_in
from factureya import bootstrap
from factureya.testing.pages import text_of
from factureya.testing.people import make_agent

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M3")]
OLD, NEW, OWN, OWN_NEW = "o" * 50, "n" * 50, "f" * 50, "g" * 50


@pytest.fixture
def gina(settings: Any) -> User:
    settings.STAFF_MFA_REQUIRED = True
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.FACTOR_KEYS = OLD, [], []
    return enrolled(make_agent(email="gina@factureya.com"))


def enters(person: User, with_code: str) -> bool:
    """Whether the person signs in with the password and this code, in a browser of their own."""
    cache.clear()  # an app's code works once, and tests are faster than 30 seconds
    client = Client()
    sign_in(client, person)
    answer = client.post(reverse("mfa_authenticate"), {"code": with_code})
    assert answer.status_code in {200, 302}
    return answer.status_code == 302


def recovery_code(person: User) -> str:
    found = Authenticator.objects.get(user=person, type=Authenticator.Type.RECOVERY_CODES)
    return RecoveryCodes(found).get_unused_codes()[0]


def reencrypt() -> str:
    out = StringIO()
    call_command("reencrypt_factors", stdout=out)
    return out.getvalue()


def test_a6_the_documented_change_of_secret_key_keeps_app_and_recovery_codes(gina: User, settings: Any):
    kept = [recovery_code(gina)]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]  # step 1, restart
    assert enters(gina, code())
    assert reencrypt().startswith("2 second factors")  # step 2
    assert reencrypt().startswith("0 second factors")
    settings.SECRET_KEY_FALLBACKS = []  # step 3, restart
    assert enters(gina, code())
    assert recovery_code(gina) == kept[0]
    assert enters(gina, kept[0])
    assert [e.verb for e in gina.events()].count("factor.reencrypted") == 2


def test_a6_with_a_key_of_their_own_factors_do_not_depend_on_secret_key(gina: User, settings: Any):
    settings.FACTOR_KEYS = [OWN]
    assert enters(gina, code())  # what SECRET_KEY encrypted is still read
    assert reencrypt().startswith("2 second factors")
    settings.SECRET_KEY = NEW  # at once and without fallbacks: the key may be known to somebody
    assert enters(gina, code())
    assert enters(gina, recovery_code(gina))
    settings.FACTOR_KEYS = [OWN_NEW, OWN]
    reencrypt()
    settings.FACTOR_KEYS = [OWN_NEW]
    assert enters(gina, code())


def test_a6_a_factor_that_no_key_reads_is_a_wrong_code_with_a_way_out(gina: User, settings: Any, client: Client):
    kept = recovery_code(gina)
    settings.SECRET_KEY = NEW  # the mistake: nothing was encrypted anew
    for typed in (code(), kept, "000000"):
        cache.clear()
        sign_in(client, gina)
        page = client.post(reverse("mfa_authenticate"), {"code": typed})
        assert page.status_code == 200
        assert "No podemos leer su verificación en dos pasos" in text_of(page)
        assert "lo aprueban dos personas" in text_of(page)
    with pytest.raises(CommandError, match=gina.email):
        reencrypt()
    settings.SECRET_KEY_FALLBACKS = [OLD]  # the old key is put back
    assert enters(gina, code())


def test_a6_a_recovery_code_that_can_be_read_works_beside_an_app_that_cannot(gina: User, settings: Any):
    settings.SECRET_KEY = NEW
    Authenticator.objects.filter(user=gina, type=Authenticator.Type.RECOVERY_CODES).delete()
    RecoveryCodes.activate(gina)  # made with the new key
    assert enters(gina, recovery_code(gina))


@pytest.mark.parametrize(
    "page", ["mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes", "mfa_index"]
)
def test_a6_no_page_of_the_factor_breaks_or_shows_made_up_codes(gina: User, settings: Any, client: Client, page: str):
    settings.STAFF_MFA_REQUIRED = False
    cache.clear()
    sign_in(client, gina)
    client.post(reverse("mfa_authenticate"), {"code": code()})
    prove_again(client)
    assert client.get(reverse(page)).status_code in {200, 302}
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.FACTOR_KEYS = OLD, [], [OWN]
    spoilt = Authenticator.objects.get(user=gina, type=Authenticator.Type.RECOVERY_CODES)
    spoilt.data["seed"] = "no-key-reads-this"
    spoilt.save(update_fields=["data"])
    answer = client.get(reverse(page), follow=True)
    assert answer.status_code == 200
    assert not re.search(r"\b\d{8}\b", text_of(answer))
    if page != "mfa_index":
        assert "No podemos leer su verificación en dos pasos" in answer.content.decode()


def test_a6_make_run_writes_a_key_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "ENV_FILE", tmp_path / ".env")
    bootstrap.main(8000)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines() if "=" in line)
    assert len(written["FACTOR_KEYS"]) > 40
    assert written["FACTOR_KEYS"] != written["SECRET_KEY"]


def test_a6_the_docs_name_the_steps():
    text = (Path(configured.BASE_DIR) / "docs" / "operations.md").read_text("utf-8")
    assert "reencrypt_factors" in text.partition("## Keys")[2]
    assert SECRET not in factor_keys.encrypt(SECRET)
