"""Guard the history of offices (cargos), the places of people in companies, and the companies' credits (M26, M28).

A superuser, who grants every office, is one by the event that opened the account: nobody is made one later.

An office and a place in a verified company are written after the event that says so, and are refused without it.
"""

from factureya.core import triggers
from factureya.core.guard_terms import changed, guards, last_event_is, translate
from factureya.core.triggers import Guard

CREDITS = "accounts_creditbalance"
IMPORT, IMPORT_ROW = "accounts_creditimport", "accounts_creditimportrow"
PERSON = "accounts_user"
OFFICE = "accounts_roleassignment"
CONTACT = "accounts_contact"
CUSTOMER = "accounts_customer"

_GRANTED = last_event_is(
    "'user:' || NEW.user_id",
    "office.granted staff.joined",
    """v.seq = NEW.granted_seq AND DATA[rows.office.office] = NEW.office
        AND NOT (DATA[rows.office.provider] ≠ CAST(NEW.provider_id AS text))
        AND DATA[rows.office.granted_by] = CAST(NEW.granted_by_id AS text)
        AND DATA_AT[rows.office.granted_at] = T[NEW.granted_at]
        AND DATA_AT[rows.office.starts_at] = T[NEW.starts_at]
        AND NOT (DATA_AT[rows.office.ends_at] ≠ T[NEW.ends_at])
        AND T[NEW.granted_at] <= T[v.at] AND T[NEW.granted_at] >= MINUTE_BEFORE[v.at]""",
)
_ENDED = last_event_is(
    "'user:' || OLD.user_id",
    "office.ended",
    """DATA[rows.office.pk] = CAST(OLD.id AS text) AND v.actor_id = NEW.ended_by_id
        AND DATA[rows.office.ended_by] = CAST(NEW.ended_by_id AS text)
        AND DATA_AT[rows.office.ends_at] = T[NEW.ends_at] AND T[NEW.ends_at] >= MINUTE_BEFORE[v.at]""",
)
_BY_SUPERUSER = """EXISTS (SELECT 1 FROM accounts_user u
    WHERE u.id = NEW.granted_by_id AND u.is_superuser AND u.is_active)"""
_OTHER_AT_THE_SAME_TIME = f"""EXISTS (SELECT 1 FROM {OFFICE} o WHERE o.user_id = NEW.user_id
    AND (o.office = 'auditor') <> (NEW.office = 'auditor')
    AND (o.ends_at IS NULL OR (T[o.ends_at] > T[NEW.starts_at] AND T[o.ends_at] > T[o.starts_at]))
    AND (NEW.ends_at IS NULL OR T[NEW.ends_at] > T[o.starts_at]))"""
_IS_SUPERUSER = "EXISTS (SELECT 1 FROM accounts_user u WHERE u.id = NEW.user_id AND u.is_superuser)"
_SAME_OPEN_OFFICE = f"""EXISTS (SELECT 1 FROM {OFFICE} o WHERE o.user_id = NEW.user_id
    AND (o.granted_seq = NEW.granted_seq OR (o.office = NEW.office AND o.ends_at IS NULL AND NEW.ends_at IS NULL)))"""
_JOINED = last_event_is(
    "'customer:' || NEW.customer_id",
    "contact.joined",
    """DATA[rows.contact.user] = CAST(NEW.user_id AS text) AND DATA[rows.contact.role] = NEW.role
        AND DATA[rows.contact.own_tickets_only] = CAST(NEW.own_tickets_only AS text)""",
)
_MOVED = last_event_is(
    "'customer:' || NEW.customer_id",
    "contact.moved",
    "DATA[rows.contact.user] = CAST(OLD.user_id AS text) AND DATA[from_customer] = CAST(OLD.customer_id AS text)",
)
_ACCOUNT_TOLD = last_event_is(
    "'user:' || NEW.id", "person.joined", "DATA[rows.person.is_superuser] = CAST(NEW.is_superuser AS text)"
)
_CREDITS_SET = last_event_is(
    "'customer:' || NEW.customer_id",
    "credits.set",
    """DATA[rows.credits.package] = NEW.package AND DATA[rows.credits.total] = CAST(NEW.total AS text)
        AND DATA[rows.credits.remaining] = CAST(NEW.remaining AS text) AND DATA[rows.credits.source] = NEW.source
        AND NOT (DATA[rows.credits.valid_until] ≠ ISO[NEW.valid_until])
        AND DATA[rows.credits.recorded_by] = CAST(NEW.recorded_by_id AS text)""",
)
_IMPORT_CONFIRMED = last_event_is(
    "'credit_import:' || NEW.id", "credits.import_confirmed", "v.actor_id = NEW.confirmed_by_id"
)
_HAS_A_BAD_ROW = f"EXISTS (SELECT 1 FROM {IMPORT_ROW} r WHERE r.credit_import_id = NEW.id AND r.kind = 'bad')"
_HISTORY = "los cargos son historia: solo se terminan, una vez"

