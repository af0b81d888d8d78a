//! Tests over several real processes.
//!
//! A test calls [`ranks`]: the first time it runs in the test process, which starts this binary once a rank, each
//! running the same test alone. There it runs as a rank, which the environment tells.

use splade_native::{Backend, NativeError, ProcessGroup, Rendezvous};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

const RANK: &str = "SPLADE_TEST_RANK";
const WORLD_SIZE: &str = "SPLADE_TEST_WORLD_SIZE";
const PORT: &str = "SPLADE_TEST_PORT";
/// What a rank prints for the test begins with this; the rest is the test harness's.
const SAYS: &str = "says: ";

/// Long enough for a busy machine, short enough that a test that hangs ends.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Who runs this test function.
pub enum Role {
    /// The test process, with the ranks it has started.
    Test(Vec<RankProcess>),
    /// One of the ranks.
    Rank(RankRole),
}

/// A rank, before it has joined.
pub struct RankRole {
    pub rank: usize,
    pub world_size: usize,
    port: u16,
}

impl RankRole {
    pub fn rendezvous(&self, timeout: Duration) -> Rendezvous {
        Rendezvous {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            rank: self.rank,
            world_size: self.world_size,
            timeout,
        }
    }

    pub fn join(&self, timeout: Duration) -> Result<ProcessGroup, NativeError> {
        ProcessGroup::join(&self.rendezvous(timeout), Backend::Gloo)
    }
}

/// A line to the test process.
pub fn say(line: impl std::fmt::Display) {
    println!("{SAYS}{line}");
}

/// Starts `started` of `world_size` ranks, each running the test named `test`.
pub fn ranks(test: &str, started: std::ops::Range<usize>, world_size: usize) -> Role {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    if let Some(rank) = number(RANK) {
        return Role::Rank(RankRole {
            rank,
            world_size: number(WORLD_SIZE).unwrap(),
            port: u16::try_from(number(PORT).unwrap()).unwrap(),
        });
    }
    let port = free_port();
    let processes = started
        .map(|rank| RankProcess::start(test, rank, world_size, port))
        .collect();
    Role::Test(processes)
}

/// The kernel deals such ports out in turn, so another process will not get the same one in the next moments.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A rank that runs. Killed when dropped, so that none outlives its test.
pub struct RankProcess {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl RankProcess {
    fn start(test: &str, rank: usize, world_size: usize, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(RANK, rank.to_string())
            .env(WORLD_SIZE, world_size.to_string())
            .env(PORT, port.to_string())
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits for the next line that the rank says.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the rank ended before it said anything more");
            // The harness prints "test name ... " without a line end in front of what the test prints.
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.trim_end().to_owned();
            }
        }
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end: how it went, and all that the rank still said.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        let said = text
            .lines()
            .filter_map(|line| line.split_once(SAYS))
            .map(|(_, said)| said.to_owned())
            .collect();
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for RankProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each rank says, when all end well.
pub fn all_said(processes: Vec<RankProcess>) -> Vec<Vec<String>> {
    processes
        .into_iter()
        .map(|process| {
            let (status, said) = process.end();
            assert!(
                status.success(),
                "a rank failed ({status}); it said {said:?}"
            );
            said
        })
        .collect()
}
