# The brain in one image. Settings come from Z4J_* variables; data lives in /data.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY . .
RUN /app/bin/pip install --no-cache-dir --no-deps ./z4j_agents/z4j-core .

FROM python:3.13-slim-trixie
# pg_dump and pg_restore, which `z4j backup` and `z4j restore` call on PostgreSQL.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 z4j && useradd --uid 10001 --gid z4j --no-create-home --home-dir /data z4j \
 && install -d -o z4j -g z4j -m 0700 /data
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 Z4J_DATA_DIR=/data Z4J_HOST=0.0.0.0
USER z4j
VOLUME /data
EXPOSE 7700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7700/readyz', timeout=3)"]
CMD ["z4j", "serve"]
