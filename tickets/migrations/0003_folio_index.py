"""Find a ticket by its fiscal folio without reading them all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tickets", "0002_index_of_words")]

    operations = [
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("cfdi_uuid", ""), _negated=True), fields=["cfdi_uuid"], name="ticket_by_folio"
            ),
        )
    ]
