# The brain in one image. Settings come from Z4J_* variables; data lives in /data.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY . .
RUN pip install --no-cache-dir build \
 && python -m build --wheel --outdir /wheels z4j_agents/z4j-core \
 && python -m build --wheel --outdir /wheels . \
 && /app/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data z4j && install -d -o z4j -g z4j -m 0700 /data
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 Z4J_DATA_DIR=/data Z4J_HOST=0.0.0.0
USER z4j
VOLUME /data
EXPOSE 7700
STOPSIGNAL SIGTERM
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7700/readyz', timeout=3)"]
CMD ["z4j", "serve"]
