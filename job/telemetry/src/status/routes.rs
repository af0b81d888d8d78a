//! From a request to its answer.

use super::metrics::Metrics;
use crate::gpu::Gpus;
use crate::progress::Progress;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What there is to ask for.
pub(super) struct Routes {
    progress: Progress,
    metrics: Metrics,
}

impl Routes {
    pub(super) fn new(progress: Progress, gpus: Gpus) -> Self {
        Self {
            metrics: Metrics::new(progress.clone(), gpus),
            progress,
        }
    }

    /// The answer. The request's body, if it has one, is not read.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let get: fn(&Self) -> (StatusCode, &'static str, String) = match request.uri().path() {
            "/progress" => Self::progress,
            "/metrics" => Self::metrics,
            "/healthz" => Self::health,
            _ => {
                let known = "there are /progress, /metrics and /healthz\n".to_owned();
                return response(StatusCode::NOT_FOUND, TEXT, known);
            }
        };
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new());
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        let (status, kind, body) = get(self);
        response(status, kind, body)
    }

    fn progress(&self) -> (StatusCode, &'static str, String) {
        match serde_json::to_string(&self.progress.snapshot()) {
            Ok(body) => (StatusCode::OK, JSON, body + "\n"),
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{error}\n"),
            ),
        }
    }

    fn metrics(&self) -> (StatusCode, &'static str, String) {
        match self.metrics.text() {
            Ok(body) => (StatusCode::OK, Metrics::CONTENT_TYPE, body),
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{error}\n"),
            ),
        }
    }

    fn health(&self) -> (StatusCode, &'static str, String) {
        match self.progress.stalled_for() {
            None => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            Some(still) => (
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                format!("stalled: no step for {} s\n", still.as_secs()),
            ),
        }
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
