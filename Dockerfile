# One static binary on an empty image.
#   docker build --build-arg VERSION=$(git describe --tags --always) -t genevadrive .
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/genevadrive ./cmd/server \
    && mkdir -m 1777 -p /out/tmp && mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tmp /tmp
# The embedded default keeps its database and its secrets here.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/genevadrive /usr/local/bin/genevadrive
USER 65532:65532
WORKDIR /data
VOLUME /data
# Off loopback the server does not start without GENEVADRIVE_API_KEYS.
ENV GENEVADRIVE_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/genevadrive", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/genevadrive"]
CMD ["serve"]
