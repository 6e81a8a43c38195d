# Builds convoy and runs it: `docker build --tag convoy .`, then
# `docker run --rm convoy simulate --vehicles 50`.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /convoy
COPY . .
# The registry and the objects are kept from build to build, not in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/convoy/target \
    cargo build --release --locked --bin convoy \
    && install -D target/release/convoy /out/convoy

FROM debian:bookworm-slim
# Existing clusters are reached by TLS with the system's root certificates.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home convoy
COPY --from=build /out/convoy /usr/local/bin/convoy
USER convoy
WORKDIR /home/convoy
ENTRYPOINT ["convoy"]
CMD ["simulate"]
