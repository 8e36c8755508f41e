"""The mails of the bench are what the issue says they are, and its page says what was measured (M6)."""

import email
from email import policy

import pytest

from factureya.bench import costs, report, sample_mails
from factureya.bench.costs import Cost
from factureya.bench.mail import MailFindings
from factureya.bench.report import Findings
from factureya.bench.sample_mails import PlannedMail, Seed
from factureya.core.mail import parse
from factureya.core.mail.parse import LimitExceeded
from factureya.core.mail.verdicts import Verdict, read_verdict

pytestmark = [pytest.mark.once, pytest.mark.clause("M6")]
SENDERS = [f"contacto{n}@carga.example" for n in range(7)]
SEEDS = [Seed(SENDERS[n % 7], f"FY-{n:04d}", ("raiz@x", f"respuesta{n}@x")) for n in range(40)]


def test_the_mix() -> None:
    mails = sample_mails.plan(0, 80, SENDERS)
    replies = [planned for planned in mails if planned.seed is not None]
    assert len(replies) == 40
    assert sum(planned.by_number for planned in replies) == 20
    assert sum(planned.is_html for planned in mails) == 16
    assert sum(planned.has_image for planned in mails) == 8
    assert {planned.is_html for planned in replies} == {True, False}
    assert {planned.has_image for planned in replies} == {True, False}
    assert len({planned.seed for planned in replies}) == 40
    assert all(planned.sender == SEEDS[planned.seed or 0].sender for planned in replies)
    assert sample_mails.plan(40, 40, SENDERS) == mails[40:]


def test_the_mails_as_they_are_read() -> None:
    by_id = next(x for x in sample_mails.plan(0, 80, SENDERS) if x.seed is not None and not x.by_number)
    read = parse.parse(sample_mails.write(by_id, SEEDS))
    assert list(read.references)[:2] == [SEEDS[by_id.seed or 0].references[-1], "raiz@x"]
    by_number = next(x for x in sample_mails.plan(0, 80, SENDERS) if x.by_number and x.seed is not None)
    read = parse.parse(sample_mails.write(by_number, SEEDS))
    assert read.subject.startswith(f"Re: {SEEDS[by_number.seed or 0].tag} ")
    assert "Gracias por escribirnos" in read.text
    assert "Gracias por escribirnos" not in read.shortened().new_text
    assert read_verdict(read.authentication, authserv=sample_mails.AUTHSERV, domain="carga.example") is Verdict.PASS
    html = parse.parse(sample_mails.write(PlannedMail(5, SENDERS[0], None), SEEDS))
    assert html.new_text.startswith("Serie 00005.")


def test_the_image_weighs_20_kilobytes() -> None:
    raw = sample_mails.write(PlannedMail(4, SENDERS[0], None), SEEDS)
    (file,) = parse.parse(raw).files
    assert 19_000 < len(file.content) < 24_000
    assert b"\n" not in raw.replace(b"\r\n", b"")
    (part,) = email.message_from_bytes(raw, policy=policy.default).iter_attachments()
    assert part.get_content_type() == "image/png"


@pytest.mark.parametrize(("make", "limit"), [(costs._large, ""), (costs._parts, "parts"), (costs._deep, "depth")])
def test_the_hostile_mails(make, limit) -> None:
    raw = make(1)
    if limit:
        with pytest.raises(LimitExceeded, match=limit):
            parse.parse(raw)
    else:
        assert 25 * 1024 * 1024 - 100 < len(raw) <= 25 * 1024 * 1024
        assert len(parse.parse(raw).files) == 1


def test_the_page_says_ratios_first_and_what_was_missed() -> None:
    key = ("sqlite", 100_000)
    found = MailFindings(batch=40)
    for rate in (90.0, 80.0, 100.0):
        found.note("ours", key, rate, 9.0)
    found.note("peer", key, 10.0, 80.0)
    found.costs = {("sqlite", costs.ORDINARY): [Cost(0.5, 300, 0.4)], ("sqlite", costs.LARGE): [Cost(1.0, 300, 0.9)]}
    page = report.render(Findings(mail=found), 1, 1.0, "# Benchmarks\n\n## Loading\n\nx\n")
    assert "| SQLite | 100,000 | 9.0 | ≥ 8 | met | 90.0 | 10.0 | 9.0 | 80.0 |" in page
    assert "| SQLite | an ordinary mail | 0.50 s | 300 MB | ≤ 1 s | met | 0.40 s |" in page
    assert "| SQLite | 25 MB | 1.00 s | 300 MB | ≤ 2 s, ≤ 200 MB | **missed** | 0.90 s |" in page
    assert page.index("## Mail in") < page.index("## Loading")
    found.peer, found.left_out = {}, "offline"
    again = report.render(Findings(mail=found), 1, 1.0, page)
    assert again.count("## Mail in") == 1
    assert "**The peer was left out**: offline" in again
    assert "not measured" in again
    assert again.endswith("## Loading\n\nx\n")
