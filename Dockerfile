# SPDX-License-Identifier: Apache-2.0
# One image for broker, workers and zmqctl. Build: docker build -t millrace .
# The version comes from .git, which is part of the context.
FROM debian:12 AS build
WORKDIR /src
COPY . .
RUN tools/setup \
    && meson setup /build --buildtype=release --prefix=/usr -Dtests=disabled --wrap-mode=nodownload \
    && DESTDIR=/stage meson install -C /build --tags runtime

FROM debian:12-slim
# The libraries that the programs are linked to; git for pipelines that check something out.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      libzmq5 liblz4-1 libabsl20220623 libgoogle-glog0v6 libyaml-cpp0.7 libsqlite3-0 libssl3 libxxhash0 \
      git ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home millrace \
    && install -d -o millrace -g millrace /work /data /keys /join /state
COPY --from=build /stage/ /
USER millrace
WORKDIR /work
EXPOSE 8080 8081 8082 8083
CMD ["millrace-broker", "--help"]
