"""Define core's triggers: events never change, chains only grow (M26), and a mail stays as it came (M6)."""

from factureya.core.triggers import Guard, append_only, never_deleted, no_replace, no_truncate

NOT_DELETED = "mail is never deleted"
# What is known of a stored file; evidence, powers and messages are compared with it for ever (M20).
_FILE_FACTS = ("token", "file", "name", "content_type", "size", "sha256", "created_at")
GUARDS = [
    *append_only("core_event", "hash", "chain, seq"),
    *append_only("core_logverification"),
    Guard(
        "core_chainhead_forward",
        "core_chainhead",
        "UPDATE",
        when="NEW.seq <> OLD.seq + 1 OR NEW.chain <> OLD.chain",
        message="a chain moves one step forward",
    ),
    *never_deleted("core_chainhead", "chain", message="a chain has an end for ever"),
    *append_only("core_anchor", "day", "seq", "hash"),
    Guard(
        "core_anchor_follows",
        "core_anchor",
        "INSERT",
        when="NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM core_anchor) "
        "OR NEW.prev <> COALESCE((SELECT hash FROM core_anchor WHERE seq = NEW.seq - 1), NEW.prev)",
        message="an anchor follows the last one",
    ),
    Guard(
        "core_inboundmessage_as_it_came",
        "core_inboundmessage",
        "UPDATE OF source, received_at, kept_at, message_id, digest, recipients",
        message="a mail stays as it came",
    ),
    Guard(
        "core_inboundmessage_disposed_once",
        "core_inboundmessage",
        "UPDATE",
        when="OLD.disposition <> '' AND (NEW.disposition <> OLD.disposition OR NEW.disposed_at <> OLD.disposed_at)",
        message="a mail is disposed of once",
    ),
    *never_deleted("core_inboundmessage", "id", "message_id, digest", message=NOT_DELETED),
    *append_only("core_inboundoriginal", key="message_id", update="a mail stays as it came", delete=NOT_DELETED),
    Guard(
        "core_attachment_never_changes",
        "core_attachment",
        "UPDATE",
        when=" OR ".join(f"NEW.{name} <> OLD.{name}" for name in ("id", *_FILE_FACTS)),
        message="a file stays as it was stored",
    ),
    Guard(
        "core_attachment_stays_taken",
        "core_attachment",
        "UPDATE",
        when="OLD.draft = '' AND NEW.draft <> ''",
        message="a file that something took is no draft again",
    ),
    Guard("core_attachment_no_delete", "core_attachment", "DELETE", "OLD.draft = ''", "a taken file stays"),
    no_replace("core_attachment", "id", "token"),
    Guard("core_invoicereading_no_update", "core_invoicereading", "UPDATE", message="an invoice is read once"),
    Guard(
        "core_invoicereading_no_delete",
        "core_invoicereading",
        "DELETE",
        when="EXISTS (SELECT 1 FROM core_attachment a WHERE a.id = OLD.attachment_id AND a.draft = '')",
        message="the reading of a taken file stays",
    ),
    no_truncate("core_invoicereading"),
    no_replace("core_invoicereading", "attachment_id"),
    *append_only("core_inboundreading", key="message_id", update="a mail is read once", delete=NOT_DELETED),
    *append_only("core_inboundcopy", key="message_id", update="a mail is copied once", delete=NOT_DELETED),
]
