//! Node 0: where the launchers of all other nodes come to.

use super::wire::{PROTOCOL, receive, send};
use super::{Message, Notify, PeerEvent, beat, listen, prepare};
use crate::gang::{Gang, Shape};
use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// How long a stranger may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How often the port is looked at for those who come.
const LOOK: Duration = Duration::from_millis(50);
/// Connections that may be open beside those of the gang.
const SPARE_CONNECTIONS: usize = 16;

/// The launchers of the other nodes, at node 0.
#[derive(Debug)]
pub(crate) struct Hub {
    room: Arc<Room>,
}

#[derive(Debug)]
struct Room {
    shape: Shape,
    silence: Duration,
    members: Mutex<BTreeMap<u32, TcpStream>>,
    closed: AtomicBool,
}

impl Hub {
    pub(super) fn start(gang: &Gang, silence: Duration, notify: Notify) -> io::Result<Self> {
        let listener = bind(&gang.master_addr, gang.control_port())?;
        listener.set_nonblocking(true)?;
        let room = Arc::new(Room {
            shape: gang.shape,
            silence,
            members: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let hub = Self {
            room: Arc::clone(&room),
        };
        let host = Arc::clone(&room);
        Builder::new()
            .name("nodes".into())
            .spawn(move || host.receive_all(&listener, &notify))?;
        Builder::new()
            .name("beat".into())
            .spawn(move || room.beat())?;
        Ok(hub)
    }

    pub(super) fn tell(&self, message: &Message) {
        self.room.tell(message);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.room.closed.store(true, Ordering::SeqCst);
        for stream in self.room.members().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Room {
    /// Lets nodes in until all are here; then the port closes.
    fn receive_all(self: Arc<Self>, listener: &TcpListener, notify: &Notify) {
        let places = self.shape.nodes as usize - 1;
        let guests = Arc::new(());
        while !self.is_closed() && self.members().len() < places {
            match listener.accept() {
                Ok((stream, from)) if Arc::strong_count(&guests) <= places + SPARE_CONNECTIONS => {
                    let (room, notify, guest) =
                        (Arc::clone(&self), Arc::clone(notify), Arc::clone(&guests));
                    let thread = Builder::new().name("node".into()).spawn(move || {
                        if let Err(error) = room.receive(stream, &notify) {
                            tracing::warn!("{from} came to the launchers' port and is no node of this gang: {error}");
                        }
                        drop(guest);
                    });
                    if let Err(error) = thread {
                        tracing::warn!("cannot listen to {from}: {error}");
                    }
                }
                Ok((_, from)) => tracing::warn!("too many connections; {from} is sent away"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK),
                Err(error) => {
                    tracing::warn!("cannot take a connection: {error}");
                    std::thread::sleep(LOOK);
                }
            }
        }
    }

    /// Hears who it is that came, and then all that this node says.
    fn receive(&self, stream: TcpStream, notify: &Notify) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        prepare(&stream, INTRODUCTION)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let hello = receive(&mut reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        let node = match self.admit(&hello, &stream) {
            Ok(node) => node,
            Err(reason) => {
                send(
                    &stream,
                    &Message::Refused {
                        reason: reason.clone(),
                    },
                )?;
                return Err(io::Error::other(reason));
            }
        };
        stream.set_read_timeout(Some(self.silence))?;
        notify(PeerEvent::Joined(node));
        listen(node, &mut reader, self.silence, notify);
        Ok(())
    }

    fn admit(&self, hello: &Message, stream: &TcpStream) -> Result<u32, String> {
        let Message::Hello {
            protocol,
            shape,
            node,
        } = hello
        else {
            return Err("it did not introduce itself".into());
        };
        if *protocol != PROTOCOL {
            return Err(format!(
                "it speaks version {protocol}, this launcher {PROTOCOL}; run the same program on all nodes"
            ));
        }
        if *shape != self.shape {
            return Err(format!(
                "it is of a gang of {} nodes with {} ranks each, this one has {} with {}; use the same manifest and flags",
                shape.nodes, shape.ranks_per_node, self.shape.nodes, self.shape.ranks_per_node
            ));
        }
        if !(1..self.shape.nodes).contains(node) {
            return Err(format!("there is no node {node} to come"));
        }
        let mut members = self.members();
        if members.contains_key(node) {
            return Err(format!(
                "node {node} is here already; give every node its own --node-rank"
            ));
        }
        let own = stream.try_clone().map_err(|error| error.to_string())?;
        members.insert(*node, own);
        Ok(*node)
    }

    fn tell(&self, message: &Message) {
        for stream in self.members().values() {
            // The thread that listens to this node notices that it is lost.
            let _ = send(stream, message);
        }
    }

    fn beat(&self) {
        while !self.is_closed() {
            self.tell(&Message::Beat);
            std::thread::sleep(beat(self.silence));
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<u32, TcpStream>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens for the other nodes: on this machine alone where they can only be here, else on every interface, as a
/// pod's own name need not be known yet when it starts.
fn bind(master_addr: &str, port: u16) -> io::Result<TcpListener> {
    let loopback = match master_addr.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Some(address),
        Err(_) if master_addr == "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => None,
    };
    match loopback {
        Some(address) => TcpListener::bind(SocketAddr::new(address, port)),
        // Both families by one socket, or IPv4 alone where there is no IPv6.
        None => TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))),
    }
}
