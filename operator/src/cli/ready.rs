//! `splade-operator ready`: asks a running operator whether it is ready. `helm test` runs this.

use crate::http::{GetError, get};
use clap::Args;
use hyper::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// The most of an answer that is read, in bytes.
const LARGEST: usize = 4096;

/// Arguments of `ready`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Host and port of the operator, for example splade-operator-metrics:8080.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Seconds in which it has to become ready.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(..=3_600))]
    within: u32,
}

/// An operator that is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// No threads.
    #[error("the process cannot be given its threads: {0}")]
    Runtime(std::io::Error),
    /// It has not said so in time.
    #[error("{address} is not ready after {seconds} s: {last}")]
    TimedOut {
        /// Who was asked.
        address: String,
        /// For how long.
        seconds: u32,
        /// What came of the last question.
        last: Answer,
    },
}

/// What came of a question, where it was no yes.
#[derive(Debug, thiserror::Error)]
pub enum Answer {
    /// Nobody has answered.
    #[error(transparent)]
    Get(#[from] GetError),
    /// No.
    #[error("{0}: {1}")]
    No(StatusCode, String),
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), ReadyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ReadyError::Runtime)?;
        runtime.block_on(self.wait())
    }

    async fn wait(self) -> Result<(), ReadyError> {
        let deadline = Instant::now() + Duration::from_secs(self.within.into());
        loop {
            let last = match ask(&self.address).await {
                Ok(()) => return Ok(()),
                Err(answer) => answer,
            };
            if Instant::now() + PAUSE > deadline {
                return Err(ReadyError::TimedOut {
                    address: self.address,
                    seconds: self.within,
                    last,
                });
            }
            sleep(PAUSE).await;
        }
    }
}

async fn ask(address: &str) -> Result<(), Answer> {
    let (status, body) = get(address, "/readyz", LARGEST, ANSWER).await?;
    if status == StatusCode::OK {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    Err(Answer::No(status, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one question after the other, then nobody any more.
    async fn serve(listener: TcpListener, answers: &[&str]) {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            assert!(asked[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            let length = answer.len() - answer.find("\r\n\r\n").unwrap() - 4;
            let answer = answer.replace("LENGTH", &length.to_string());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    const NO: &str = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: LENGTH\r\n\r\nnot yet\n";
    const YES: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: LENGTH\r\n\r\nok\n";

    async fn asked(within: u32, answers: &[&str]) -> Result<(), ReadyError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (ready, ()) = tokio::join!(
            Arguments { address, within }.wait(),
            serve(listener, answers)
        );
        ready
    }

    #[tokio::test]
    async fn it_waits_for_a_yes() {
        asked(60, &[NO, YES]).await.unwrap();
    }

    #[tokio::test]
    async fn a_no_is_told_with_its_reason() {
        let error = asked(0, &[NO]).await.unwrap_err().to_string();
        assert!(
            error.ends_with("is not ready after 0 s: 503 Service Unavailable: not yet"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn nobody_there_is_no_yes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Arguments { address, within: 0 }.wait().await.unwrap_err();
        assert!(error.to_string().contains("no connection"), "{error}");
    }
}
