# The gateway as an image: `make image`, or `docker build --tag pushmill .`
# docs/operations.md tells how to run it.

FROM debian:bookworm-slim AS build
# What scripts/setup installs on a bare Debian 12.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
    gcc libc6-dev libnghttp2-dev libssl-dev pkg-config python3 python3-dev python3-venv
WORKDIR /src
COPY LICENSE README.md meson.build pyproject.toml ./
COPY protocol protocol
COPY native native
COPY gateway gateway
COPY bench bench
# pip stays in an environment of its own: the one that is shipped has none.
RUN python3 -m venv /opt/tools \
 && python3 -m venv --without-pip /opt/pushmill \
 && /opt/tools/bin/pip --python /opt/pushmill/bin/python install --no-cache-dir --config-settings=install-args=--strip .

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libnghttp2-14 libssl3 python3 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
 && useradd --system --user-group --uid 970 --no-create-home --shell /usr/sbin/nologin pushmill \
 && install --directory --owner=pushmill --group=pushmill --mode=0750 /run/pushmill \
 && install --directory --owner=pushmill --group=pushmill --mode=0700 /var/lib/pushmill
COPY --from=build /opt/pushmill /opt/pushmill
ENV PATH=/opt/pushmill/bin:$PATH PYTHONUNBUFFERED=1
# By number: Kubernetes' runAsNonRoot can't judge a name.
USER 970:970
# The journal outlives the container only on a volume.
VOLUME /run/pushmill /var/lib/pushmill
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["pushmill", "health"]
CMD ["pushmill", "serve"]
