"""Define core's triggers: events never change, chains only grow (M26), and a mail stays as it came (M6)."""

from factureya.core import triggers

GUARDS = [
    *triggers.append_only("core_event", "hash", "chain, seq"),
    triggers.Guard(
        "core_chainhead_forward",
        "core_chainhead",
        "UPDATE",
        when="NEW.seq <> OLD.seq + 1 OR NEW.chain <> OLD.chain",
        message="a chain moves one step forward",
    ),
    triggers.Guard("core_chainhead_no_delete", "core_chainhead", "DELETE", message="a chain has an end for ever"),
    triggers.no_truncate("core_chainhead"),
    triggers.no_replace("core_chainhead", "chain"),
    triggers.Guard(
        "core_inboundmessage_as_it_came",
        "core_inboundmessage",
        "UPDATE OF source, received_at, kept_at, message_id, digest, recipients",
        message="a mail stays as it came",
    ),
    triggers.Guard(
        "core_inboundmessage_disposed_once",
        "core_inboundmessage",
        "UPDATE",
        when="OLD.disposition <> '' AND (NEW.disposition <> OLD.disposition OR NEW.disposed_at <> OLD.disposed_at)",
        message="a mail is disposed of once",
    ),
    triggers.Guard("core_inboundmessage_no_delete", "core_inboundmessage", "DELETE", message="mail is never deleted"),
    triggers.no_truncate("core_inboundmessage"),
    triggers.no_replace("core_inboundmessage", "id", "message_id, digest"),
    triggers.Guard(
        "core_inboundoriginal_no_update", "core_inboundoriginal", "UPDATE", message="a mail stays as it came"
    ),
    triggers.Guard("core_inboundoriginal_no_delete", "core_inboundoriginal", "DELETE", message="mail is never deleted"),
    triggers.no_truncate("core_inboundoriginal"),
    triggers.no_replace("core_inboundoriginal", "message_id"),
    triggers.Guard("core_inboundreading_no_update", "core_inboundreading", "UPDATE", message="a mail is read once"),
    triggers.Guard("core_inboundreading_no_delete", "core_inboundreading", "DELETE", message="mail is never deleted"),
    triggers.no_truncate("core_inboundreading"),
    triggers.no_replace("core_inboundreading", "message_id"),
    triggers.Guard("core_inboundcopy_no_update", "core_inboundcopy", "UPDATE", message="a mail is copied once"),
    triggers.Guard("core_inboundcopy_no_delete", "core_inboundcopy", "DELETE", message="mail is never deleted"),
    triggers.no_truncate("core_inboundcopy"),
    triggers.no_replace("core_inboundcopy", "message_id"),
]
