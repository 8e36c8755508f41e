"""django-helpdesk in a project of its own, for the bench to compare with; runs in the bench's scratch venv alone.

Started as a script with the database's URL and a scratch folder; reads commands from stdin, answers JSON lines, as
`factureya.bench.worker` does. Mails are taken by its own `process_queue` from a folder, its cheapest way in, and its
answers go to a list in memory. SQLite has our settings.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

SUPPORT, AGENT = "soporte@factureya.com", "agente@carga.example"
BATCH = 2_000


def database(url: str) -> dict[str, object]:
    """Return Django's setting for a database URL."""
    at = urlsplit(url)
    if at.scheme == "sqlite":
        options = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA temp_store=MEMORY;"
            "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-20000;",
        }
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": at.path[1:], "OPTIONS": options}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": at.path[1:],
        "HOST": at.hostname,
        "PORT": at.port,
        "USER": unquote(at.username or ""),
        "PASSWORD": unquote(at.password or ""),
        "CONN_MAX_AGE": None,
    }


def configure(url: str, folder: Path) -> None:
    """Set the settings of its own quick start, without the apps that it can do without."""
    contrib = "admin auth contenttypes sessions messages sites humanize staticfiles"
    settings.configure(
        SECRET_KEY="x" * 50,
        USE_TZ=True,
        SITE_ID=1,
        ROOT_URLCONF=__name__,
        STATIC_URL="/static/",
        INSTALLED_APPS=[*(f"django.contrib.{app}" for app in contrib.split()), "rest_framework", "helpdesk"],
        HELPDESK_TEAMS_MODE_ENABLED=False,
        MEDIA_ROOT=str(folder / "media"),
        DATABASES={"default": database(url)},
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
        DEFAULT_FROM_EMAIL=SUPPORT,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        LOGGING={"version": 1, "root": {"level": "ERROR"}},
        SILENCED_SYSTEM_CHECKS=["admin.E403", "admin.E408"],
    )
    django.setup()


if __name__ == "__main__":
    configure(sys.argv[1], Path(sys.argv[2]))

from django.core import mail  # noqa: E402 - django-helpdesk reads its settings when it is imported
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.urls import include, path  # noqa: E402
from helpdesk.email import process_queue  # noqa: E402
from helpdesk.models import FollowUp, FollowUpAttachment, Queue, Ticket, User  # noqa: E402

urlpatterns = [path("", include("helpdesk.urls"))]


class Peer:
    """Answer the bench's commands."""

    def __init__(self, folder: Path) -> None:
        self.box = folder / "box"
        self.box.mkdir()

    def prepare(self, tickets: int, entries: int) -> None:
        """Migrate an empty database, and insert this many tickets with so many follow-ups in all."""
        call_command("migrate", interactive=False, verbosity=0)
        self.agent = User.objects.create_user("agente", email=AGENT, is_staff=True)
        self.queue = Queue.objects.create(
            title="Soporte",
            slug="soporte",
            email_address=SUPPORT,
            allow_email_submission=True,
            email_box_type="local",
            email_box_local_dir=str(self.box),
        )
        for first in range(0, tickets, BATCH):
            senders = [f"otro{n}@carga.example" for n in range(first, min(tickets, first + BATCH))]
            self._open(senders, "carga")
        for number in range(1, entries // tickets):
            self._repeat(f"carga.{number}")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def seeds(self, senders: list[str]) -> list[dict[str, object]]:
        """Return a ticket of each sender that has the agent, with what a reply to it says."""
        opened = self._open(senders, "seed")
        Ticket.objects.filter(pk__in=[ticket.pk for ticket, _ in opened]).update(assigned_to=self.agent)
        self.before = self._count()
        return [
            {"sender": ticket.submitter_email, "tag": f"[soporte-{ticket.pk}]", "references": [said.message_id]}
            for ticket, said in opened
        ]

    def take(self) -> float:
        """Take in what lies in the mailbox, and return the seconds it took."""
        start = time.perf_counter()
        process_queue(self.queue, logging.getLogger("helpdesk.bench"))
        seconds = time.perf_counter() - start
        if left := list(self.box.iterdir()):
            raise RuntimeError(f"{len(left)} mails were not taken")
        return seconds

    def outcome(self) -> dict[str, int]:
        """Return what the mails since then have become."""
        return {what: number - self.before[what] for what, number in self._count().items()}

    def _count(self) -> dict[str, int]:
        """Return how many tickets, messages, files and mails there are."""
        return {
            "tickets": Ticket.objects.count(),
            "messages": FollowUp.objects.count(),
            "files": FollowUpAttachment.objects.count(),
            "mails": len(getattr(mail, "outbox", [])),
        }

    def _repeat(self, word: str) -> None:
        """Insert one more follow-up for each ticket by the database alone, the first with an id of its own."""
        columns = [field.column for field in FollowUp._meta.concrete_fields if not field.primary_key]
        values = [f"'<{word}.' || id || '>'" if name == "message_id" else name for name in columns]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO helpdesk_followup ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
                "FROM helpdesk_followup WHERE message_id LIKE '<carga.%@%'"
            )

    @transaction.atomic
    def _open(self, senders: list[str], word: str) -> list[tuple[Ticket, FollowUp]]:
        """Make a ticket with a first message for each sender, and return both."""
        now = datetime.now(UTC)
        tickets = Ticket.objects.bulk_create(
            Ticket(
                title=f"Asunto de {sender}",
                queue=self.queue,
                submitter_email=sender,
                created=now,
                modified=now,
                description="No avanza. " * 20,
                priority=3,
            )
            for sender in senders
        )
        said = FollowUp.objects.bulk_create(
            FollowUp(
                ticket=ticket,
                title="E-Mail Received",
                date=now,
                public=True,
                comment="No avanza. " * 20,
                message_id=f"<{word}.{ticket.pk}@carga.example>",
            )
            for ticket in tickets
        )
        for each in said:
            each.message_id = each.message_id.strip("<>")
        return list(zip(tickets, said, strict=True))


def main() -> None:
    """Answer commands until stdin ends."""
    peer = Peer(Path(sys.argv[2]))
    for line in sys.stdin:
        name, *args = json.loads(line)
        sys.stdout.write(json.dumps(getattr(peer, name)(*args)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
