//! The key-value store at which the ranks of a job meet.

use crate::bridge::ffi;
use crate::{NativeError, Rendezvous, first_line};
use cxx::UniquePtr;
use std::fmt::Display;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How often a rank looks whether rank 0 is there already.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A connection to the store. Rank 0 serves it for as long as its own connection lives.
pub(crate) struct Store {
    connection: UniquePtr<ffi::Store>,
    me: String,
}

impl Store {
    /// Connects, and waits until every rank has.
    pub(crate) fn meet(at: &Rendezvous) -> Result<Self, NativeError> {
        let deadline = Instant::now() + at.timeout;
        let me = at.me();
        let Rendezvous { host, port, .. } = at;
        let serves = at.rank == 0;
        if !serves {
            wait_until_served(at, deadline).map_err(|cause| {
                let what = format!("rank 0 does not answer at {host}:{port}");
                NativeError::Distributed(format!("{me}: {what}: {cause}"))
            })?;
        }
        let opened = ffi::open_store(host, *port, serves, at.world_size, millis(at.timeout));
        let connection = opened.map_err(|cause| {
            let what = format!("cannot open the store at {host}:{port}");
            NativeError::Distributed(format!("{me}: {what}: {}", first_line(&cause)))
        })?;
        let store = Self { connection, me };
        store.sign_in(at)?;
        store.call_the_roll(at, deadline)?;
        Ok(store)
    }

    /// Signs in under this rank's number, which must still be free.
    fn sign_in(&self, at: &Rendezvous) -> Result<(), NativeError> {
        let arrivals = self
            .connection
            .add(&format!("arrivals/{}", at.rank), 1)
            .map_err(|cause| self.error("signing in failed", first_line(&cause)))?;
        if arrivals > 1 {
            let what = "cannot join";
            return Err(self.error(what, "another process has joined under this number"));
        }
        self.set(&attendance(at.rank), &at.world_size.to_string())
    }

    /// Waits for every rank, and checks that all expect the same number of them.
    fn call_the_roll(&self, at: &Rendezvous, deadline: Instant) -> Result<(), NativeError> {
        for rank in 0..at.world_size {
            let patience = deadline.saturating_duration_since(Instant::now());
            if let Err(cause) = self.connection.wait(&attendance(rank), millis(patience)) {
                return Err(self.absence(at, &cause));
            }
            let expected = self.get(&attendance(rank))?;
            if expected != at.world_size.to_string() {
                let what = format!("rank {rank} was started as one of {expected}");
                return Err(self.error(what, "all must be started with the same number of ranks"));
            }
        }
        Ok(())
    }

    /// Names the ranks that have not signed in.
    fn absence(&self, at: &Rendezvous, cause: &cxx::Exception) -> NativeError {
        let mut missing = Vec::new();
        for rank in 0..at.world_size {
            match self.connection.has(&attendance(rank)) {
                Ok(true) => {}
                Ok(false) => missing.push(rank.to_string()),
                Err(_) => return self.error("lost rank 0 while joining", first_line(cause)),
            }
        }
        let (came, expected) = (at.world_size - missing.len(), at.world_size);
        let Rendezvous {
            host,
            port,
            timeout,
            ..
        } = at;
        self.error(
            format!("{came} of {expected} ranks came to {host}:{port} within {timeout:?}"),
            format!("missing: {}", missing.join(", ")),
        )
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), NativeError> {
        let written = self.connection.set(key, value);
        written.map_err(|cause| self.error(format!("writing {key} failed"), first_line(&cause)))
    }

    /// The value of a key; waits for it as long as the rendezvous allows.
    pub(crate) fn get(&self, key: &str) -> Result<String, NativeError> {
        let value = self.connection.get(key);
        value.map_err(|cause| self.error(format!("nobody wrote {key}"), first_line(&cause)))
    }

    /// Waits until somebody has set the key.
    pub(crate) fn wait(&self, key: &str, timeout: Duration) -> Result<(), NativeError> {
        let found = self.connection.wait(key, millis(timeout));
        found.map_err(|cause| {
            self.error(format!("waited {timeout:?} for {key}"), first_line(&cause))
        })
    }

    /// The connection, for libtorch's own use.
    pub(crate) fn connection(&self) -> &ffi::Store {
        &self.connection
    }

    fn error(&self, what: impl Display, cause: impl Display) -> NativeError {
        NativeError::Distributed(format!("{}: {what}: {cause}", self.me))
    }
}

/// libtorch's own connection attempts fill the log, and can take twice the time that they are given.
fn wait_until_served(at: &Rendezvous, deadline: Instant) -> std::io::Result<()> {
    loop {
        let patience = deadline.saturating_duration_since(Instant::now());
        match connect(&at.host, at.port, patience.max(LOOK_AGAIN)) {
            Err(_) if patience > LOOK_AGAIN => std::thread::sleep(LOOK_AGAIN),
            outcome => return outcome,
        }
    }
}

/// Tries each address of the host.
fn connect(host: &str, port: u16, patience: Duration) -> std::io::Result<()> {
    let mut last = std::io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Where a rank notes that it is there, and how many ranks it expects.
fn attendance(rank: usize) -> String {
    format!("attendance/{rank}")
}

/// libtorch takes 0 for no limit, so the shortest time is 1 ms.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}
