# splade-operator: the binary, the system libraries that it loads, CA certificates, and nothing else; about 30 MB.
#
#   docker build -f dockerfiles/operator.Dockerfile -t splade-operator "$(scripts/stage-image.sh operator)"
#
# BASE lends its C library, which must not be older than that of the machine that built the binary.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS root
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] || \
    { apt-get update && apt-get install --yes --no-install-recommends ca-certificates; }
COPY splade-operator /usr/local/bin/
RUN mkdir -p /image/tmp && chmod 1777 /image/tmp && \
    ldd /usr/local/bin/splade-operator >/loaded && ! grep 'not found' /loaded && \
    grep -o '/[^ ]*' /loaded >/paths && \
    xargs --arg-file /paths cp --dereference --parents --target-directory /image && \
    cp --dereference --parents --target-directory /image /etc/ssl/certs/ca-certificates.crt && \
    echo 'nonroot:x:65532:65532::/tmp:/sbin/nologin' >/image/etc/passwd && \
    echo 'nonroot:x:65532:' >/image/etc/group && \
    echo 'hosts: files dns' >/image/etc/nsswitch.conf

FROM scratch
COPY --from=root /image /
COPY splade-operator /usr/local/bin/
# The C library keeps a heap for each thread otherwise, and what one has freed no other can use: 10 MB with 1,000 trainings.
ENV PATH=/usr/local/bin MALLOC_ARENA_MAX=1
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/splade-operator"]
