# What pods need beside Kubernetes: an S3 server and an OpenTelemetry collector, at the control plane's address.

bucket_exists() { in_control_plane curl -fsS --max-time 2 --head "http://$control_plane_address:9000/splade"; }

# moto answers to any key pair; it keeps objects in memory, so they go with it.
object_storage() {
    local python
    python=$("$repository/scripts/setup-references.sh" --print)
    [ -x "$python" ] || fail "S3 is moto of the Python references: scripts/setup-references.sh" 69
    start s3 nsenter --net="/run/netns/$control_plane_namespace" \
        "$python" -m moto.server --host "$control_plane_address" --port 9000
    await 60 "the S3 server" in_control_plane curl -sS --max-time 2 "http://$control_plane_address:9000/"
    bucket_exists >/dev/null 2>&1 ||
        in_control_plane curl -fsS --request PUT "http://$control_plane_address:9000/splade" >/dev/null
    await 5 "the bucket splade" bucket_exists
    echo "$s3_port" >"$run/s3-port"
    relay s3 9000 "$s3_port"
    await 10 "the relay to S3" curl -fsS --max-time 2 --head "http://127.0.0.1:$s3_port/splade"
    say "S3: http://$control_plane_address:9000 for pods, http://127.0.0.1:$s3_port from here; bucket splade, any keys"
}

is_listening() { in_control_plane bash -c "exec 3<>/dev/tcp/$control_plane_address/$1"; }

collector() {
    local tools
    tools=$("$repository/scripts/setup-collector.sh" --print)
    [ -x "$tools/otel-collector" ] || fail "the collector is not built: scripts/setup-collector.sh" 69
    cat >"$run/collector.yaml" <<EOF
receivers: {otlp: {protocols: {
  grpc: {endpoint: '$control_plane_address:4317'},
  http: {endpoint: '$control_plane_address:4318'}}}}
exporters: {file: {path: '$run/telemetry.jsonl', flush_interval: 100ms}}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file]}
    metrics: {receivers: [otlp], exporters: [file]}
    logs: {receivers: [otlp], exporters: [file]}
EOF
    start collector nsenter --net="/run/netns/$control_plane_namespace" \
        "$tools/otel-collector" --config "$run/collector.yaml"
    await 30 "the collector" is_listening 4317
    say "OTLP: $control_plane_address:4317 (gRPC) and :4318 (HTTP), written to $run/telemetry.jsonl"
}
