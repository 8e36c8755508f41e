"""Words that came with forms of several companies are for mesa de control alone (M16); checkers of before (M25)."""

from django.db import migrations, models

from change_requests import guards


class Migration(migrations.Migration):
    dependencies = [("change_requests", "0004_alarms_and_mail_texts")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.AddField(
            model_name="mailtext",
            name="is_shared",
            field=models.BooleanField(default=False, verbose_name="de varias empresas"),
        ),
        migrations.RunPython(guards.install, guards.lift),
    ]
