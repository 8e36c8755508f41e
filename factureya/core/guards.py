"""Define core's triggers: events never change, chains only grow (M26), and a mail stays as it came (M6).

Hours and holidays change with their event alone (M2).
"""

from factureya.core.guard_terms import changed, guards, last_event_is, translate
from factureya.core.triggers import Guard, append_only, never_deleted, no_replace, no_truncate

_CALENDAR_SAYS = "DATA[kind] = '{kind}' AND DATA[day] = ISO[{row}]"
_HOLIDAY_ADDED = last_event_is(
    "'calendar'",
    "calendar.changed",
    _CALENDAR_SAYS.format(kind="add_holiday", row="NEW.day") + " AND DATA[name] = NEW.name",
)
_HOLIDAY_REMOVED = last_event_is(
    "'calendar'", "calendar.changed", _CALENDAR_SAYS.format(kind="remove_holiday", row="OLD.day")
)
_HOURS_CHANGED = last_event_is(
    "'calendar'",
    "calendar.changed",
    _CALENDAR_SAYS.format(kind="hours", row="NEW.starts_on") + " AND DATA[hours] = NEW.hours",
)
_CHANGE_APPLIED = last_event_is(
    "'calendar'", "calendar.changed", "DATA[change] = CAST(NEW.id AS text) AND v.actor_id = NEW.decided_by_id"
)
_CHANGE_DECLINED = last_event_is(
    "'calendar'", "calendar.declined", "DATA[change] = CAST(NEW.id AS text) AND v.actor_id = NEW.decided_by_id"
)
_MOVE_OF_THE_LAST = last_event_is("'calendar'", "calendar.changed", "DATA[change] = CAST(NEW.change_id AS text)")
_CHANGE_FACTS = "id kind day name hours form_key proposed_by_id proposed_at"
_CALENDAR = [
    *guards(
        "core_holiday",
        "INSERT",
        ("holiday_enters_with_its_event", f"NOT {_HOLIDAY_ADDED}", "un día inhábil se agrega con su evento"),
    ),
    Guard("holiday_never_changes", "core_holiday", "UPDATE", message="un día inhábil se quita y se agrega"),
    *guards(
        "core_holiday",
        "DELETE",
        ("holiday_leaves_with_its_event", f"NOT {_HOLIDAY_REMOVED}", "un día inhábil se quita con su evento"),
    ),
    no_truncate("core_holiday"),
    no_replace("core_holiday", "id", "day"),
    *guards(
        "core_attentionweek",
        "INSERT",
        ("hours_change_with_their_event", f"NOT {_HOURS_CHANGED}", "el horario cambia con su evento"),
    ),
    *guards(
        "core_calendarchange",
        "INSERT",
        ("calendar_change_is_proposed_first", "NEW.status <> 'proposed'", "un cambio del calendario primero se pide"),
    ),
    *guards(
        "core_calendarchange",
        "UPDATE",
        ("calendar_change_keeps_what_it_is", changed(_CHANGE_FACTS), "un cambio del calendario es siempre el mismo"),
        (
            "calendar_change_is_decided_once",
            f"OLD.status <> 'proposed' AND {changed('status shortens decided_by_id decided_at')}",
            "un cambio del calendario se decide una vez",
        ),
        (
            "calendar_change_is_applied_with_its_event",
            f"NEW.status = 'applied' AND OLD.status <> 'applied' AND NOT {_CHANGE_APPLIED}",
            "un cambio del calendario se hace con su evento",
        ),
        (
            "calendar_change_is_declined_with_its_event",
            f"NEW.status = 'declined' AND OLD.status <> 'declined' AND NOT {_CHANGE_DECLINED}",
            "un cambio del calendario se deja con su evento",
        ),
    ),
    *guards(
        "core_calendarmove",
        "INSERT",
        ("calendar_move_is_of_the_last_change", f"NOT {_MOVE_OF_THE_LAST}", "un plazo se mueve por el último cambio"),
    ),
    Guard(
        "calendar_move_never_changes", "core_calendarmove", "UPDATE", message="un plazo por mover es siempre el mismo"
    ),
    no_truncate("core_calendarmove"),
]
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
    *(translate(guard) if guard.when else guard for guard in _CALENDAR),
    *append_only("core_attentionweek", update="un horario no se cambia: empieza otro"),
    *never_deleted("core_calendarchange", "id", "form_key", message="los cambios del calendario no se borran"),
]
