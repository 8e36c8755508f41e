"""5,000 broken mails on the whole way of `receive_email`: it ends with 0 or 75, no traceback, the mail is kept (M6)."""

import io
import json
import logging
import random
from collections.abc import Callable

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

import mail_pipe
from accounts.tests.factories import make_contact, own_provider
from factureya.core import mail_in
from factureya.core.mail_headers import fingerprint
from factureya.core.mail_in import InboundMail
from factureya.core.models import InboundMessage
from factureya.core.tests.mutations import INSERTS, SEEDS, mutated
from factureya.core.tests.test_mail_samples import FOLDER, rows
from tickets.tests.letters import ANA

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),  # every mail is committed, as in the process
    pytest.mark.clause("M6"),
]
OWN, PIECES, OF_A_SAMPLE = 450, 800, 60  # 6 × 450 + 800 + 26 × 61: 5,086 mails
SAMPLES = [row["file"] for row in rows("MANIFEST.tsv")]
Bring = Callable[[bytes], None]


class Stdin:
    """What the mail server's pipe brings."""

    def __init__(self, raw: bytes) -> None:
        self.buffer = io.BytesIO(raw)


def texts(read: InboundMail) -> list[str]:
    """All of it that is stored as text."""
    names = [text for file in read.files for text in (file.name, file.content_type)]
    bounce = [*read.bounce.message_ids, *read.bounce.recipients] if read.bounce else []
    return [
        read.message_id, *read.references, *read.senders, read.sender_name, *read.recipients, read.subject, read.text,
        read.new_text, read.robot, *read.authentication, *names, *bounce,
    ]  # fmt: skip


@pytest.fixture
def bring(settings, monkeypatch, tmp_path, capsys, caplog) -> Bring:
    """Give a mail to the command within its guard, as the process does, and hold it to its word."""
    settings.MAIL_IN_REQUIRE_VERDICT = False
    settings.MEDIA_ROOT = tmp_path
    own_provider()
    make_contact(email=ANA)
    parse = mail_in.parse

    def storable(raw: bytes) -> InboundMail:
        read = parse(raw)
        for text in texts(read):
            assert "\x00" not in text  # which PostgreSQL refuses, as it does half a character
            text.encode()
        return read

    monkeypatch.setattr(mail_in, "parse", storable)
    monkeypatch.setattr(
        "django.core.management.execute_from_command_line", lambda argv: call_command(*argv[1:])
    )

    def give(raw: bytes) -> None:
        monkeypatch.setattr("sys.stdin", Stdin(raw))
        capsys.readouterr()
        caplog.clear()
        code = mail_pipe.main(["manage.py", mail_pipe.COMMAND, "--json"])
        said, complaint = capsys.readouterr()
        assert code == 0, (raw, complaint)  # 75 is for want of a database, and we have one
        assert "Traceback" not in complaint
        assert not [record for record in caplog.records if record.levelno > logging.WARNING], raw
        message_id, digest = fingerprint(raw)
        kept = InboundMessage.objects.get(message_id=message_id, digest=digest)
        assert kept.disposition, raw
        if json.loads(said)["disposition"] == "ignore-duplicate":
            assert fingerprint(bytes(kept.raw)) == (message_id, digest)
        else:
            assert bytes(kept.raw) == raw

    return give


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_mutations_of_our_own_mails(bring: Bring, seed: int):
    source = random.Random(20_261_124 + seed)
    for _ in range(OWN):
        bring(mutated(SEEDS[seed], source))
    assert InboundMessage.objects.count() > OWN * 0.9


@profile(
    max_examples=PIECES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one database for all is meant
)
@given(
    pieces=st.lists(
        st.one_of(st.sampled_from(INSERTS), st.binary(max_size=20), st.sampled_from(SEEDS)),
        max_size=12,
    )
)
@example(pieces=[b'Content-Type: multipart/mixed; boundary="=?utf-8?q?=00?="\r\n\r\n--x'])
@example(pieces=[b"Content-Type: text/plain; charset*=x'y'z; charset*0=a\r\n\r\nhola"])
def test_pieces_in_any_order(bring: Bring, pieces: list[bytes]):
    bring(b"".join(pieces))


@pytest.mark.samples
@pytest.mark.parametrize("name", SAMPLES)
def test_mutations_of_the_samples(bring: Bring, name: str):
    source, raw = random.Random(name), (FOLDER / name).read_bytes()
    if (sender := mail_in.parse(raw).sender) and sender != ANA:
        make_contact(email=sender)
    bring(raw)
    for _ in range(OF_A_SAMPLE):
        bring(mutated(raw, source))


@pytest.mark.samples
def test_there_are_five_thousand():
    assert OWN * len(SEEDS) + PIECES + len(SAMPLES) * (1 + OF_A_SAMPLE) > 5000
