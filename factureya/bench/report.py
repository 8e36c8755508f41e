"""The measurements as the page docs/benchmarks.md."""

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from factureya.bench import chains, costs
from factureya.bench.chains import ChainFindings
from factureya.bench.engines import LABELS
from factureya.bench.formal import AUTH, AUTH_OFFICER, FormalFindings
from factureya.bench.formal import PAGES as FORMAL_PAGES
from factureya.bench.formal import TARGETS as FORMAL_TARGETS
from factureya.bench.mail import CONNECTIONS, MailFindings
from factureya.bench.startup import Start
from factureya.bench.tables import table, verdict

Key = tuple[str, int]  # engine and size
# Page -> the bare view it is compared with, and how many times that it may cost.
TARGETS = {
    "my tickets": ("auth", 4.0),
    "detail": ("auth", 4.0),
    "create": ("auth", 4.0),
    "queue": ("auth (agent)", 15.0),
    "workspace": ("auth (agent)", 30.0),
}
GROWTH, RAW = 1.3, 4.0
LOAD_RATE, LOAD_SIZE = (1_000, 10_000)  # tickets a second on PostgreSQL; fewer tickets are over before they count
MAIL_RATIO, PIPE_SECONDS, HOSTILE_SECONDS, HOSTILE_MEGABYTES = 8.0, 1.0, 2.0, 200.0
FORMAL_HEADING, MAIL_HEADING = "## Formal requests (M21)", "## Mail in (M5, M6)"
CHAINS_HEADING = "## Events (M26)"
HEADINGS = (
    "## Pages",
    "## Growth",
    "## The closing sweep (M15)",
    FORMAL_HEADING,
    MAIL_HEADING,
    CHAINS_HEADING,
    "## Loading",
    "## Start and memory",
)
PACKAGES = ("Django", "django-allauth", "gunicorn", "celery", "psycopg", "redis")


@dataclass
class Findings:
    """Hold all that was measured: milliseconds by place and page, and the rest."""

    times: dict[tuple[Key, str], list[float]] = field(default_factory=dict)
    statements: dict[tuple[Key, str], int] = field(default_factory=dict)
    closing: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    nothing_due: dict[Key, list[float]] = field(default_factory=dict)
    plans: dict[Key, dict[str, Any]] = field(default_factory=dict)
    loaded: dict[Key, dict[str, Any]] = field(default_factory=dict)
    start: Start | None = None
    formal: FormalFindings | None = None
    mail: MailFindings | None = None
    chains: ChainFindings | None = None
    engines: set[str] = field(default_factory=set)
    left_out: str = ""

    def middle(self, key: Key, page: str) -> float:
        """Return the median."""
        return median(self.times[key, page])

    def ratio(self, key: Key, page: str) -> float:
        """Return the median against the bare view's, of the same run."""
        return self.middle(key, page) / self.middle(key, TARGETS[page][0])


def render(found: Findings, rounds: int, seconds: float, earlier: str = "") -> str:
    """Return the page in Markdown; what was not measured this time stays as an `earlier` page says it."""
    head, sections = _split(earlier)
    if found.statements or not head:
        head = _head(found, rounds, seconds)
    sections |= _sections(found)
    parts = [f"{heading}\n\n{sections[heading]}" for heading in HEADINGS if heading in sections]
    return "\n\n".join([head, *parts]) + "\n"


