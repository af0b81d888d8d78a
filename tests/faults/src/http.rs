//! As much of HTTP/1.1 as passing requests on needs: one request per connection, bodies with a length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// No request or answer of a test has a longer head.
const MOST_HEAD_BYTES: usize = 64 << 10;
const MOST_HEADERS: usize = 100;

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line, without its end.
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A server's answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    message: Message,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.header(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.body).into_owned()
    }
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn set_header(&mut self, name: &str, value: Option<&str>) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Everything up to the body.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.first_line);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Length of the body that follows the head.
    pub(crate) fn body_length(&self) -> usize {
        self.header("content-length")
            .map_or(0, |length| length.parse().expect("a length is a number"))
    }

    /// The first two words of a request: `PUT /bucket/key?partNumber=1`.
    pub(crate) fn target(&self) -> &str {
        self.first_line
            .rsplit_once(' ')
            .map_or(self.first_line.as_str(), |(target, _)| target)
    }
}

/// Reads a request's head; what has come of its body is in it. None where the client leaves without asking.
pub(crate) fn read_request(stream: &mut TcpStream) -> io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = end_of_head(&bytes) {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            request.parse(&bytes).map_err(io::Error::other)?;
            return Ok(Some(Message {
                first_line: first_line(&bytes),
                headers: owned(request.headers),
                body: bytes.split_off(end),
            }));
        }
        let mut buffer = [0; 8192];
        let count = stream.read(&mut buffer)?;
        if count == 0 || bytes.len() > MOST_HEAD_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Asks a server and takes in its whole answer.
pub(crate) fn ask(server: SocketAddr, mut request: Message) -> io::Result<Reply> {
    request.set_header("connection", Some("close"));
    request.set_header("expect", None);
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(&request.head())?;
    stream.write_all(&request.body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = end_of_head(&bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&bytes).map_err(io::Error::other)?;
    Ok(Reply {
        status: response.code.unwrap_or_default(),
        message: Message {
            first_line: first_line(&bytes),
            headers: owned(response.headers),
            body: bytes.split_off(end),
        },
    })
}

impl Reply {
    pub(crate) fn into_message(self) -> Message {
        self.message
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let end = b"\r\n\r\n";
    bytes
        .windows(end.len())
        .position(|window| window == end)
        .map(|position| position + end.len())
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\r').next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_owned(), value)
        })
        .collect()
}
