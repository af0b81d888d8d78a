//! Any other node: looks for node 0 and stays connected to it.

use super::wire::{PROTOCOL, send};
use super::{Message, Notify, PeerEvent, beat, listen, prepare};
use crate::gang::Gang;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

const CONNECT: Duration = Duration::from_secs(5);
/// Pause before node 0 is looked for again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is said that node 0 cannot be found.
const REMINDER: Duration = Duration::from_secs(30);

/// The launcher of node 0, seen from another node.
#[derive(Debug)]
pub(crate) struct Member {
    link: Arc<Link>,
}

#[derive(Debug)]
struct Link {
    stream: Mutex<Option<TcpStream>>,
    closed: AtomicBool,
}

impl Member {
    pub(super) fn start(gang: &Gang, silence: Duration, notify: Notify) -> io::Result<Self> {
        let link = Arc::new(Link {
            stream: Mutex::new(None),
            closed: AtomicBool::new(false),
        });
        let member = Self {
            link: Arc::clone(&link),
        };
        let (talker, gang) = (Arc::clone(&link), gang.clone());
        Builder::new().name("node 0".into()).spawn(move || {
            if let Some(stream) = link.find(&gang)
                && let Err(error) = link.talk(&stream, &gang, silence, &notify)
            {
                let reason = format!("cannot talk to its launcher: {error}");
                notify(PeerEvent::Lost { node: 0, reason });
            }
        })?;
        Builder::new().name("beat".into()).spawn(move || {
            while !talker.closed.load(Ordering::SeqCst) {
                talker.tell(&Message::Beat);
                std::thread::sleep(beat(silence));
            }
        })?;
        Ok(member)
    }

    pub(super) fn tell(&self, message: &Message) {
        self.link.tell(message);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.link.closed.store(true, Ordering::SeqCst);
        if let Some(stream) = &*self.link.stream() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Link {
    /// Looks for node 0 until it is there: pods do not start together, nor do their names.
    fn find(&self, gang: &Gang) -> Option<TcpStream> {
        let place = (gang.master_addr.as_str(), gang.control_port());
        let mut reminded = Instant::now();
        while !self.closed.load(Ordering::SeqCst) {
            match connect(place) {
                Ok(stream) => return Some(stream),
                Err(error) if reminded.elapsed() >= REMINDER => {
                    reminded = Instant::now();
                    tracing::warn!(
                        "still looking for the launcher of node 0 at {}:{}: {error}",
                        place.0,
                        place.1
                    );
                }
                Err(_) => {}
            }
            std::thread::sleep(PAUSE);
        }
        None
    }

    fn talk(
        &self,
        stream: &TcpStream,
        gang: &Gang,
        silence: Duration,
        notify: &Notify,
    ) -> io::Result<()> {
        prepare(stream, silence)?;
        send(
            stream,
            &Message::Hello {
                protocol: PROTOCOL,
                shape: gang.shape,
                node: gang.node_rank,
            },
        )?;
        *self.stream() = Some(stream.try_clone()?);
        notify(PeerEvent::Joined(0));
        listen(0, &mut BufReader::new(stream.try_clone()?), silence, notify);
        Ok(())
    }

    fn tell(&self, message: &Message) {
        if let Some(stream) = &*self.stream() {
            // The thread that listens notices that node 0 is lost.
            let _ = send(stream, message);
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(place: (&str, u16)) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
