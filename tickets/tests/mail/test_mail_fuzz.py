"""Broken mails on the whole way of `receive_email`: it ends with 0 or 75, no traceback, the mail is kept (M6).

None takes more than 2 s of processor or 200 MB. The suite brings some 2,000; more than 5,000 with
`FUZZ=full pytest tickets/tests/mail/test_mail_fuzz.py -s`, which says at its end what the dearest cost.
"""

import ctypes
import io
import json
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from factureya import pipe
from factureya.core.mail import parse as mail_parse
from factureya.core.mail.headers import compute_fingerprint
from factureya.core.mail.parse import InboundMail
from factureya.core.models import InboundMessage
from factureya.testing.inbound_mails import ANA
from factureya.testing.mutations import INSERTS, SEEDS, mutated
from factureya.testing.people import make_contact, own_provider
from factureya.testing.sample_mails import SAMPLES

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),  # every mail is committed, as in the process
    pytest.mark.clause("M6"),
]
IS_FULL = os.environ.get("FUZZ") == "full"
OWN, PIECES, OF_A_SAMPLE = (340, 800, 60) if IS_FULL else (100, 250, 35)
MAX_SECONDS, MAX_MEGABYTES = 2, 200
DEAREST = {"seconds": 0.0, "megabytes": 0.0, "mails": 0.0}
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
        read.message_id,
        *read.references,
        *read.senders,
        read.sender_name,
        *read.recipients,
        read.subject,
        read.text,
        read.new_text,
        read.robot,
        *read.authentication,
        *names,
        *bounce,
    ]


def memory(field: str) -> float:
    """VmRSS or VmHWM (the highest since it was last reset) of this process, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def watched(raw: bytes) -> int:
    """Run the command on a mail within the limits of time and memory; its exit code."""
    if IS_FULL and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)  # what earlier mails left in the heap would hide what this one takes
    Path("/proc/self/clear_refs").write_text("5")  # the highest begins anew
    megabytes, begin = memory("VmRSS"), process_time()
    code = pipe.main(["manage.py", pipe.COMMAND, "--json"])
    spent = {"seconds": process_time() - begin, "megabytes": memory("VmHWM") - megabytes}
    for name, value in spent.items():
        DEAREST[name] = max(DEAREST[name], value)
    DEAREST["mails"] += 1
    assert spent["seconds"] < MAX_SECONDS, raw[:2000]
    assert spent["megabytes"] < MAX_MEGABYTES, raw[:2000]
    return code


@pytest.fixture
def bring(settings, monkeypatch, tmp_path, capsys, caplog) -> Iterator[Bring]:
    """Give a mail to the command within its guard, as the process does, and hold it to its word."""
    settings.MAIL_IN_REQUIRE_VERDICT = False
    settings.MEDIA_ROOT = tmp_path
    own_provider()
    make_contact(email=ANA)
    parse = mail_parse.parse

    def storable(raw: bytes) -> InboundMail:
        read = parse(raw)
        assert read.shortened().new_text or not read.text.strip()
        for text in texts(read):
            assert "\x00" not in text  # which PostgreSQL refuses, as it does half a character
            text.encode()
        return read

    monkeypatch.setattr(mail_parse, "parse", storable)
    monkeypatch.setattr("django.core.management.execute_from_command_line", lambda argv: call_command(*argv[1:]))

    def give(raw: bytes) -> None:
        monkeypatch.setattr("sys.stdin", Stdin(raw))
        capsys.readouterr()
        caplog.clear()
        code = watched(raw)
        said, complaint = capsys.readouterr()
        assert code == 0, (raw, complaint)  # 75 is for want of a database, and we have one
        assert "Traceback" not in complaint
        assert not [record for record in caplog.records if record.levelno > logging.WARNING], raw
        message_id, digest = compute_fingerprint(raw)
        kept = InboundMessage.objects.get(message_id=message_id, digest=digest)
        assert kept.disposition, raw
        if json.loads(said)["disposition"] == "ignore-duplicate":
            assert compute_fingerprint(bytes(kept.raw)) == (message_id, digest)
        else:
            assert bytes(kept.raw) == raw

    yield give
    if IS_FULL:
        sys.stdout.write(f"{DEAREST}\n")


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
    pieces=st.lists(st.one_of(st.sampled_from(INSERTS), st.binary(max_size=20), st.sampled_from(SEEDS)), max_size=12)
)
@example(pieces=[b'Content-Type: multipart/mixed; boundary="=?utf-8?q?=00?="\r\n\r\n--x'])
@example(pieces=[b"Content-Type: text/plain; charset*=x'y'z; charset*0=a\r\n\r\nhola"])
def test_pieces_in_any_order(bring: Bring, pieces: list[bytes]):
    bring(b"".join(pieces))


@pytest.mark.parametrize("name", SAMPLES)
def test_mutations_of_the_samples(bring: Bring, name: str):
    source, raw = random.Random(name), SAMPLES[name].raw
    if (sender := mail_parse.parse(raw).sender) and sender != ANA:
        make_contact(email=sender)
    bring(raw)
    for _ in range(OF_A_SAMPLE):
        bring(mutated(raw, source))


@pytest.mark.skipif(not IS_FULL, reason="FUZZ=full brings them all")
def test_there_were_five_thousand():
    assert DEAREST["mails"] > 5000
