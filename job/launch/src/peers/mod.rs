//! How the launchers of a gang's nodes know of each other.
//!
//! Every launcher keeps one connection to that of node 0, which listens on the port after rank 0's. Through it the
//! nodes gather before any rank starts, a wish to leave and a failure reach all nodes at once, and all leave with the
//! same verdict. A connection that closes without a farewell, or stays silent, is a lost node.
//!
//! Nothing here is secret, and nothing is believed of who connects: whoever reaches the port can disturb the gang, as
//! at the port of rank 0 itself. It belongs into the same closed network, and is closed when the gang is complete.

mod hub;
mod member;
mod wire;

pub(crate) use wire::Message;

use crate::failure::Failure;
use crate::gang::Gang;
use crate::limits::Limits;
use hub::Hub;
use member::Member;
use std::io::{self, BufReader, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Something about another node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PeerEvent {
    /// Its launcher is connected.
    Joined(u32),
    /// It said something.
    Said { node: u32, message: Message },
    /// It cannot be heard any more.
    Lost { node: u32, reason: String },
}

/// Takes what is heard; called from several threads.
pub(crate) type Notify = Arc<dyn Fn(PeerEvent) + Send + Sync>;

/// The launchers of the other nodes.
#[derive(Debug)]
pub(crate) enum Peers {
    /// There are none.
    None,
    /// This is node 0, and all others come here.
    Hub(Hub),
    /// This is another node.
    Member(Member),
}

impl Peers {
    /// Begins to listen, or to look for node 0.
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub(crate) fn start(gang: &Gang, limits: &Limits, notify: Notify) -> io::Result<Self> {
        match (gang.shape.nodes, gang.node_rank) {
            (1, _) => Ok(Self::None),
            (_, 0) => Hub::start(gang, limits.silence, notify).map(Self::Hub),
            _ => Member::start(gang, limits.silence, notify).map(Self::Member),
        }
    }

    /// Tells all other nodes from node 0, and node 0 from elsewhere. Who cannot be told is lost, and noticed so.
    pub(crate) fn tell(&self, message: &Message) {
        match self {
            Self::None => {}
            Self::Hub(hub) => hub.tell(message),
            Self::Member(member) => member.tell(message),
        }
    }

    /// From node 0 the last word to all others: how the gang ended.
    pub(crate) fn part(self, failure: Option<Failure>) {
        if let Self::Hub(hub) = self {
            hub.tell(&Message::Verdict { failure });
        }
    }
}

/// How often a launcher says that it is still there.
fn beat(silence: Duration) -> Duration {
    silence / 10
}

/// Passes on what a connected node says, until it is lost.
fn listen(node: u32, reader: &mut BufReader<TcpStream>, silence: Duration, notify: &Notify) {
    let reason = loop {
        match wire::receive(reader) {
            Ok(Some(Message::Beat)) => {}
            Ok(Some(message)) => notify(PeerEvent::Said { node, message }),
            Ok(None) => break "its launcher closed the connection".to_owned(),
            Err(error) => break why(&error, silence),
        }
    };
    notify(PeerEvent::Lost { node, reason });
}

fn why(error: &io::Error, silence: Duration) -> String {
    match error.kind() {
        // What a read past its time limit is called differs.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!(
                "nothing was heard of its launcher for {} s",
                silence.as_secs()
            )
        }
        _ => format!("the connection to its launcher broke: {error}"),
    }
}

/// Sets what both ends of a connection want of it.
fn prepare(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))
}
