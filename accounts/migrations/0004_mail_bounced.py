"""A person whose mail comes back is flagged (M6)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_invitations_and_factor_resets"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="mail_bounced_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="su correo no se entrega desde"
            ),
        ),
    ]
