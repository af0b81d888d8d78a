# splade-job on CPUs: the binary, libtorch's libraries, the system libraries that they load, and CA certificates; about 0.5 GB.
#
#   docker build -f dockerfiles/job-cpu.Dockerfile -t splade-job:cpu "$(scripts/stage-image.sh job-cpu)"
#
# BASE lends its C library, which must not be older than that of the machine that built the binary.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS root
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] || \
    { apt-get update && apt-get install --yes --no-install-recommends ca-certificates; }
COPY lib/ /opt/splade/lib/
COPY splade-job /usr/local/bin/
RUN mkdir -p /image/tmp && chmod 1777 /image/tmp && \
    LD_LIBRARY_PATH=/opt/splade/lib ldd /usr/local/bin/splade-job >/loaded && ! grep 'not found' /loaded && \
    grep -o '/[^ ]*' /loaded >/paths && sed --in-place '\#^/opt/splade/#d' /paths && \
    xargs --arg-file /paths cp --dereference --parents --target-directory /image && \
    cp --dereference --parents --target-directory /image /etc/ssl/certs/ca-certificates.crt && \
    echo 'nonroot:x:65532:65532::/tmp:/sbin/nologin' >/image/etc/passwd && \
    echo 'nonroot:x:65532:' >/image/etc/group && \
    echo 'hosts: files dns' >/image/etc/nsswitch.conf

# Layers in the order in which they change.
FROM scratch
COPY --from=root /image /
COPY lib/libc10.so lib/libcudart.so.13 lib/libcupti.so.13 lib/libgomp.so.1 lib/libtorch_cpu.so /opt/splade/lib/
COPY splade-job /usr/local/bin/
ENV PATH=/usr/local/bin LD_LIBRARY_PATH=/opt/splade/lib
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/splade-job"]
