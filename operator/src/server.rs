//! `GET /healthz`, `/readyz` and `/metrics`.

use crate::cache::Cluster;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TEXT: &str = "text/plain; charset=utf-8";
/// From one beat to the next.
const BEAT: Duration = Duration::from_secs(1);
/// Without a beat for so long the process hangs.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// Whether the work still gets its turn: the server answers on a thread of its own, so it would answer for a process
/// that hangs.
#[derive(Clone, Debug)]
pub struct Pulse {
    begun: Instant,
    /// Milliseconds from `begun` to the last beat.
    last: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            last: Arc::default(),
        }
    }
}

impl Pulse {
    /// Beats for ever, on the runtime that does the work.
    pub async fn beat(self) {
        let mut beats = tokio::time::interval(BEAT);
        loop {
            beats.tick().await;
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last.store(now, Ordering::Relaxed);
        }
    }

    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }
}

/// What there is to ask for.
pub struct Routes {
    /// Counted here.
    pub metrics: Arc<Metrics>,
    /// Has to be known before the operator is ready.
    pub cluster: Cluster,
    /// So has who leads.
    pub leadership: Leadership,
    /// Has to beat while the operator lives.
    pub pulse: Pulse,
}

type Answer = (StatusCode, &'static str, String);

impl Routes {
    /// The answer to a request. Its body is not read.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let get: fn(&Self) -> Answer = match request.uri().path() {
            "/healthz" => Self::health,
            "/readyz" => Self::readiness,
            "/metrics" => Self::metrics,
            _ => {
                let known = "there are /healthz, /readyz and /metrics\n".to_owned();
                return response((StatusCode::NOT_FOUND, TEXT, known));
            }
        };
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refused = response((StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new()));
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        response(get(self))
    }

    fn health(&self) -> Answer {
        let silent = self.pulse.silent_for();
        if silent < HANGS_AFTER {
            return (StatusCode::OK, TEXT, "ok\n".to_owned());
        }
        let seconds = silent.as_secs();
        let text = format!("hangs: nothing has had its turn for {seconds} s\n");
        (StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
    }

    /// A process that waits for its turn to lead is ready too: it can take over at once.
    fn readiness(&self) -> Answer {
        let missing = match (self.cluster.is_synced(), self.leadership.is_known()) {
            (true, true) => return (StatusCode::OK, TEXT, "ok\n".to_owned()),
            (false, true) => "the objects of the cluster are not known yet",
            (true, false) => "it is not known who leads",
            (false, false) => "neither the objects of the cluster are known yet nor who leads",
        };
        (
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            format!("{missing}\n"),
        )
    }

    fn metrics(&self) -> Answer {
        match self.metrics.text() {
            Ok(text) => (StatusCode::OK, Metrics::CONTENT_TYPE, text),
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{error}\n"),
            ),
        }
    }
}

fn response((status, kind, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cluster;
    use http_body_util::BodyExt;

    fn routes() -> Routes {
        let (cluster, _) = Cluster::new();
        let (trainings, benchmarks) = (cluster.trainings.clone(), cluster.benchmarks.clone());
        Routes {
            metrics: Arc::new(Metrics::new(trainings, benchmarks)),
            cluster,
            leadership: Leadership::unknown(),
            pulse: Pulse::default(),
        }
    }

    async fn ask(method: Method, path: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        let answer = routes().answer(&request);
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_knows_nothing_lives_and_is_not_ready() {
        assert_eq!(ask(Method::GET, "/healthz").await, (200, "ok\n".to_owned()));
        let (status, text) = ask(Method::GET, "/readyz").await;
        assert_eq!(status, 503);
        assert!(text.contains("who leads"), "{text}");
        assert_eq!(ask(Method::GET, "/metrics").await.0, 200);
    }

    #[tokio::test]
    async fn other_questions_are_refused() {
        assert_eq!(ask(Method::GET, "/").await.0, 404);
        assert_eq!(ask(Method::POST, "/metrics").await.0, 405);
    }
}
