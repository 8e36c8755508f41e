# Web, worker, beat and mail from one image; compose.yaml says which. See docs/operations.md.
FROM python:3.11-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/var/lib/factureya
RUN useradd --system --uid 1000 factureya && install -d -o factureya -m 0700 /var/lib/factureya /var/lib/factureya/media /var/lib/factureya/packages /var/lib/factureya/anchors
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
USER factureya
# Static files belong to the release, so they are made here; the key is no secret, nothing is signed with it.
RUN SECRET_KEY=build-only python manage.py collectstatic --noinput --verbosity 0
EXPOSE 8000
CMD ["gunicorn", "factureya.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--no-control-socket"]
