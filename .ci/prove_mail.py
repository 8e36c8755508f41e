"""Prove mail from end to end in `make run`: a mail becomes a ticket, our answer a file, a reply to it the same ticket.

The customer's program is Python's smtplib; the agent answers on the admin's page. Standard library alone.
"""

import re
import smtplib
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

from visitor import Visitor, require

CUSTOMER, AGENT, SUPPORT = "ana@demo.example", "dario@demo.example", "soporte@factureya.com"
QUEUE = "/admin/tickets/ticket/"
ASKED, QUOTED = ("¿Con qué PAC timbra?", f"mar, 24 nov 2026 a las 10:15, Factureya Soporte (<{SUPPORT}>)")
PATIENCE = 30  # seconds for a mail to come in, or to leave


def prove(site: str, listener: int, folder: Path) -> None:
    """Write to `listener`, read on `site` and in `folder`, answer, reply, and see both in one ticket."""
    subject = f"No timbra el folio {time.monotonic_ns()}"
    said = send(listener, Subject=subject, To=SUPPORT, text="Al timbrar aparece CFDI40147.")
    acknowledged = written(folder, lambda mail: said in mail.get("In-Reply-To", ""))
    number = str(acknowledged["Subject"]).split()[0]
    page = f"/tickets/{number}/"
    ana = Visitor(site, CUSTOMER)
    require("CFDI40147" in ana.look(page), "the page does not show what the mail says")

    answer_in_admin(Visitor(site, AGENT), number, ASKED)
    answer = written(folder, lambda mail: number in mail["Subject"] and ASKED in read_text(mail))
    require(CUSTOMER in answer["To"], f"the answer went to {answer['To']}")
    require(ASKED in ana.look(page), "the page does not show the answer")

    ids = {"In-Reply-To": answer["Message-ID"], "References": answer["References"]}
    reply = f"Con el PAC Ejemplo.\n\nEl {QUOTED} escribió:\n\n> {ASKED}\n"
    send(listener, Subject="Otra cosa", To=SUPPORT, text=reply, **ids)
    wait(lambda: "Con el PAC Ejemplo." in ana.look(page), "the reply is not in the ticket")
    require(QUOTED not in ana.look(page), "the quote was not cut")
    print(f"mail: {number} was opened, answered and continued by mail")


def send(listener: int, *, text: str, **headers: str) -> str:
    """Send a mail of the customer's to the listener; its Message-ID."""
    mail = EmailMessage()
    mail["From"], mail["Message-ID"] = CUSTOMER, make_msgid(domain="demo.example")
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    wait(lambda: _delivered(listener, mail), "the listener takes no mail")
    return str(mail["Message-ID"])


def _delivered(listener: int, mail: EmailMessage) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", listener, timeout=20) as server:
            return server.send_message(mail) == {}
    except ConnectionRefusedError:
        return False  # it starts after the web


def answer_in_admin(agent: Visitor, number: str, text: str) -> None:
    """Find the ticket by its number in the agent's queue, ask for detail on its page."""
    found = re.search(rf"{QUEUE}(\d+)/change/", agent.look(f"{QUEUE}?q={number}"))
    require(found is not None, f"the agent's queue does not find {number}")
    assert found
    agent.look(found.group())
    sent = agent.send(f"{QUEUE}{found.group(1)}/mensaje/", kind="respuesta", body=text, after="detalle")
    require(text in sent and "#mensaje-2" in agent.url, f"the answer was not sent: {agent.url}")


def written(folder: Path, wanted: Callable[[EmailMessage], bool]) -> EmailMessage:
    """The mail of `folder` that is wanted, as soon as it is there."""
    found: list[EmailMessage] = []

    def look() -> bool:
        mails = (message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml"))
        found.extend(mail for mail in mails if wanted(mail))
        return bool(found)

    wait(look, f"no such mail in {folder}")
    return found[0]


def read_text(mail: EmailMessage) -> str:
    """The plain text of a mail, whatever stands beside it: a company's mails have its logo."""
    body = mail.get_body(("plain",))
    return body.get_content() if body is not None else ""


def wait(holds: Callable[[], bool], problem: str) -> None:
    """Until it holds. Exits with `problem` after PATIENCE seconds."""
    until = time.monotonic() + PATIENCE
    while not holds():
        require(time.monotonic() < until, problem)
        time.sleep(0.2)
