//! One question in plain HTTP, to a pod or to an operator.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::fmt::Display;
use std::time::Duration;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

/// A question without an answer that can be read.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Nobody is there.
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    /// Somebody is there and does not speak HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The address makes no request.
    #[error("the question cannot be asked: {0}")]
    Question(#[from] hyper::http::Error),
    /// The body did not come to its end.
    #[error("the answer breaks off or is too long: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// Somebody is there and does not answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

/// Asks for a path within a time limit; an answer has at most `largest` bytes.
///
/// # Errors
/// No answer, or none that can be read.
pub(crate) async fn get(
    address: impl ToSocketAddrs + Display,
    path: &str,
    largest: usize,
    limit: Duration,
) -> Result<(StatusCode, Bytes), GetError> {
    timeout(limit, converse(address, path, largest))
        .await
        .unwrap_or(Err(GetError::TimedOut(limit)))
}

async fn converse(
    address: impl ToSocketAddrs + Display,
    path: &str,
    largest: usize,
) -> Result<(StatusCode, Bytes), GetError> {
    let question = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answering = async {
        let answer = sender.send_request(question).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), largest).collect().await;
        Ok((status, body.map_err(GetError::Body)?.to_bytes()))
    };
    // The connection works only while it is polled, and ends no sooner than what is asked over it.
    tokio::pin!(answering);
    tokio::select! {
        answer = &mut answering => answer,
        ended = connection => {
            ended?;
            answering.await
        }
    }
}
