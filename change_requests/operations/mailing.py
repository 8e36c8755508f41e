"""What came in a mail beside a form is kept with the request (M20)."""

from collections.abc import Sequence

from accounts.models import User
from change_requests import notifications, policy
from change_requests.models import FormalRequest, MailText, MailTextFile
from change_requests.operations._locking import Status, current, locked, refuse
from change_requests.payload import text_digest
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Attachment


def keep_mail_text(
    pk: int,
    *,
    actor: User,
    body: str,
    files: Sequence[Attachment] = (),
    beside: Sequence[str] = (),
) -> FormalRequest:
    """Keep the words of the mail that brought a form, and its files that are evidence of no request (M20).

    `beside` are the folios of the mail's other requests. The content stays as it is. When nobody's turn will say so,
    mesa de control is told at once. Raises NotAllowed.
    """
    with locked(pk, *Status, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_request(actor, request.customer))
        kept = MailText.objects.create(
            request=request, author=actor, author_name=actor.get_full_name(), body=body, at=now()
        )
        Attachment.objects.filter(pk__in=[file.pk for file in files]).update(draft="")
        MailTextFile.objects.bulk_create(MailTextFile(text=kept, attachment=file, sha256=file.sha256) for file in files)
        event = audit.record(
            "request.mail_kept",
            request,
            actor=actor,
            text=kept.pk,
            text_sha256=text_digest(body),
            files=[file.sha256 for file in files],
            beside=list(beside),
        )
        if request.status != Status.SUBMITTED:  # else whoever verifies it is told with his turn
            notifications.mail_kept(request, event)
    return request
