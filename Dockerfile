# One image for every process of ours: serve, worker, scheduler, migrate.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home mentiongraph
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 MENTIONGRAPH_LOG_JSON=true
USER mentiongraph
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["mentiongraph"]
CMD ["serve"]
