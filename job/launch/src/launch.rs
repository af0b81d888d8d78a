//! The launcher: an event loop between the ranks' processes, the other nodes, signals and the supervisor.

use crate::environment::{Cores, variables};
use crate::exit::ExitClass;
use crate::failure::{Failure, RankEnd};
use crate::gang::Gang;
use crate::limits::Limits;
use crate::memory::MemoryLimit;
use crate::peers::{Message, PeerEvent, Peers};
use crate::rank::Rank;
use crate::report::Reports;
use crate::signals::{Notice, Watch};
use crate::supervisor::{Action, Observation, Standing, Supervisor};
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often reports are read and time is looked at, when nothing else happens.
const TICK: Duration = Duration::from_millis(200);

/// How a launch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// How far the ranks came.
    pub standing: Standing,
    /// Why without success, if so.
    pub failure: Option<Failure>,
}

impl From<Failure> for Conclusion {
    /// A launch that failed before a rank started.
    fn from(failure: Failure) -> Self {
        Self {
            standing: Standing::default(),
            failure: Some(failure),
        }
    }
}

impl Conclusion {
    /// The exit code of the launcher.
    pub fn exit_code(&self) -> u8 {
        self.failure
            .as_ref()
            .map_or(0, |failure| failure.class.code())
    }
}

/// What wakes the event loop.
enum Event {
    Signal,
    Peer(PeerEvent),
    /// A rank may have ended, or all that it printed been passed on.
    Look,
}

/// Starts the ranks of this node and stays until the gang has ended, whichever way.
///
/// `command` makes the command of this node's rank `local`; environment, input, output and process group are set here.
/// Belongs on the main thread, because [`die_with_parent`](crate::die_with_parent) ties ranks to the thread that
/// started them. SIGTERM and SIGINT of the whole process are taken over.
pub fn launch(gang: &Gang, limits: &Limits, command: impl FnMut(u32) -> Command) -> Conclusion {
    match Launcher::prepare(gang, limits, command) {
        Ok((launcher, first)) => launcher.run(first),
        Err(failure) => failure.into(),
    }
}

struct Launcher<'a, C> {
    gang: &'a Gang,
    command: C,
    supervisor: Supervisor,
    ranks: Vec<Rank>,
    reports: Reports,
    peers: Peers,
    memory: MemoryLimit,
    started: Instant,
    sender: Sender<Event>,
    events: Receiver<Event>,
    _signals: Watch,
}

impl<'a, C: FnMut(u32) -> Command> Launcher<'a, C> {
    fn prepare(
        gang: &'a Gang,
        limits: &Limits,
        command: C,
    ) -> Result<(Self, Vec<Action>), Failure> {
        let (sender, events) = channel();
        // Nobody listens any more once the launcher ends: then there is nothing to tell.
        let signals = sender.clone();
        let watch = Watch::start(move |notice| {
            let _ = signals.send(match notice {
                Notice::Leave => Event::Signal,
                Notice::Child => Event::Look,
            });
        })
        .map_err(|error| system("cannot watch signals", &error))?;
        let reports = Reports::new(gang.shape.ranks_per_node)
            .map_err(|error| system("cannot make a folder for the ranks' reports", &error))?;
        let heard = sender.clone();
        let notify = Arc::new(move |event| {
            let _ = heard.send(Event::Peer(event));
        });
        let peers = Peers::start(gang, limits, notify).map_err(|error| {
            let port = gang.control_port();
            system(
                &format!("cannot listen for the other nodes on port {port}"),
                &error,
            )
        })?;
        let (supervisor, first) = Supervisor::new(gang.clone(), *limits);
        let launcher = Self {
            gang,
            command,
            supervisor,
            ranks: Vec::new(),
            reports,
            peers,
            memory: MemoryLimit::watch(),
            started: Instant::now(),
            sender,
            events,
            _signals: watch,
        };
        Ok((launcher, first))
    }

    fn run(mut self, first: Vec<Action>) -> Conclusion {
        self.act(first);
        while !self.supervisor.is_over() {
            let event = match self.events.recv_timeout(TICK) {
                Ok(event) => event,
                // This launcher holds a sender, so the channel never closes.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Event::Look,
            };
            match event {
                Event::Signal => self.observe(Observation::Signal),
                Event::Peer(event) => self.observe(Observation::Peer(event)),
                Event::Look => {}
            }
            self.look();
            self.observe(Observation::Tick);
        }
        let failure = self.supervisor.failure();
        self.peers.part(failure.clone());
        Conclusion {
            standing: self.supervisor.standing(),
            failure,
        }
    }

    /// Sees which ranks have ended, and then reads the reports, so that nothing is missing which those reported last.
    fn look(&mut self) {
        let now = Instant::now();
        let mut ends = Vec::new();
        for (local, rank) in (0..).zip(&mut self.ranks) {
            if let Some(end) = rank.end(now) {
                ends.push(RankEnd {
                    local,
                    end,
                    out_of_memory: self.memory.has_killed(),
                    last_line: rank.last_line(),
                });
            }
        }
        for local in 0..self.ranks.len() as u32 {
            let rank = self.gang.rank(local);
            if let Some(report) = self.reports.changed(local as usize, rank) {
                self.observe(Observation::Reported { local, report });
            }
        }
        if !ends.is_empty() {
            self.observe(Observation::Ended(ends));
        }
    }

    fn observe(&mut self, observation: Observation) {
        let actions = self.supervisor.observe(self.started.elapsed(), observation);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start => self.start(),
                Action::Terminate => self.ranks.iter().for_each(Rank::terminate),
                Action::Kill => self.ranks.iter().for_each(Rank::kill),
                Action::Tell(message) => {
                    if let Message::Failed { failure } = &message {
                        tracing::error!("{failure}; all ranks end");
                    }
                    self.peers.tell(&message);
                }
            }
        }
    }

    fn start(&mut self) {
        let cores = Cores::of_this_process();
        for local in 0..self.gang.shape.ranks_per_node {
            let rank = self.gang.rank(local);
            let mut command = (self.command)(local);
            command.envs(variables(self.gang, local, &self.reports.path(rank), cores));
            let tag = (self.gang.world_size() > 1).then_some(rank);
            let sender = self.sender.clone();
            let wake = move || {
                let _ = sender.send(Event::Look);
            };
            match Rank::start(command, tag, wake) {
                Ok(rank) => self.ranks.push(rank),
                Err(error) => {
                    let failure = system(&format!("cannot start rank {rank}"), &error);
                    return self.observe(Observation::NotStarted { local, failure });
                }
            }
        }
    }
}

/// A failure of the operating system: one of this machine at this time where it is short of something.
fn system(what: &str, error: &io::Error) -> Failure {
    let class = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => ExitClass::Configuration,
        io::ErrorKind::InvalidInput => ExitClass::Usage,
        _ => ExitClass::Temporary,
    };
    Failure::new(class, format!("{what}: {error}"))
}
