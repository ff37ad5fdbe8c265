# Tosa as a container: `docker build -t tosa . && docker run --rm --read-only --tmpfs /cache:uid=65532 -p 127.0.0.1:5000:5000 tosa`
FROM python:3.13-slim AS packages
COPY requirements-serve.txt /
RUN pip install --no-cache-dir --no-compile --require-hashes --prefix=/packages --requirement /requirements-serve.txt

FROM python:3.13-slim
COPY --from=packages /packages /usr/local
WORKDIR /app
COPY app.py retrained_graph.pb retrained_labels.txt ./
COPY static static
COPY templates templates
COPY tosa tosa
USER 65532:65532
# The compiled network depends on the processor, so it is kept in a volume and not in the image.
ENV TOSA_HOST=0.0.0.0 TOSA_CACHE=/cache PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
VOLUME /cache
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "tosa.web.check_health"]
CMD ["python", "app.py"]
