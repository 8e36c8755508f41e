"""What came in a mail beside a form is kept with the request (M20)."""

import hashlib
from collections.abc import Sequence

from accounts.models import Proof, User
from change_requests import notifications, policy
from change_requests.models import FormalRequest, MailText, MailTextFile, ReceivedForm
from change_requests.operations._common import Status, lock_request, record_act, require_requester, reread_allowed
from change_requests.record.facts import describe_form, describe_mail, hash_text
from factureya.core.clock import now
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.mail.readings import find_sender_verdict
from factureya.core.models import Attachment, InboundMessage


def keep_mail_text(
    pk: int,
    *,
    actor: User,
    body: str,
    files: Sequence[Attachment] = (),
    beside: Sequence[str] = (),
    is_shared: bool = False,
    proof: Proof | None = None,
) -> FormalRequest:
    """Store the text of the mail that brought the request's form, and the mail's files that are no evidence (M20).

    `beside` are the folios of other requests that the same mail brought. `is_shared` says that the requests of the mail
    are of more than one company (M16). No content changes. Mesa de control gets a mail now. If the company must still
    confirm the request, mesa reads of it later, in the mail that asks to verify it.
    """
    with lock_request(pk, *Status, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_request, request.customer)
        text = MailText.objects.create(
            request=request, author=actor, author_name=actor.get_full_name(), body=body, is_shared=is_shared, at=now()
        )
        Attachment.objects.filter(pk__in=[file.pk for file in files]).update(draft="")
        MailTextFile.objects.bulk_create(MailTextFile(text=text, attachment=file, sha256=file.sha256) for file in files)
        event = record_act(
            "request.mail_kept",
            request,
            actor=actor,
            text=text.pk,
            text_sha256=hash_text(body),
            shared=is_shared,
            files=[file.sha256 for file in files],
            beside=list(beside),
        )
        if request.status != Status.SUBMITTED:
            notifications.mail_words_kept(request, event)
    return request


def keep_received_form(
    pk: int,
    *,
    actor: User,
    inbound: InboundMessage,
    mail: InboundMail,
    form: MailFile,
    stored: Attachment | None,
    proof: Proof | None = None,
) -> FormalRequest:
    """Store the PDF form that filled the request's draft, with the sender, verdict and hash of its mail (M20).

    `stored` is the copy of the form in the store; None if the form was beyond the limits of files.
    """
    with lock_request(pk, *FormalRequest.EDITABLE, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_request, request.customer)
        require_requester(request, actor)
        sha256 = hashlib.sha256(form.content).hexdigest()
        if stored is not None:
            Attachment.objects.filter(pk=stored.pk).update(draft="")
        received = ReceivedForm.objects.create(
            request=request,
            attachment=stored,
            name=form.name[:150],
            sha256=sha256,
            size=len(form.content),
            inbound=inbound,
            sender=mail.sender,
            message_id=inbound.message_id,
            sent_at=mail.date,
            verdict=find_sender_verdict(mail),
            mail_sha256=hashlib.sha256(inbound.raw).hexdigest(),
            at=now(),
        )
        facts = {"form": describe_form(received), "mail": describe_mail(received), "stored": stored is not None}
        record_act("request.form_received", request, actor=actor, **facts)
    return request
