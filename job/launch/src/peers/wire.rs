//! What launchers say to each other: one JSON object a line, bounded.

use crate::failure::Failure;
use crate::gang::Shape;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;

/// Version of what is said here. Launchers of one gang are the same program.
pub(super) const PROTOCOL: u32 = 1;
/// More than the longest message takes as JSON.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// A message from launcher to launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum Message {
    /// To node 0: this node is here.
    Hello {
        /// Version of the protocol.
        protocol: u32,
        /// The gang that this node believes to be in.
        shape: Shape,
        /// Its place there.
        node: u32,
    },
    /// From node 0: this node is not of this gang.
    Refused {
        /// Why.
        reason: String,
    },
    /// From node 0: all nodes are here, ranks start.
    Start,
    /// Still here.
    Beat,
    /// The gang is asked to save and leave.
    Stop,
    /// The gang fails. Node 0 passes on the failure that is nearest to the root.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// To node 0: all ranks of this node have ended.
    Ended,
    /// From node 0: how the gang ended; all leave with this.
    Verdict {
        /// Why without success, if so.
        failure: Option<Failure>,
    },
}

/// Sends a message whole.
pub(super) fn send(mut stream: &TcpStream, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The next message; none where the other side has closed the connection.
pub(super) fn receive(reader: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let message = serde_json::from_slice(&line)?;
    Ok(Some(match message {
        Message::Failed { failure } => Message::Failed {
            failure: failure.bounded(),
        },
        Message::Verdict { failure } => Message::Verdict {
            failure: failure.map(Failure::bounded),
        },
        other => other,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitClass;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        let messages = [
            Message::Hello {
                protocol: PROTOCOL,
                shape: Shape {
                    nodes: 2,
                    ranks_per_node: 8,
                },
                node: 1,
            },
            Message::Start,
            Message::Failed {
                failure: Failure::new(ExitClass::Data, "\u{1}가".repeat(2_000)),
            },
            Message::Verdict { failure: None },
        ];
        for message in &messages {
            send(&sender, message).unwrap();
        }
        drop(sender);
        let mut reader = io::BufReader::new(receiver);
        for message in messages {
            assert_eq!(receive(&mut reader).unwrap(), Some(message));
        }
        assert_eq!(receive(&mut reader).unwrap(), None);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = vec![b'x'; 1 << 20];
        assert!(receive(&mut &endless[..]).is_err());
    }

    proptest! {
        #[test]
        fn strangers_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            // Whatever it is, it is refused or ends; it is no message by chance.
            let received = receive(&mut &bytes[..]);
            prop_assert!(received.is_err(), "{received:?}");
        }
    }
}
