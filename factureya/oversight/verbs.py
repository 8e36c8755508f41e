"""Say in Spanish what each event is: one table from verb to words and group (M26).

A verb of the code without a row turns a test red. A group is a choice of the filter «Qué» on the log's page.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models

MAX_QUOTE = 120  # characters of a reason or name that a row quotes


class Group(models.TextChoices):
    """Name the choices of the filter; the value stands in the address."""

    DATA = "datos", "Cambios de datos"
    APPROVALS = "aprobaciones", "Aprobaciones"
    EMERGENCIES = "emergencias", "Emergencias"
    ACCESS = "accesos", "Accesos"
    READINGS = "lecturas", "Lecturas de la bitácora"
    PACKAGES = "paquetes", "Paquetes de créditos"
    TICKETS = "tickets", "Tickets y correos"


@dataclass(frozen=True)
class Words:
    """Hold how one verb reads; `quoted` names the part of the event's data that the row quotes, if it has one."""

    text: str
    group: Group
    quoted: str = ""


_DATA = {
    "request.execution_intended": Words("Comenzó a aplicar la solicitud", Group.DATA),
    "request.executed": Words("Aplicó lo aprobado", Group.DATA),
    "request.failed": Words("No se aplicó: un dato había cambiado", Group.DATA),
    "request.reverted": Words("Quedó revertida por otra solicitud", Group.DATA),
    "company.registered": Words("Registró su empresa", Group.DATA, "legal_name"),
    "company.verified": Words("Verificó la empresa", Group.DATA),
    "company.refused": Words("No aceptó a la empresa", Group.DATA, "reason"),
    "company.joined": Words("Unió la empresa a la ya conocida", Group.DATA),
    "person.renamed": Words("Cambió su nombre", Group.DATA, "after"),
    "company.changed": Words("Cambió datos de la empresa", Group.DATA),
    "company.branding_changed": Words("Cambió la imagen de la empresa", Group.DATA, "main"),
    "representative.added": Words("Registró a un representante", Group.DATA, "name"),
    "representative.revoked": Words("Revocó a un representante", Group.DATA, "name"),
    "calendar.proposed": Words("Pidió un cambio del calendario que adelanta un plazo", Group.DATA, "what"),
    "calendar.changed": Words("Cambió el horario o un día inhábil", Group.DATA, "what"),
    "calendar.declined": Words("No hizo el cambio del calendario", Group.DATA, "what"),
    "credits.set": Words("Anotó los créditos de la empresa", Group.DATA, "summary"),
    "credits.import_uploaded": Words("Subió un archivo de créditos", Group.DATA, "name"),
    "credits.import_checked": Words("Revisó el archivo de créditos", Group.DATA, "problem"),
    "credits.import_confirmed": Words("Confirmó la importación de créditos", Group.DATA, "changes"),
    "credits.import_discarded": Words("Descartó la importación de créditos", Group.DATA),
    "credits.import_applied": Words("Terminó de aplicar la importación de créditos", Group.DATA, "applied"),
    "credits.import_stopped": Words("Detuvo la importación: quien la confirmó ya no es supervisor", Group.DATA),
    "asset.owner_set": Words("Nombró al propietario de la información", Group.DATA, "owner_name"),
}
_APPROVALS = {
    "request.created": Words("Abrió el borrador", Group.APPROVALS),
    "request.saved": Words("Guardó el borrador", Group.APPROVALS),
    "request.mail_kept": Words("Guardó lo que decía el correo del formato", Group.APPROVALS),
    "request.evidence_added": Words("Agregó evidencia", Group.APPROVALS, "name"),
    "request.evidence_dropped": Words("Quitó evidencia", Group.APPROVALS, "name"),
    "request.evidence_altered": Words("Halló que la evidencia guardada no es la que se envió", Group.APPROVALS),
    "request.submitted": Words("Envió la solicitud", Group.APPROVALS),
    "request.form_received": Words("Recibió el formato por correo", Group.APPROVALS, "name"),
    "request.code_sent": Words("Envió un código al correo nuevo", Group.APPROVALS),
    "request.new_mail_proven": Words("Confirmó el correo nuevo", Group.APPROVALS),
    "request.confirmed": Words("Confirmó desde el correo registrado", Group.APPROVALS, "mailbox"),
    "request.verified": Words("Verificó formato, correo y poder", Group.APPROVALS, "note"),
    "request.returned": Words("Devolvió la solicitud al cliente", Group.APPROVALS, "reason"),
    "request.reopened": Words("Abrió la solicitud para corregirla", Group.APPROVALS),
    "request.clarification_asked": Words("Pidió una aclaración", Group.APPROVALS),
    "request.clarification_answered": Words("Respondió la aclaración", Group.APPROVALS),
    "request.approved_by": Words("Aprobó", Group.APPROVALS, "reason"),
    "request.approved": Words("Aprobó; con ello quedó aprobada", Group.APPROVALS, "reason"),
    "request.rejected": Words("Rechazó", Group.APPROVALS, "reason"),
    "request.designated": Words("Designó a quien implementa", Group.APPROVALS),
    "request.waived": Words("Autorizó no segregar la función", Group.APPROVALS, "reason"),
    "request.waiver_checked": Words("Revisó lo hecho sin segregar", Group.APPROVALS, "findings"),
    "request.sent_back": Words("Volvió a aprobación", Group.APPROVALS),
    "request.link_undelivered": Words("Anuló el enlace de la clave: su correo se devolvió", Group.APPROVALS),
    "request.closed": Words("Cerró la solicitud", Group.APPROVALS),
    "request.withdrawn": Words("Canceló la solicitud", Group.APPROVALS, "reason"),
    "request.disowned": Words("Avisó «no fui yo»", Group.APPROVALS, "mailbox"),
    "request.alarm_seen": Words("Revisó el aviso «no fui yo»", Group.APPROVALS, "reason"),
    "request.resumed": Words("Reanudó la solicitud", Group.APPROVALS, "reason"),
    "request.expired": Words("Venció la solicitud", Group.APPROVALS),
    "request.reminded": Words("Recordó el plazo", Group.APPROVALS),
    "request.deadline_moved": Words("Movió el plazo, por un cambio del calendario", Group.APPROVALS),
}
_ACCESS = {
    "person.joined": Words("Abrió la cuenta", Group.ACCESS),
    "person.staff_changed": Words("Cambió si la cuenta es del personal, por sus cargos", Group.ACCESS),
    "person.deactivated": Words("Desactivó la cuenta", Group.ACCESS, "reason"),
    "person.reactivated": Words("Activó la cuenta", Group.ACCESS, "reason"),
    "person.role_changed": Words("Cambió el papel de la persona en su empresa", Group.ACCESS),
    "person.password_changed": Words("Cambió su contraseña", Group.ACCESS),
    "person.password_voided": Words("Anuló la contraseña por una solicitud", Group.ACCESS, "folio"),
    "person.password_link_voided": Words("Anuló el enlace para una contraseña nueva", Group.ACCESS, "folio"),
    "person.password_set_by_request": Words("Eligió su contraseña nueva, por una solicitud", Group.ACCESS, "folio"),
    "person.mail_bounced": Words("Anotó que sus correos se devuelven", Group.ACCESS),
    "person.mail_works": Words("Anotó que su correo funciona otra vez", Group.ACCESS),
    "office.granted": Words("Otorgó un cargo", Group.ACCESS, "office"),
    "office.ended": Words("Terminó un cargo", Group.ACCESS, "office"),
    "staff.invited": Words("Invitó a una persona a un cargo", Group.ACCESS, "email"),
    "staff.joined": Words("Aceptó la invitación y recibió su cargo", Group.ACCESS, "office"),
    "invitation.resent": Words("Envió de nuevo la invitación", Group.ACCESS, "email"),
    "invitation.cancelled": Words("Canceló la invitación", Group.ACCESS, "email"),
    "invitation.undelivered": Words("Anuló la invitación: su correo se devolvió", Group.ACCESS, "email"),
    "contact.invited": Words("Invitó a una persona de la empresa", Group.ACCESS, "email"),
    "contact.joined": Words("Aceptó la invitación de su empresa", Group.ACCESS, "email"),
    "contact.moved": Words("Pasó a la persona a otra empresa", Group.ACCESS),
    "contact.limited": Words("Cambió qué tickets ve la persona", Group.ACCESS),
    "factor.enrolled": Words("Activó su segundo factor", Group.ACCESS),
    "factor.reencrypted": Words("Cifró de nuevo un segundo factor", Group.ACCESS),
    "factor.reset_requested": Words("Pidió quitar un segundo factor perdido", Group.ACCESS, "reason"),
    "factor.reset": Words("Quitó un segundo factor perdido", Group.ACCESS),
    "factor.reset_declined": Words("No aprobó quitar el segundo factor", Group.ACCESS),
    "provider.added": Words("Agregó un prestador", Group.ACCESS, "provider"),
}
_READINGS = {
    "log.read": Words("Consultó la bitácora", Group.READINGS),
    "log.exported": Words("Exportó con huellas", Group.READINGS, "what"),
    "population.sealed": Words("Selló cuántas solicitudes hubo en el mes", Group.READINGS, "month"),
    "call.looked": Words("Vio los datos de quien llamaba", Group.READINGS),
    "caller.searched": Words("Buscó a quien llamaba", Group.READINGS, "query"),
    "customer.viewed": Words("Vio la ficha de la empresa", Group.READINGS),
    "ticket.viewed_by_third_party": Words("Vio el ticket, de un tercero", Group.READINGS, "file"),
    "provider.list_viewed": Words("Vio la lista de los tickets de su prestador", Group.READINGS, "query"),
    "log.looked": Words("Consultó como Auditoría, o una exportación", Group.READINGS),
    "log.export_downloaded": Words("Descargó un archivo de una exportación", Group.READINGS, "name"),
    "customer.looked_at": Words("Vio los datos de la empresa para pedir una emergencia", Group.READINGS, "incident"),
    "request.expediente_downloaded": Words("Descargó el expediente", Group.READINGS),
    "request.evidence_read": Words("Leyó un archivo de la solicitud", Group.READINGS, "name"),
    "guards.installed": Words("Instaló los candados de la base de datos", Group.READINGS),
    "anchors.set_aside": Words("Apartó anclas después de restaurar un respaldo", Group.READINGS, "reason"),
    "mail.exported": Words("Entregó el original de un correo", Group.READINGS, "by"),
}
_TICKETS = {
    "ticket.opened": Words("Levantó el ticket", Group.TICKETS),
    "ticket.mail_granted": Words("Dejó ver el correo del cliente a un tercero", Group.TICKETS, "reason"),
    "ticket.mail_hidden": Words("Ocultó de nuevo el correo del cliente a un tercero", Group.TICKETS),
    "call.started": Words("Empezó a atender una llamada", Group.TICKETS),
    "call.code_sent": Words("Envió el código de la llamada", Group.TICKETS, "to"),
    "call.code_wrong": Words("Recibió un código equivocado por teléfono", Group.TICKETS, "tries"),
    "call.verified": Words("Comprobó quién llamaba", Group.TICKETS),
    "call.problem_noted": Words("Anotó lo que dijo quien llamaba", Group.TICKETS, "ticket"),
    "call.ended": Words("Terminó la llamada", Group.TICKETS),
    "call.sale_noted": Words("Anotó una llamada de ventas", Group.TICKETS),
    "call.handled": Words("Atendió una llamada de ventas", Group.TICKETS),
    "ticket.followed_up": Words("Levantó un ticket que continúa a otro", Group.TICKETS, "follows"),
    "ticket.answered": Words("Respondió al cliente", Group.TICKETS),
    "ticket.answered_out_of_scope": Words("Respondió que no es de nuestro servicio", Group.TICKETS, "scope"),
    "category.added": Words("Agregó una categoría", Group.TICKETS, "label"),
    "category.renamed": Words("Cambió el nombre de una categoría", Group.TICKETS, "label"),
    "category.ended": Words("Terminó una categoría", Group.TICKETS, "label"),
    "scope.explanation_changed": Words(
        "Cambió la explicación de lo que queda fuera de alcance", Group.TICKETS, "after"
    ),
    "sales.joined": Words("Agregó a una persona al equipo de Ventas", Group.TICKETS, "name"),
    "sales.left": Words("Quitó a una persona del equipo de Ventas", Group.TICKETS, "name"),
    "ticket.information_added": Words("Agregó información", Group.TICKETS),
    "ticket.information_held": Words("Agregó información; el cierre quedó detenido", Group.TICKETS),
    "ticket.note_added": Words("Escribió una nota interna", Group.TICKETS),
    "ticket.taken": Words("Tomó el ticket", Group.TICKETS),
    "ticket.assigned": Words("Asignó el ticket", Group.TICKETS, "assignee_name"),
    "ticket.classified": Words("Cambió categoría o impacto", Group.TICKETS),
    "ticket.handed_over": Words("Turnó el ticket a otro prestador", Group.TICKETS),
    "ticket.merged": Words("Combinó el ticket con otro", Group.TICKETS, "into"),
    "ticket.took_in": Words("Recibió a un ticket combinado", Group.TICKETS, "ticket"),
    "ticket.unmerged": Words("Deshizo la combinación del ticket", Group.TICKETS, "left"),
    "ticket.gave_back": Words("Dejó de tener a un ticket combinado", Group.TICKETS, "ticket"),
    "ticket.message_split": Words("Separó un mensaje en otro ticket", Group.TICKETS, "into"),
    "ticket.split_off": Words("Levantó un ticket con un mensaje de otro", Group.TICKETS, "source"),
    "ticket.moved_to_company": Words("Pasó el ticket a la empresa ya conocida", Group.TICKETS),
    "ticket.deadline_moved": Words("Movió un plazo, por un cambio del calendario", Group.TICKETS),
    "ticket.reminder_queued": Words("Puso en cola el recordatorio", Group.TICKETS),
    "ticket.reminded": Words("Salió el recordatorio", Group.TICKETS),
    "ticket.confirmed": Words("Confirmó que quedó resuelto", Group.TICKETS),
    "ticket.confirmed_by_phone": Words("Registró que confirmó por teléfono", Group.TICKETS, "contact_name"),
    "ticket.closed_unanswered": Words("Cerró por falta de respuesta", Group.TICKETS),
    "ticket.close_released": Words("Dejó correr de nuevo el cierre", Group.TICKETS),
    "ticket.close_voided": Words("Anuló el cierre: la respuesta llegó a tiempo", Group.TICKETS),
    "ticket.authorized": Words("Autorizó lo que se le preguntó", Group.TICKETS),
    "ticket.not_authorized": Words("No autorizó lo que se le preguntó", Group.TICKETS),
    "ticket.time_noted": Words("Anotó tiempo de trabajo", Group.TICKETS, "work"),
    "ticket.time_voided": Words("Anuló un tiempo anotado", Group.TICKETS, "work"),
    "ticket.charge_proposed": Words("Propuso un cobro", Group.TICKETS, "total"),
    "ticket.charge_accepted": Words("Aceptó el cobro", Group.TICKETS, "total"),
    "ticket.charge_declined": Words("No aceptó el cobro", Group.TICKETS, "note"),
    "ticket.charge_withdrawn": Words("Retiró la propuesta de cobro", Group.TICKETS, "note"),
    "ticket.charge_lapsed": Words("Venció la propuesta de cobro, sin decisión", Group.TICKETS, "total"),
    "charge.recorded": Words("Anotó un cobro que ningún evento tenía", Group.TICKETS),
    "time.recorded": Words("Anotó un tiempo que ningún evento tenía", Group.TICKETS),
    "ticket.mail_bounced": Words("Anotó un correo que no se entregó", Group.TICKETS, "to"),
    "ticket.mail_retried": Words("Puso otra vez en cola un correo", Group.TICKETS, "to"),
    "ticket.robot_answered": Words("Anotó una respuesta automática", Group.TICKETS),
    "authority.received": Words("Recibió un requerimiento de la autoridad", Group.TICKETS, "document_number"),
    "authority.closed": Words("Atendió el requerimiento de la autoridad", Group.TICKETS, "outcome"),
    "mail.linked": Words("Agregó un correo de la bandeja a un ticket", Group.TICKETS, "ticket"),
    "mail.opened": Words("Abrió un ticket con un correo de la bandeja", Group.TICKETS, "ticket"),
    "mail.discarded": Words("Descartó un correo de la bandeja", Group.TICKETS, "reason"),
    "outbox.retried": Words("Puso otra vez en cola un correo que no salió", Group.TICKETS),
}
_EMERGENCIES = {
    "cause.added": Words("Agregó una causa de emergencia", Group.EMERGENCIES, "title"),
    "cause.ended": Words("Terminó una causa de emergencia", Group.EMERGENCIES, "title"),
    "account.added": Words("Dio de alta una cuenta de emergencia", Group.EMERGENCIES, "alias"),
    "account.retired": Words("Retiró la cuenta de emergencia", Group.EMERGENCIES, "alias"),
    "credential.started": Words("Pidió sellar la contraseña crítica", Group.EMERGENCIES),
    "credential.revealed": Words("Vio su mitad de la contraseña crítica, una sola vez", Group.EMERGENCIES),
    "credential.sealed": Words("Declaró sellado su sobre", Group.EMERGENCIES),
    "credential.reminded": Words("Recordó renovar el sello", Group.EMERGENCIES),
    "credential.retired": Words("Retiró la contraseña crítica", Group.EMERGENCIES, "reason"),
    "delegation.granted": Words("Nombró suplente de un cargo", Group.EMERGENCIES, "office"),
    "delegation.ended": Words("Terminó una suplencia", Group.EMERGENCIES, "office"),
    "grant.requested": Words("Pidió una emergencia", Group.EMERGENCIES, "reason"),
    "grant.authorized_by": Words("Autorizó la emergencia, por su cargo", Group.EMERGENCIES, "reason"),
    "grant.authorized": Words("Completó la autorización de la emergencia", Group.EMERGENCIES, "reason"),
    "grant.refused": Words("No autorizó la emergencia", Group.EMERGENCIES, "reason"),
    "grant.lapsed": Words("Caducó la emergencia sin abrirse", Group.EMERGENCIES),
    "grant.half_given": Words("Escribió su mitad de la contraseña crítica", Group.EMERGENCIES),
    "grant.wrong_half": Words("Escribió una mitad que no es", Group.EMERGENCIES),
    "grant.opened": Words("Abrió la ventana de la emergencia", Group.EMERGENCIES),
    "grant.entered": Words("Entró con la cuenta de emergencia", Group.EMERGENCIES),
    "grant.act_intent": Words("Va a hacer algo dentro de la emergencia", Group.EMERGENCIES),
    "grant.act_outcome": Words("Quedó anotado qué resultó", Group.EMERGENCIES),
    "grant.act_system": Words("Hizo algo el sistema dentro de la emergencia", Group.EMERGENCIES),
    "grant.changed": Words("Cambió un dato dentro de la emergencia", Group.EMERGENCIES, "field"),
    "grant.judged": Words("Dio su veredicto sobre un acto", Group.EMERGENCIES, "verdict"),
    "grant.reviewed": Words("Firmó la revisión de la emergencia", Group.EMERGENCIES, "findings"),
    "customer.emergency_changed": Words("Cambió un dato de la empresa en una emergencia", Group.DATA, "field"),
    "customer.made_for_drills": Words("Creó la empresa de los simulacros", Group.EMERGENCIES),
    "grant.revoked": Words("Revocó la emergencia", Group.EMERGENCIES, "reason"),
    "grant.ended": Words("Terminó la emergencia", Group.EMERGENCIES, "reason"),
    "grant.review_overdue": Words("Avisó que venció la revisión de la emergencia", Group.EMERGENCIES),
}
_PACKAGES = {
    "package.registered": Words("Registró un paquete del proveedor", Group.PACKAGES, "name"),
    "package.copy_in_use": Words("Puso en uso una copia identificada", Group.PACKAGES, "label"),
    "package.sale_ended": Words("Anotó hasta cuándo se vende un paquete", Group.PACKAGES, "name"),
    "package.original_in_use": Words("Puso otra vez en uso el original", Group.PACKAGES, "label"),
    "package.port_recorded": Words("Anotó qué pasó con una copia en la versión nueva", Group.PACKAGES, "label"),
    "package_change.requested": Words("Pidió el cambio de un paquete", Group.PACKAGES, "title"),
    "package_change.authorized": Words("Autorizó el cambio del paquete", Group.PACKAGES, "reason"),
    "package_change.refused": Words("No autorizó el cambio del paquete", Group.PACKAGES, "reason"),
    "package_change.cancelled": Words("Canceló el cambio del paquete", Group.PACKAGES, "reason"),
    "package_change.licence_judged": Words("Dictaminó la licencia", Group.PACKAGES, "verdict"),
    "package_change.consent_added": Words("Agregó el consentimiento del proveedor", Group.PACKAGES),
    "package_change.option_chosen": Words("Decidió quién modifica el paquete", Group.PACKAGES, "reason"),
    "package_change.impact_estimated": Words("Estimó el impacto de mantenerlo", Group.PACKAGES),
    "package_change.impact_signed": Words("Firmó el impacto de mantenerlo", Group.PACKAGES),
    "package_change.copy_made": Words("Guardó la copia identificada", Group.PACKAGES, "label"),
    "package_change.copy_tested": Words("Probó la copia identificada", Group.PACKAGES, "label"),
    "package_change.released": Words("Liberó la copia identificada", Group.PACKAGES, "label"),
    "package_change.reverted": Words("Revirtió al original", Group.PACKAGES, "reason"),
    "package_file.stored": Words("Guardó un archivo de un paquete", Group.PACKAGES, "name"),
    "package_file.altered": Words("Halló que un archivo no es el que se guardó", Group.PACKAGES, "name"),
    "package_file.whole_again": Words("Halló que el archivo es otra vez el que se guardó", Group.PACKAGES, "name"),
    "packages.compared": Words("Comparó los archivos de los paquetes con sus huellas", Group.PACKAGES),
}
WORDS: dict[str, Words] = _DATA | _APPROVALS | _ACCESS | _EMERGENCIES | _PACKAGES | _READINGS | _TICKETS


def list_verbs(group: Group) -> list[str]:
    """Return the verbs of a group, to filter the log by them."""
    return [verb for verb, words in WORDS.items() if words.group == group]


def describe(verb: str, data: dict[str, Any]) -> str:
    """Return in words what an event says, followed by a quote from its `data` if the verb has one that is not empty.

    A verb that the table does not know, for example one of an older version, is returned as it is.
    """
    words = WORDS.get(verb)
    if words is None:
        return verb
    value = data.get(words.quoted) if words.quoted else None
    quote = " ".join(str(value).split()) if isinstance(value, str | int) else ""
    return f"{words.text}: «{shorten(quote)}»" if quote else words.text


def shorten(text: str) -> str:
    """Return a text of at most MAX_QUOTE characters, cut with an ellipsis."""
    return text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 1].rstrip()}…"
