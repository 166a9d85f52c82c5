# Builds what compose.yaml runs. All processes share one image; only the tier high loads the model
# libraries that are in it.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /app/.venv
WORKDIR /src
COPY pyproject.toml constraints.txt README.md scheduler.py ./
COPY models models
COPY engine engine
COPY edge edge
RUN /app/.venv/bin/pip install --constraint constraints.txt .

FROM python:3.11-slim AS base
RUN useradd --system --uid 10001 --no-create-home sns
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY scheduler.py ./
USER sns

FROM base AS light
COPY --from=build /app/.venv /app/.venv
CMD ["sns", "--help"]

FROM light AS sandbox
CMD ["python", "-m", "engine.sandbox", "--host", "0.0.0.0"]
