//! What a launcher decides: a state machine without clocks, processes or sockets.
//!
//! It is told what happens and when, and says what to do. Four stages: the nodes of the gang gather; the ranks run;
//! the gang is asked to leave and stops; the gang has failed and ends.

mod deadlines;
mod others;
mod standing;
#[cfg(test)]
mod tests;

pub use standing::Standing;

use crate::exit::ExitClass;
use crate::failure::{Cause, Failure, RankEnd};
use crate::gang::Gang;
use crate::limits::Limits;
use crate::peers::{Message, PeerEvent};
use crate::report::RankReport;
use others::Others;
use std::time::Duration;

/// Time after the first failure in which another one may prove to be its root.
const SAME_INSTANT: Duration = Duration::from_millis(500);
/// Time after SIGKILL in which a process dies, unless it hangs in the kernel.
const DIES: Duration = Duration::from_secs(5);
/// Time beyond its own ranks' end that node 0 waits for the other nodes.
const NODES_END: Duration = Duration::from_secs(3);
/// The same for the other nodes, which wait for node 0's verdict.
const VERDICT_COMES: Duration = Duration::from_secs(6);

/// Time since the launcher started.
pub(crate) type Clock = Duration;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Observation {
    /// SIGTERM or SIGINT.
    Signal,
    /// Something about another node.
    Peer(PeerEvent),
    /// A rank's report has changed.
    Reported { local: u32, report: RankReport },
    /// These ranks have ended, within one look.
    Ended(Vec<RankEnd>),
    /// Ranks from `local` on could not be started.
    NotStarted { local: u32, failure: Failure },
    /// Time passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Start all ranks.
    Start,
    /// SIGTERM to all ranks that run.
    Terminate,
    /// SIGKILL to all ranks that run, with their groups.
    Kill,
    /// Tell the other launchers: all of them on node 0, node 0 elsewhere.
    Tell(Message),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Gathering,
    Running,
    Stopping { since: Clock },
    Ending { since: Clock },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RankState {
    Waiting,
    Running,
    Ended,
}

/// Decides for the launcher of one node.
#[derive(Debug)]
pub(crate) struct Supervisor {
    gang: Gang,
    limits: Limits,
    stage: Stage,
    ranks: Vec<RankState>,
    reports: Vec<Option<RankReport>>,
    others: Others,
    cause: Option<Failure>,
    /// Last sign of life.
    moved: Clock,
    /// When rank 0 ended with success, on its node.
    lead_done: Option<Clock>,
    /// When the ranks were killed.
    killed: Option<Clock>,
    signals: u32,
    /// A rank left before its work was done, because it was asked to.
    left_early: bool,
    now: Clock,
    actions: Vec<Action>,
}

impl Supervisor {
    /// A launcher that has just started, and what it does first.
    pub(crate) fn new(gang: Gang, limits: Limits) -> (Self, Vec<Action>) {
        let ranks = gang.shape.ranks_per_node as usize;
        let others = Others::of(&gang);
        let mut supervisor = Self {
            gang,
            limits,
            stage: Stage::Gathering,
            ranks: vec![RankState::Waiting; ranks],
            reports: vec![None; ranks],
            others,
            cause: None,
            moved: Clock::ZERO,
            lead_done: None,
            killed: None,
            signals: 0,
            left_early: false,
            now: Clock::ZERO,
            actions: Vec::new(),
        };
        if supervisor.others == Others::None {
            supervisor.run();
        }
        let first = std::mem::take(&mut supervisor.actions);
        (supervisor, first)
    }

    /// Takes in what happened and says what to do.
    pub(crate) fn observe(&mut self, now: Clock, observation: Observation) -> Vec<Action> {
        self.now = now;
        let ran = self.has_running_ranks();
        match observation {
            Observation::Signal => self.signalled(),
            Observation::Peer(event) => self.heard(event),
            Observation::Reported { local, report } => {
                self.moved = now;
                self.reports[local as usize] = Some(report);
            }
            Observation::Ended(ends) => self.ended(&ends),
            Observation::NotStarted { local, failure } => {
                self.ranks[local as usize..].fill(RankState::Ended);
                self.fail(failure);
            }
            Observation::Tick => {}
        }
        self.check_time();
        if ran && !self.has_running_ranks() {
            self.actions.push(Action::Tell(Message::Ended));
        }
        std::mem::take(&mut self.actions)
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_over(&self) -> bool {
        if self.has_running_ranks() {
            return self.killed.is_some_and(|at| self.now >= at + DIES);
        }
        match self.stage {
            Stage::Gathering => false,
            Stage::Running => self.others.are_done_with_success(),
            Stage::Stopping { since } => {
                self.others.are_done() || self.now >= since + self.limits.stop + self.patience()
            }
            Stage::Ending { since } => {
                self.others.are_done() || self.now >= since + self.limits.grace + self.patience()
            }
        }
    }

    /// Why the gang ended without success, if so. To be asked when it is over.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let mut failure = match (&self.cause, self.stage) {
            (Some(cause), _) => Some(cause.clone()),
            (None, Stage::Stopping { .. }) if self.left_early => {
                let message = self.standing().interrupted(self.gang.node_rank);
                Some(Failure::interrupted(message))
            }
            _ => None,
        };
        if let Some(failure) = &mut failure
            && self.has_running_ranks()
        {
            failure.message += &format!(
                "; {} did not die of SIGKILL and hang in the kernel",
                self.running_ranks()
            );
        }
        failure
    }

    /// How far the ranks of this node came.
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(self.reports.iter().flatten())
    }

    fn run(&mut self) {
        self.stage = Stage::Running;
        self.moved = self.now;
        self.ranks.fill(RankState::Running);
        self.actions.push(Action::Start);
    }

    fn signalled(&mut self) {
        self.signals += 1;
        match self.stage {
            Stage::Gathering | Stage::Running => self.stop(),
            // The first signal after another node's is the same wish, from the same source.
            Stage::Stopping { .. } if self.signals == 1 => {}
            Stage::Stopping { .. } => {
                let message = format!(
                    "a second signal killed {} before they had left{}",
                    self.running_ranks(),
                    self.standing().kept(self.gang.node_rank)
                );
                self.cause.get_or_insert(Failure::interrupted(message));
                self.kill();
            }
            Stage::Ending { .. } => self.kill(),
        }
    }

    fn heard(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Joined(node) => {
                self.others.join(node);
                self.welcome();
            }
            PeerEvent::Lost { node, reason } => {
                if self.others.lose(node) && self.matters_who_is_lost() {
                    self.fail(Failure::node_lost(node, reason));
                }
            }
            PeerEvent::Said { node, message } => self.told(node, message),
        }
    }

    /// Starts a gang that is complete, and tells a node that comes too late how things stand.
    fn welcome(&mut self) {
        let message = match (self.stage, &self.cause) {
            (Stage::Gathering, _) if self.others.are_complete() => {
                self.run();
                Message::Start
            }
            (Stage::Stopping { .. }, _) => Message::Stop,
            (Stage::Ending { .. }, Some(failure)) => Message::Failed {
                failure: failure.clone(),
            },
            _ => return,
        };
        self.actions.push(Action::Tell(message));
    }

    fn told(&mut self, node: u32, message: Message) {
        let may_start = matches!(self.stage, Stage::Gathering | Stage::Running);
        match message {
            Message::Stop if may_start => self.stop(),
            Message::Failed { failure } => self.fail(failure),
            Message::Ended => self.others.end(node),
            // The rest is node 0's to say.
            _ if !matches!(self.others, Others::Lead(_)) => {}
            Message::Start if self.stage == Stage::Gathering => self.run(),
            Message::Refused { reason } => {
                self.others.lose(node);
                let message = format!("node 0 refuses this launcher: {reason}");
                self.fail(Failure::new(ExitClass::Configuration, message));
            }
            Message::Verdict { failure } => self.judged(failure),
            Message::Start | Message::Stop | Message::Hello { .. } | Message::Beat => {}
        }
    }

    /// Node 0 has told how the gang ended. Of an interruption every node knows its own part best.
    fn judged(&mut self, failure: Option<Failure>) {
        self.others.hear_verdict();
        if let Some(failure) = failure.filter(|found| found.cause != Cause::Interrupted) {
            self.fail(failure.clone());
            self.cause = Some(failure);
        }
    }

    fn ended(&mut self, ends: &[RankEnd]) {
        for end in ends {
            self.ranks[end.local as usize] = RankState::Ended;
            if end.end.is_success() && self.gang.rank(end.local) == 0 {
                self.lead_done = Some(self.now);
            }
        }
        let failures: Vec<Failure> = ends
            .iter()
            .filter(|end| self.is_failure(end))
            .map(|end| {
                let report = self.reports[end.local as usize].as_ref();
                Failure::of_rank(&self.gang, end, report)
            })
            .collect();
        for failure in failures {
            self.fail(failure);
        }
        self.left_early |= ends.iter().any(|end| !end.end.is_success());
    }

    /// Whether a rank's end is a failure of its own, and not what it was just told to do.
    fn is_failure(&self, end: &RankEnd) -> bool {
        let has_error = self.reports[end.local as usize]
            .as_ref()
            .is_some_and(|report| report.error.is_some());
        let left = end.end.is_success() || end.end.is_leave();
        match self.stage {
            Stage::Gathering | Stage::Running => !end.end.is_success(),
            Stage::Stopping { .. } => !left && self.killed.is_none(),
            Stage::Ending { since } => {
                let told = left && !has_error;
                !told && self.killed.is_none() && self.now < since + SAME_INSTANT
            }
        }
    }

    /// The gang is asked to leave.
    fn stop(&mut self) {
        self.left_early |= self.stage == Stage::Gathering;
        self.stage = Stage::Stopping { since: self.now };
        self.actions.push(Action::Terminate);
        self.actions.push(Action::Tell(Message::Stop));
        self.tell_if_never_started();
    }

    /// The gang fails. A failure nearer to the root replaces the one seen first.
    fn fail(&mut self, failure: Failure) {
        let is_root = self
            .cause
            .as_ref()
            .is_none_or(|first| failure.outranks(first));
        if is_root {
            self.cause = Some(failure.clone());
            self.actions.push(Action::Tell(Message::Failed { failure }));
        }
        if !matches!(self.stage, Stage::Ending { .. }) {
            self.stage = Stage::Ending { since: self.now };
            self.actions.push(Action::Terminate);
            self.tell_if_never_started();
        }
    }

    fn tell_if_never_started(&mut self) {
        if self.ranks.contains(&RankState::Waiting) {
            self.actions.push(Action::Tell(Message::Ended));
        }
    }

    fn kill(&mut self) {
        if self.killed.is_none() && self.has_running_ranks() {
            self.killed = Some(self.now);
            self.actions.push(Action::Kill);
        }
    }

    /// Whether the loss of a node that had not ended changes anything here.
    fn matters_who_is_lost(&self) -> bool {
        match (self.stage, &self.others) {
            (Stage::Ending { since }, _) => self.now < since + SAME_INSTANT,
            // Node 0 waits for each node; the others need node 0 only while they have something to end for it.
            (_, Others::Members { .. }) => true,
            (stage, _) => self.has_running_ranks() || stage == Stage::Gathering,
        }
    }

    fn has_running_ranks(&self) -> bool {
        self.ranks.contains(&RankState::Running)
    }

    fn patience(&self) -> Duration {
        match self.others {
            Others::None => Duration::ZERO,
            Others::Members { .. } => NODES_END,
            Others::Lead(_) => VERDICT_COMES,
        }
    }

    fn running(&self) -> impl Iterator<Item = (u32, Option<&RankReport>)> {
        let states = self.ranks.iter().zip(&self.reports);
        (0..)
            .zip(states)
            .filter(|(_, (state, _))| **state == RankState::Running)
            .map(|(local, (_, report))| (self.gang.rank(local), report.as_ref()))
    }

    fn running_ranks(&self) -> String {
        standing::ranks(self.running().map(|(rank, _)| rank))
    }
}
