//! The S3 server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::http::{Message, Reply, ask};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/serve_s3.py");

/// Moto shows private objects only to those who sign, and does not look at how.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A server of its own, without content. It ends with this value, or with the process that holds it.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    address: SocketAddr,
    has_tls: bool,
    folder: TempDir,
}

impl Moto {
    /// A server that takes any credentials.
    pub fn start() -> Self {
        Self::launch(false, &[])
    }

    /// A server that knows no credentials, and so refuses all.
    pub fn start_refusing_all() -> Self {
        Self::launch(false, &[("INITIAL_NO_AUTH_ACTION_COUNT", "0")])
    }

    /// A server that speaks TLS under the name `localhost`. [`Moto::ask`] and what builds on it cannot be used.
    pub fn start_with_tls() -> Self {
        Self::launch(true, &[])
    }

    fn launch(has_tls: bool, variables: &[(&str, &str)]) -> Self {
        let python = std::env::var("SPLADE_PYTHON").expect(
            "SPLADE_PYTHON is not set: run `make test`, or `make setup` and then `eval \"$(make env)\"`",
        );
        let folder = TempDir::new().expect("a folder for credentials and certificate");
        let mut process = Command::new(&python)
            .arg(SCRIPT)
            .args(has_tls.then_some(folder.path()))
            .envs(variables.iter().copied())
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start SPLADE_PYTHON={python}: {error}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("standard output is piped"))
            .read_line(&mut line)
            .expect("moto prints its port");
        let port: u16 = line.trim().parse().unwrap_or_else(|_| {
            panic!("moto does not start with {python}, see above: run `make setup`")
        });
        let keys =
            "[default]\naws_access_key_id = testing\naws_secret_access_key = the-secret-key\n";
        fs::write(folder.path().join("credentials"), keys).expect("a file of credentials");
        Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            has_tls,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        if self.has_tls {
            format!("https://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        }
    }

    /// A shared credentials file with the access key `testing` and the secret `the-secret-key`.
    pub fn credentials_file(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// The certificate of a server with TLS, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) {
        let reply = self.ask("PUT", &format!("/{name}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Asks the server past all proxies, for what `path` with its query names.
    pub fn ask(&self, method: &str, path: &str) -> Reply {
        let request = Message {
            first_line: format!("{method} {path} HTTP/1.1"),
            headers: vec![
                ("Host".into(), self.address.to_string()),
                ("Content-Length".into(), "0".into()),
                ("Authorization".into(), AUTHORIZATION.into()),
            ],
            body: Vec::new(),
        };
        ask(self.address, request).expect("moto answers")
    }

    /// How many multipart uploads of a bucket have begun and neither become an object nor been aborted.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        let reply = self.ask("GET", &format!("/{bucket}?uploads"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text().matches("<UploadId>").count()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
