# The gateway as an image: `docker build --tag pushmill .`
#
# Never built so far: no container engine runs where Pushmill is developed. The steps are those of scripts/setup, which are
# proven on a bare Debian 12 (scripts/prove-bare-machine).
#
# docker run --stop-timeout 30 --volume /etc/pushmill:/etc/pushmill:ro --volume pushmill-run:/run/pushmill \
#   --volume pushmill-journal:/var/lib/pushmill pushmill
# reads /etc/pushmill/gateway.toml. The gateway takes up to 25 s to drain; docker would kill it after 10.

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev pkg-config \
    libnghttp2-dev libssl-dev python3 python3-dev python3-venv
WORKDIR /src
COPY LICENSE README.md meson.build pyproject.toml ./
COPY protocol protocol
COPY native native
COPY gateway gateway
COPY bench bench
RUN python3 -m venv /opt/pushmill && /opt/pushmill/bin/pip install --no-cache-dir .

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libnghttp2-14 libssl3 python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --no-create-home --shell /usr/sbin/nologin pushmill \
 && install --directory --owner=pushmill --group=pushmill --mode=0750 /run/pushmill \
 && install --directory --owner=pushmill --group=pushmill --mode=0700 /var/lib/pushmill
COPY --from=build /opt/pushmill /opt/pushmill
ENV PATH=/opt/pushmill/bin:$PATH PYTHONUNBUFFERED=1
USER pushmill
# The journal outlives the container only on a volume.
VOLUME /run/pushmill /var/lib/pushmill
# Healthy is who takes a connection on the socket; a gateway that drains takes none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["python", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/run/pushmill/gateway.sock')"]
CMD ["pushmill", "serve"]
