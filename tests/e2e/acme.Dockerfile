# For tests of certificates: what an ACME authority (pebble), and a host with nginx and certbot, need.
ARG CERTBOT
FROM ${CERTBOT}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends curl nginx pebble \
 && rm -rf /var/lib/apt/lists/*
HEALTHCHECK NONE
ENTRYPOINT []
CMD ["pebble", "-config", "/pebble/config.json"]
