//! A real OpenTelemetry collector that writes what it receives into a file.

use super::{tool, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use tempfile::TempDir;

/// A collector that runs until it is dropped.
pub struct Collector {
    process: Child,
    folder: TempDir,
    grpc: u16,
    http: u16,
}

/// A span as the collector received it.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub attributes: BTreeMap<String, Value>,
    /// 0 unset, 1 in order, 2 an error.
    pub status: u64,
    pub message: String,
    /// Trace and id of each span that it is linked to.
    pub links: Vec<(String, String)>,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub resource: BTreeMap<String, Value>,
}

impl Collector {
    /// One that is spoken to in the clear.
    pub fn start() -> Self {
        Self::launch("")
    }

    /// One that is spoken to by TLS.
    pub fn start_encrypted(certificate: &Path, key: &Path) -> Self {
        Self::launch(&format!(
            ", tls: {{cert_file: {}, key_file: {}}}",
            certificate.display(),
            key.display()
        ))
    }

    /// Ports are chosen before the collector takes them: one that was taken in between is replaced by another.
    fn launch(tls: &str) -> Self {
        wait_for("collector with ports of its own", || {
            let mut collector = Self::launch_on(free_port(), free_port(), tls);
            let Err(reason) = collector.wait_until_listening() else {
                return Some(collector);
            };
            assert!(reason.contains("address already in use"), "{reason}");
            None
        })
    }

    fn launch_on(grpc: u16, http: u16, tls: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("config.yaml");
        let text = format!(
            "receivers: {{otlp: {{protocols: {{\n\
               grpc: {{endpoint: '127.0.0.1:{grpc}'{tls}}},\n\
               http: {{endpoint: '127.0.0.1:{http}'{tls}}}}}}}}}\n\
             exporters: {{file: {{path: {}, flush_interval: 100ms}}}}\n\
             service:\n\
             \x20 telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n\
             \x20 pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}\n",
            folder.path().join("traces.jsonl").display()
        );
        fs::write(&config, text).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(tool("otel-collector"))
            .args([OsStr::new("--config"), config.as_os_str()])
            .stderr(log)
            .spawn()
            .expect("the collector starts; `make setup` builds it");
        Self {
            process,
            folder,
            grpc,
            http,
        }
    }

    /// What it says where it ends instead.
    fn wait_until_listening(&mut self) -> Result<(), String> {
        let ports = [self.grpc, self.http];
        let log = self.folder.path().join("log");
        wait_for("answer or end of the collector", || {
            let open = |&port: &u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
            if self.process.try_wait().unwrap().is_some() {
                Some(Err(fs::read_to_string(&log).unwrap()))
            } else {
                ports.iter().all(open).then_some(Ok(()))
            }
        })
    }

    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Every span so far, once there are `count`.
    pub fn spans(&self, count: usize) -> Vec<Span> {
        wait_for(&format!("{count} spans"), || {
            let spans = self.received();
            (spans.len() >= count).then_some(spans)
        })
    }

    fn received(&self) -> Vec<Span> {
        let text = fs::read_to_string(self.folder.path().join("traces.jsonl")).unwrap_or_default();
        // The last line may be half-written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let batches = whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        batches.flat_map(|batch: Value| spans_of(&batch)).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The one span of a name.
pub fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "spans named {name}: {found:?}");
    found[0]
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spans_of(batch: &Value) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in list(&batch["resourceSpans"]) {
        let attributes = attributes(&resource["resource"]["attributes"]);
        for scope in list(&resource["scopeSpans"]) {
            for span in list(&scope["spans"]) {
                spans.push(self::span(span, &attributes));
            }
        }
    }
    spans
}

fn span(span: &Value, resource: &BTreeMap<String, Value>) -> Span {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Span {
        trace: text(&span["traceId"]),
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        name: text(&span["name"]),
        attributes: attributes(&span["attributes"]),
        status: span["status"]["code"].as_u64().unwrap_or(0),
        message: text(&span["status"]["message"]),
        links: list(&span["links"])
            .iter()
            .map(|link| (text(&link["traceId"]), text(&link["spanId"])))
            .collect(),
        start: text(&span["startTimeUnixNano"]).parse().unwrap(),
        end: text(&span["endTimeUnixNano"]).parse().unwrap(),
        resource: resource.clone(),
    }
}

/// `{"key": .., "value": {"stringValue": ..}}` and the like, with 64-bit integers as text.
fn attributes(list: &Value) -> BTreeMap<String, Value> {
    let pairs = self::list(list).iter().map(|pair| {
        let typed = pair["value"].as_object().unwrap();
        let (kind, value) = typed.iter().next().unwrap();
        let value = match kind.as_str() {
            "intValue" => value.as_str().unwrap().parse::<i64>().unwrap().into(),
            _ => value.clone(),
        };
        (pair["key"].as_str().unwrap().to_owned(), value)
    });
    pairs.collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
