"""What came in a mail beside a form is kept with the request (M20)."""

from collections.abc import Sequence

from accounts.models import User
from change_requests import notifications, policy
from change_requests.models import FormalRequest, MailText, MailTextFile
from change_requests.operations._common import Status, hash_text, lock_request, reread_allowed
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
    is_shared: bool = False,
) -> FormalRequest:
    """Store the text of the mail that brought the request's form, and the mail's files that are no evidence (M20).

    `beside` are the folios of other requests that the same mail brought. `is_shared` says that the requests of the mail
    are of more than one company (M16). No content changes. Mesa de control gets a mail now. If the company must still
    confirm the request, mesa is told later, in the mail that asks to verify it.
    """
    with lock_request(pk, *Status, is_stopped_too=True) as request:
        actor = reread_allowed(actor, policy.why_not_request, request.customer)
        text = MailText.objects.create(
            request=request, author=actor, author_name=actor.get_full_name(), body=body, is_shared=is_shared, at=now()
        )
        Attachment.objects.filter(pk__in=[file.pk for file in files]).update(draft="")
        MailTextFile.objects.bulk_create(MailTextFile(text=text, attachment=file, sha256=file.sha256) for file in files)
        event = audit.record(
            "request.mail_kept",
            request,
            actor=actor,
            text=text.pk,
            text_sha256=hash_text(body),
            files=[file.sha256 for file in files],
            beside=list(beside),
        )
        if request.status != Status.SUBMITTED:
            notifications.mail_words_kept(request, event)
    return request
