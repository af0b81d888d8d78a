//! One question to one pod.

use crate::http::{GetError, get};
use crate::training::ProgressReport;
use hyper::StatusCode;
use std::net::SocketAddr;
use std::time::Duration;

/// The largest answer, in bytes; a real one has less than two thousand.
const LARGEST: usize = 64 << 10;

/// A pod that did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Get(#[from] GetError),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer is no progress report: {0}")]
    Report(#[from] serde_json::Error),
}

/// Asks the status server at `address`.
pub(super) async fn ask(address: SocketAddr, limit: Duration) -> Result<ProgressReport, AskError> {
    let (status, body) = get(address, "/progress", LARGEST, limit).await?;
    if status != StatusCode::OK {
        return Err(AskError::Status(status));
    }
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(600);

    async fn answered(answer: String) -> Result<ProgressReport, AskError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            assert!(asked[..length].starts_with(b"GET /progress HTTP/1.1\r\n"));
            // Whoever has heard enough may leave.
            let _ = stream.write_all(answer.as_bytes()).await;
        };
        let (report, ()) = tokio::join!(ask(address, LIMIT), server);
        report
    }

    fn ok(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn an_answer_is_read() {
        let body = r#"{"name":"v33","phase":"Training","attempt":2,"step":51,"totalSteps":170,"loss":1.5}"#;
        let report = answered(ok(body)).await.unwrap();
        assert_eq!(
            (report.step, report.total_steps, report.loss),
            (51, 170, Some(1.5))
        );
    }

    #[tokio::test]
    async fn what_is_no_report_is_an_error_and_no_panic() {
        assert!(matches!(answered(ok("[")).await, Err(AskError::Report(_))));
        let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
        assert!(matches!(answered(busy).await, Err(AskError::Status(_))));
        assert!(matches!(
            answered(ok(&" ".repeat(LARGEST + 1))).await,
            Err(AskError::Get(GetError::Body(_)))
        ));
        assert!(matches!(
            answered(String::new()).await,
            Err(AskError::Get(GetError::Http(_)))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = ask(listener.local_addr().unwrap(), Duration::from_secs(2)).await;
        assert!(matches!(silent, Err(AskError::Get(GetError::TimedOut(_)))));
    }
}