_WRITTEN = [
    Guard(
        "superuser_is_not_inserted",
        PERSON,
        "INSERT",
        "NEW.is_superuser",
        "una cuenta se hace de superusuario después de su evento",
    ),
    Guard(
        "superuser_follows_its_event",
        PERSON,
        "UPDATE",
        f"NEW.is_superuser AND {changed('id is_superuser')} AND NOT {_ACCOUNT_TOLD}",
        "una cuenta se hace de superusuario con su evento",
    ),
    *guards(
        OFFICE,
        "INSERT",
        ("office_follows_its_event", f"NOT {_GRANTED}", "un cargo se otorga con su evento"),
        ("office_granted_by_superuser", f"NOT {_BY_SUPERUSER}", "el cargo lo otorga un superusuario activo"),
        (
            "office_not_backdated",
            "T[NEW.starts_at] < T[NEW.granted_at] OR NEW.ended_by_id IS NOT NULL",
            "un cargo no empieza antes de otorgarse",
        ),
        (
            "auditor_holds_no_other_office",
            _OTHER_AT_THE_SAME_TIME,
            "Auditoría no se reúne con otro cargo en la misma persona",
        ),
        (
            "auditor_is_no_superuser",
            f"NEW.office = 'auditor' AND {_IS_SUPERUSER}",
            "Auditoría no se otorga a un superusuario",
        ),
    ),
    *guards(
        OFFICE,
        "UPDATE",
        (
            "office_never_changes",
            changed("id user_id office provider_id starts_at granted_by_id granted_at granted_seq"),
            _HISTORY,
        ),
        (
            "office_is_ended_once",
            f"""{changed("ends_at ended_by_id")} AND NOT (OLD.ended_by_id IS NULL AND NEW.ended_by_id IS NOT NULL
            AND (OLD.ends_at IS NULL OR T[OLD.ends_at] >= T[NEW.ends_at]) AND {_ENDED})""",
            _HISTORY,
        ),
    ),
    *triggers.never_deleted(OFFICE, "id", message=_HISTORY),
    Guard("office_insert_replaces_none", OFFICE, "INSERT", _SAME_OPEN_OFFICE, "row exists", engines=("sqlite",)),
    Guard(
        "contact_enters_with_its_event",
        CONTACT,
        "INSERT",
        f"""EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.id = NEW.customer_id AND c.verified_at IS NOT NULL)
            AND NOT {_JOINED}""",
        "a una empresa verificada se entra por su invitación",
    ),
    *guards(
        CONTACT,
        "UPDATE",
        ("contact_keeps_its_person", changed("id user_id"), "un contacto es siempre la misma persona"),
        (
            "contact_moves_with_its_company",
            f"""{changed("customer_id")} AND NOT (EXISTS (SELECT 1 FROM {CUSTOMER} c
            WHERE c.id = OLD.customer_id AND c.joined_to_id = NEW.customer_id) AND {_MOVED})""",
            "un contacto no cambia de empresa",
        ),
    ),
    Guard("contact_no_delete", CONTACT, "DELETE", message="los contactos no se borran"),
    triggers.no_truncate(CONTACT),
    Guard(
        "customer_joins_its_double",
        CUSTOMER,
        "UPDATE",
        f"""{changed("joined_to_id")} AND NEW.joined_to_id ≠ NEW.id
            AND NOT (OLD.joined_to_id IS NULL AND OLD.verified_at IS NULL AND EXISTS (SELECT 1 FROM {CUSTOMER} c
              WHERE c.id = NEW.joined_to_id AND c.rfc = NEW.rfc AND c.verified_at IS NOT NULL))""",
        "una empresa se une una vez, a la verificada con su RFC",
    ),
    *guards(
        CREDITS,
        "INSERT",
        ("credits_enter_with_their_event", f"NOT {_CREDITS_SET}", "los créditos se anotan con su evento"),
    ),
    *guards(
        CREDITS,
        "UPDATE",
        (
            "credits_change_with_their_event",
            f"{changed('id customer_id')} OR NOT {_CREDITS_SET}",
            "los créditos cambian con su evento",
        ),
    ),
    *triggers.never_deleted(CREDITS, "id", "customer_id", message="los créditos no se borran"),
    *guards(
        IMPORT,
        "INSERT",
        (
            "credit_import_is_checked_first",
            "NEW.status <> 'checking' OR NEW.confirmed_by_id IS NOT NULL",
            "una importación primero se revisa",
        ),
    ),
    *guards(
        IMPORT,
        "UPDATE",
        (
            "credit_import_keeps_its_file",
            changed("id name size sha256 uploaded_by_id uploaded_at form_key"),
            "una importación es siempre del mismo archivo",
        ),
        (
            "credit_import_is_confirmed_with_its_event",
            f"{changed('confirmed_by_id confirmed_at')} AND NOT (OLD.confirmed_by_id IS NULL AND {_IMPORT_CONFIRMED})",
            "una importación se confirma una vez, con su evento",
        ),
        (
            "credit_import_with_a_bad_row_is_not_confirmed",
            f"OLD.confirmed_by_id IS NULL AND NEW.confirmed_by_id IS NOT NULL AND {_HAS_A_BAD_ROW}",
            "una importación con errores no se confirma",
        ),
        (
            "credit_import_moves_on",
            """OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN ('checking>checked',
            'checked>applying', 'checked>discarded', 'applying>applied', 'applying>stopped')""",
            "una importación solo avanza",
        ),
    ),
    *triggers.never_deleted(IMPORT, "id", "form_key", message="las importaciones no se borran"),
    *triggers.append_only("accounts_creditfile", key="credit_import_id", update="el archivo queda como se subió"),
    Guard(
        "credit_row_enters_while_its_file_is_checked",
        IMPORT_ROW,
        "INSERT",
        f"""NOT EXISTS (SELECT 1 FROM {IMPORT} i
            WHERE i.id = NEW.credit_import_id AND i.status = 'checking')""",
        "una fila entra mientras se revisa su archivo",
    ),
    Guard(
        "credit_row_never_changes",
        IMPORT_ROW,
        "UPDATE",
        f"""{changed("id credit_import_id line kind rfc problem customer_id package total remaining valid_until")}
            OR {changed("before")}
            OR (OLD.outcome <> '' AND OLD.outcome <> NEW.outcome)""",
        "una fila queda como se leyó",
    ),
    *triggers.never_deleted(
        IMPORT_ROW, "id", "credit_import_id, line", message="las filas de una importación no se borran"
    ),
]
GUARDS = [translate(guard) if guard.when else guard for guard in _WRITTEN]