def _split(page: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first heading, and the text under each heading."""
    head, *rest = re.split(r"^(## .+)$", page, flags=re.MULTILINE)
    return head.strip(), {heading: text.strip() for heading, text in zip(rest[::2], rest[1::2], strict=True)}


def _sections(found: Findings) -> dict[str, str]:
    """Return what was measured this time, by heading."""
    sections = {}
    if found.statements:
        sections = {
            "## Pages": _pages(found),
            "## Growth": _growth(found),
            "## The closing sweep (M15)": _sweep(found),
            "## Loading": _loading(found),
        }
    if found.formal:
        sections[FORMAL_HEADING] = _formal(found.formal, found.left_out)
    if found.mail:
        sections[MAIL_HEADING] = _mail(found.mail)
    if found.chains:
        sections[CHAINS_HEADING] = _chains(found.chains, found.left_out)
    if found.start:
        sections["## Start and memory"] = _start(found.start)
    return sections


def _head(found: Findings, rounds: int, seconds: float) -> str:
    """Return the beginning of the report: what was measured, where and how."""
    return "\n\n".join(
        [
            "# Benchmarks",
            "Written by `make bench` (`manage.py bench --write docs/benchmarks.md`); nothing here is typed by hand.",
            "Every page is asked for through the whole WSGI stack (all middleware, session, CSRF) in worker processes "
            "that take turns, so all of them meet the same load; milliseconds drift with the machine and only "
            "ratios count. "
            "*auth* is a bare view under the same middleware that only loads the session and its user. The page that "
            "is shown is the same at every size: what grows is what the database holds.",
            _surroundings(found, rounds, seconds),
        ]
    )


def _surroundings(found: Findings, rounds: int, seconds: float) -> str:
    """Return the list of the machine, engines and packages of the measurement."""
    engines = sorted(found.engines)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        f"- {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds, {seconds:.0f} s in all",
        f"- {os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}, load "
        f"{os.getloadavg()[1]:.1f}",
        f"- Python {platform.python_version()}, {', '.join(engines)}, {packages}",
        "- broker: files on SQLite, Redis on PostgreSQL; second factor for staff off",
    ]
    if found.left_out:
        lines.append(f"- **PostgreSQL was left out**: {found.left_out}")
    return "\n".join(lines)


def _pages(found: Findings) -> str:
    """Return the table of the times and statements of each page."""
    head = ["engine", "tickets", "page", "median ms", "p95 ms", "statements", "× auth", "target", ""]
    rows = []
    for (key, page), times in found.times.items():
        target = TARGETS[page][1] if page in TARGETS else None
        ratio = found.ratio(key, page) if target else None
        rows.append(
            [
                LABELS[key[0]],
                f"{key[1]:,}",
                page,
                f"{median(times):.2f}",
                f"{quantiles(times, n=20)[-1]:.2f}",
                str(found.statements[key, page]),
                f"{ratio:.2f}" if ratio else "1",
                f"≤ {target:g}" if target else "",
                verdict(ratio <= target) if ratio and target else "",
            ]
        )
    return table(head, rows)


def _growth(found: Findings) -> str:
    """Return the table of how much slower each page is with the most tickets than with the fewest."""
    sizes = sorted({size for _, size in found.loaded})
    if len(sizes) < 2:
        return "One size only."
    small, large = sizes[0], sizes[-1]
    head = ["engine", "page", f"median at {large:,} ÷ at {small:,}", "target", ""]
    rows = []
    for engine in dict.fromkeys(engine for engine, _ in found.loaded):
        for page in TARGETS:
            growth = found.middle((engine, large), page) / found.middle((engine, small), page)
            rows.append([LABELS[engine], page, f"{growth:.2f}", f"≤ {GROWTH}", verdict(growth <= GROWTH)])
    return table(head, rows)


def _sweep(found: Findings) -> str:
    """Return the table of the sweep that closes unanswered tickets."""
    head = ["engine", "tickets", "close ms", "raw ms", "ratio", "target", "", "nothing due ms"]
    rows = []
    for key, pairs in found.closing.items():
        ours, raw = (median(side) for side in zip(*pairs, strict=True))
        rows.append(
            [
                LABELS[key[0]],
                f"{key[1]:,}",
                f"{ours:.2f}",
                f"{raw:.2f}",
                f"{ours / raw:.2f}",
                f"≤ {RAW:g}",
                verdict(ours / raw <= RAW),
                f"{median(found.nothing_due[key]):.2f}",
            ]
        )
    plans = [
        f"{LABELS[engine]}, {size:,} tickets: nothing due is {plan['tickets']} statement on tickets (and "
        f"{plan['all'] - plan['tickets']} for the heartbeat):\n\n```\n{plan['plan']}\n```"
        for (engine, size), plan in found.plans.items()
    ]
    note = (
        "*close* is the operation of the sweep: lock, guards, event, mail and the bell at the broker; *raw* is its own "
        "statements sent to the driver, one transaction for a ticket. SQLite answers a raw statement in a tenth of a "
        "millisecond, without a server and without waiting for the disk, so there the ratio is the price of Python "
        "itself (ORM, hash, mail) against almost nothing; the goal was set against PostgreSQL's durable commits."
    )
    return "\n\n".join([note, table(head, rows), *plans])


def _formal(formal: FormalFindings, left_out: str) -> str:
    """Return the section about formal requests: ratios first, one row for each page of an engine."""
    note = (
        "Databases of their own, where so many requests, each of another company and brought there by the operations, "
        "wait for the security officer. *submit* is the customer's last step, *approve* the officer's decision (the "
        "last one that was missing, the password typed again less than five minutes ago), *execute* the implementer's "
        "button: each the POST alone, on a fresh request of its own that changes address and telephone, up to its "
        "redirect. The pages are the security officer's; an inbox shows 25 rows at the most. *× auth* is the median of "
        "each round's own ratio to the bare view of the same round. A target is of statements, session and user "
        "included: so many at the most, and as many with few requests as with many."
    )
    when = f"Measured on {datetime.now(UTC):%Y-%m-%d} at load {os.getloadavg()[1]:.1f}, {formal.rounds} rounds."
    missing = [f"**PostgreSQL was left out**: {left_out}"] if left_out else []
    return "\n\n".join([when, *missing, note, _formal_table(formal)])


def _formal_table(formal: FormalFindings) -> str:
    """Return the table of the pages of formal requests."""
    sizes = sorted({size for _, size in formal.keys})
    head = [
        "engine",
        "page",
        *(f"× auth with {size:,}" for size in sizes),
        *(f"statements with {size:,}" for size in sizes),
        "target",
        "",
        *(f"median ms with {size:,}" for size in sizes),
    ]
    rows = []
    for engine in dict.fromkeys(engine for engine, _ in formal.keys):
        keys = [(engine, size) for size in sizes]
        for page in (AUTH, AUTH_OFFICER, *FORMAL_PAGES):
            sent = [formal.statements[key, page] for key in keys]
            most = FORMAL_TARGETS.get(page)
            is_met = most is not None and max(sent) <= most and len(set(sent)) == 1
            rows.append(
                [
                    LABELS[engine],
                    page,
                    *(f"{formal.ratio(key, page):.2f}" for key in keys),
                    *(str(number) for number in sent),
                    f"≤ {most}, equal" if most else "",
                    verdict(is_met) if most else "",
                    *(f"{median(formal.times[key, page]):.2f}" for key in keys),
                ]
            )
    return table(head, rows)


def _chains(found: ChainFindings, left_out: str) -> str:
    """Return the section about events: how many are recorded in a second, and how many verified."""
    note = (
        f"Each event is recorded in a transaction of its own, {chains.BATCH} in a round, on PostgreSQL by "
        f"{chains.THREADS} threads with a connection each: on *one subject* they wait for each other at the head of "
        "its chain, over as many subjects as threads nobody waits. A *bare insert* is one row without a chain, by as "
        f"many threads. *verify* is `audit.find_flaws` over the {chains.EVENTS:,} events that were loaded and those of "
        "the rounds, in one process. *× bare* is the median of each round's own ratio; events a second are this "
        "machine's."
    )
    when = f"Measured on {datetime.now(UTC):%Y-%m-%d} at load {os.getloadavg()[1]:.1f}, {found.rounds} rounds."
    missing = [f"**PostgreSQL was left out**: {left_out}"] if left_out else []
    rows = []
    for engine, what in found.rates:
        rate, is_verify = found.middle(engine, what), what == chains.VERIFY
        rows.append(
            [
                LABELS[engine],
                what,
                "" if is_verify else f"{found.ratio(engine, what):.2f}",
                f"{rate:,.0f}",
                f"≥ {chains.TARGET:,}" if is_verify else "",
                verdict(rate >= chains.TARGET) if is_verify else "",
            ]
        )
    head = ["engine", "what", "× bare", "events a second", "target", ""]
    return "\n\n".join([when, *missing, note, table(head, rows)])


def _mail(mail: MailFindings) -> str:
    """Return the section about mail: ratios first; mails per second are this machine's."""
    note = (
        f"*ours* is `receive_smtp`, one process, given the mails by SMTP on {CONNECTIONS} connections: 250 only "
        "after the mail is committed, answers queued in the outbox. *peer* is django-helpdesk's `process_queue`, "
        "one process, on the same mails in a folder, its answers left in memory. Half of the mails are new, half "
        "replies (by id and by number in turn), one in five is HTML alone, one in ten has an image of 20 kB; every "
        "one is from a registered and proven sender, every new ticket is acknowledged, every reply told to its "
        "agent. Both have the same engine with the same settings and as many tickets; batches of "
        f"{mail.batch} mails take turns, and the ratio is that of the medians. Mails per second are this machine's; "
        "*ms* is what the process itself works for one mail, the database server not counted. The target was set "
        "against the peer with 100,000 tickets: for every In-Reply-To it looks through all its follow-ups, twice. With "
        "few tickets it is faster, and the ratio is shown without a target."
    )
    parts = [f"Measured on {datetime.now(UTC):%Y-%m-%d} at load {os.getloadavg()[1]:.1f}.", note]
    if mail.left_out:
        parts.append(f"**The peer was left out**: {mail.left_out}")
    return "\n\n".join([*parts, _mail_rates(mail), _mail_costs(mail)])


def _mail_rates(mail: MailFindings) -> str:
    """Return the table of the mails that are taken in per second."""
    rows = []
    for key, rates in mail.ours.items():
        ours, peer = median(rates), median(mail.peer.get(key) or [0.0])
        ratio = ours / peer if peer else None
        told = ["", ""]
        if key[1] >= LOAD_SIZE:
            told = [f"≥ {MAIL_RATIO:g}", verdict(ratio >= MAIL_RATIO) if ratio else "not measured"]
        work = [mail.work.get((key, who)) for who in ("ours", "peer")]
        rows.append(
            [
                LABELS[key[0]],
                f"{key[1]:,}",
                f"{ratio:.1f}" if ratio else "",
                *told,
                f"{ours:.1f}",
                f"{peer:.1f}" if peer else "",
                *(f"{median(each):.1f}" if each else "" for each in work),
            ]
        )
    head = ["engine", "tickets", "ours ÷ peer", "target", "", "our mails/s", "its mails/s", "our ms", "its ms"]
    return table(head, rows)


def _mail_costs(mail: MailFindings) -> str:
    """Return the medians of `receive_email` as a process, from its start to its end."""
    rows = []
    for (engine, what), spent in mail.costs.items():
        seconds = median(each.seconds for each in spent)
        megabytes = max(each.megabytes for each in spent)
        is_hostile = what != costs.ORDINARY
        limit = HOSTILE_SECONDS if is_hostile else PIPE_SECONDS
        is_met = seconds <= limit and (not is_hostile or megabytes <= HOSTILE_MEGABYTES)
        target = f"≤ {limit:g} s" + (f", ≤ {HOSTILE_MEGABYTES:g} MB" if is_hostile else "")
        rows.append(
            [
                LABELS[engine],
                what,
                f"{seconds:.2f} s",
                f"{megabytes:.0f} MB",
                target,
                verdict(is_met),
                f"{median(each.work for each in spent):.2f} s",
            ]
        )
    head = ["engine", "one `receive_email` of", "median, by the clock", "peak RSS", "target", "", "its own work"]
    return table(head, rows)


def _loading(found: Findings) -> str:
    """Return the table of the tickets that are made per second."""
    rows = []
    for (engine, size), loaded in found.loaded.items():
        is_goal = engine == "postgresql" and size >= LOAD_SIZE
        told = [f"≥ {LOAD_RATE:,}", verdict(loaded["rate"] >= LOAD_RATE)] if is_goal else ["", ""]
        rows.append([LABELS[engine], f"{size:,}", f"{loaded['rate']:,.0f}", *told])
    return table(["engine", "tickets", "tickets/s", "target", ""], rows)


def _start(start: Start) -> str:
    """Return the table of the time to the first page and of the memory at rest."""
    rows = [
        _within("first page on an empty folder (migrate, static files, demo)", start.first, 5, "s"),
        _within("first page, run again", start.again, 5, "s"),
        _within(f"all {start.processes} processes at rest, proportional (PSS)", start.pss, 350, "MB"),
        _within("the same with shared pages counted each time (RSS)", start.rss, 430, "MB"),
    ]
    return table(["what", "measured", "target", ""], rows)


def _within(what: str, measured: float, limit: float, unit: str) -> list[str]:
    return [what, f"{measured:.1f} {unit}", f"≤ {limit:g} {unit}", verdict(measured <= limit)]


def _processor() -> str:
    """Return the name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
