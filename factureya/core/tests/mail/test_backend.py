"""The demo's mail server: one `.eml` per mail."""

import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from email.message import EmailMessage as Parsed
from pathlib import Path
from typing import Any, cast

import pytest
import time_machine
from django.core.mail import EmailMessage

from factureya.core.mail.backend import EmlFileBackend


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_FILE_PATH = str(tmp_path / "var" / "mail")
    return tmp_path / "var" / "mail"


def mail(subject: str = "FY-7K3M-9QX1 · Recibimos su ticket", **fields: Any) -> EmailMessage:
    return EmailMessage(subject, fields.pop("body", "Qué sigue…\n"), to=["ana@ejemplo.mx"], **fields)


def read(path: Path) -> Parsed:
    return cast(Parsed, message_from_bytes(path.read_bytes(), policy=policy.default))


@time_machine.travel("2026-11-24T16:15:30Z", tick=False)
def test_one_readable_file_per_mail(folder):
    headers = {"Message-ID": "<uno@factureya.com>", "Auto-Submitted": "auto-generated"}
    assert EmlFileBackend().send_messages([mail(headers=headers), mail("Su código de acceso")]) == 2
    coded, numbered = sorted(folder.iterdir(), key=lambda path: "FY" in path.name)
    assert numbered.name.startswith("20261124-101530-FY-7K3M-9QX1-")
    assert coded.name.startswith("20261124-101530-su-codigo-de-acceso-")
    assert {numbered.suffix, coded.suffix} == {".eml"}
    parsed = read(numbered)
    assert parsed["Subject"] == "FY-7K3M-9QX1 · Recibimos su ticket"
    assert parsed["Message-ID"] == "<uno@factureya.com>"
    assert parsed["To"] == "ana@ejemplo.mx"
    assert parsed["Date"]
    assert parsed.get_content().strip() == "Qué sigue…"
    assert b"\n" not in numbered.read_bytes().replace(b"\r\n", b"")


def test_private_modes(folder):
    EmlFileBackend().send_messages([mail()])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("subject", ["", "¿?", "../../etc/passwd", "a" * 200])
def test_any_subject_gives_a_plain_name(folder, subject):
    EmlFileBackend().send_messages([mail(subject)])
    (path,) = folder.iterdir()
    assert path.name.replace("-", "").replace(".", "").isalnum()
    assert len(path.name) < 80


def test_a_mail_to_nobody_is_not_written(folder):
    assert EmlFileBackend().send_messages([EmailMessage("a", "b", to=[])]) == 0
    assert not folder.exists()


def test_a_full_disk_leaves_no_half_mail(folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            EmlFileBackend().send_messages([mail(body="x\n" * 1024 * 1024)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(folder.iterdir()) == []


def test_many_threads_write_whole_mails(folder):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: EmlFileBackend().send_messages([mail()]), range(80)))
    assert len(list(folder.iterdir())) == 80
    assert all(path.suffix == ".eml" and read(path)["To"] for path in folder.iterdir())
