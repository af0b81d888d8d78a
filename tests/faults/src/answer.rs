//! One connection, one request, one answer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::http::{Message, ask, read_request};
use crate::plan::{Fault, Injected, Plan};

/// How often a connection that stands still looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

/// Answers as the plan says. An error is a client that left.
pub(crate) fn answer(
    mut client: TcpStream,
    server: SocketAddr,
    plan: &Plan,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let Some(mut request) = read_request(&mut client)? else {
        return Ok(());
    };
    let planned = plan.next(request.target());
    let fault = planned.as_ref().map(Injected::fault);
    match fault {
        Some(Fault::StallUpload) => return hold(&client, is_over),
        Some(Fault::Reset) => {
            let half = request.body_length() / 2;
            read_body(&mut client, &mut request, half)?;
            return SockRef::from(&client).set_linger(Some(Duration::ZERO));
        }
        _ => {
            let all = request.body_length();
            read_body(&mut client, &mut request, all)?;
        }
    }
    let is_head = request.first_line.starts_with("HEAD ");
    if let Some(Fault::Refuse { status, code }) = fault {
        return send_all(&mut client, refusal(status, code), is_head);
    }
    if let (Some(Fault::Hold), Some(planned)) = (fault, &planned) {
        while !planned.is_over() && !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
    }
    if fault == Some(Fault::Unconditional) {
        request.set_header("if-none-match", None);
    }
    let mut reply = ask(server, request)?.into_message();
    match fault {
        Some(Fault::FailAfterCommit) => {
            send_all(&mut client, refusal(500, "InternalError"), is_head)
        }
        Some(Fault::Truncate) => send_half(&mut client, reply),
        Some(Fault::Stall) => {
            send_half(&mut client, reply)?;
            hold(&client, is_over)
        }
        Some(Fault::Corrupt) => {
            let middle = reply.body.len() / 2;
            if let Some(byte) = reply.body.get_mut(middle) {
                *byte ^= 1;
            }
            send_all(&mut client, reply, is_head)
        }
        _ => send_all(&mut client, reply, is_head),
    }
}

/// Reads on until so much of the body is there.
fn read_body(client: &mut TcpStream, request: &mut Message, length: usize) -> io::Result<()> {
    if request.header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let missing = length.saturating_sub(request.body.len()) as u64;
    client.take(missing).read_to_end(&mut request.body)?;
    if request.body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn send_all(client: &mut TcpStream, mut reply: Message, is_head: bool) -> io::Result<()> {
    reply.set_header("connection", Some("close"));
    client.write_all(&reply.head())?;
    if !is_head {
        client.write_all(&reply.body)?;
    }
    client.shutdown(Shutdown::Write)?;
    // Without this, what the client still sends would make the system reset the connection before it has read.
    io::copy(client, &mut io::sink()).map(|_| ())
}

/// The whole head and half of the body.
fn send_half(client: &mut TcpStream, mut reply: Message) -> io::Result<()> {
    reply.set_header("connection", Some("close"));
    client.write_all(&reply.head())?;
    client.write_all(&reply.body[..reply.body.len() / 2])?;
    client.flush()
}

/// Keeps a connection open until the client leaves or the proxy ends.
fn hold(client: &TcpStream, is_over: &AtomicBool) -> io::Result<()> {
    client.set_read_timeout(Some(LOOK))?;
    while !is_over.load(Ordering::Relaxed) {
        match client.peek(&mut [0]) {
            Ok(0) => return Ok(()),
            // What lies there is the body that is not read.
            Ok(_) => std::thread::sleep(LOOK),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An error as S3 words it.
fn refusal(status: u16, code: &str) -> Message {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>planned by the test</Message></Error>"
    );
    Message {
        first_line: format!("HTTP/1.1 {status} Planned"),
        headers: vec![
            ("Content-Type".into(), "application/xml".into()),
            ("Content-Length".into(), body.len().to_string()),
        ],
        body: body.into_bytes(),
    }
}
