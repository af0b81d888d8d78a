# splade-job on NVIDIA GPUs: the binary and the libraries of CUDA, NCCL, cuDNN and libtorch that it loads; about 3.5 GB.
# The driver's own libraries come from the node, by NVIDIA's container toolkit.
#
#   make TORCH=cuda build
#   docker build -f dockerfiles/job.Dockerfile -t splade-job "$(scripts/stage-image.sh job)"
#
# BASE lends its C library, which must not be older than that of the machine that built the binary. It stays whole: the
# toolkit runs its ldconfig.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] || \
    { apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*; }
RUN groupadd --gid 65532 nonroot && \
    useradd --uid 65532 --gid 65532 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin nonroot
# Layers in the order in which they change. scripts/check-image-libraries.py holds these lists against what is loaded.
COPY lib/libcublas.so.13 lib/libcublasLt.so.13 lib/libcudart.so.13 lib/libcufft.so.12 lib/libcufile.so.0 \
    lib/libcupti.so.13 lib/libcurand.so.10 lib/libcusolver.so.12 lib/libcusparse.so.12 lib/libnvJitLink.so.13 \
    lib/libnvrtc.so.13 lib/libnvrtc-builtins.so.13.0 /opt/splade/lib/
COPY lib/libcudnn.so.9 lib/libcudnn_adv.so.9 lib/libcudnn_cnn.so.9 lib/libcudnn_engines_precompiled.so.9 \
    lib/libcudnn_engines_runtime_compiled.so.9 lib/libcudnn_graph.so.9 lib/libcudnn_heuristic.so.9 \
    lib/libcudnn_ops.so.9 lib/libcusparseLt.so.0 lib/libnccl.so.2 lib/libnvshmem_host.so.3 /opt/splade/lib/
COPY lib/libc10.so lib/libc10_cuda.so lib/libcaffe2_nvrtc.so lib/libgomp.so.1 lib/libtorch_cpu.so \
    lib/libtorch_cuda.so lib/libtorch_cuda_linalg.so lib/libtorch_nvshmem.so /opt/splade/lib/
COPY splade-job /usr/local/bin/
ENV LD_LIBRARY_PATH=/opt/splade/lib NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/splade-job"]
