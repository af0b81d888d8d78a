//! Why a gang ends without success, and which of several failures is the one to name.

use crate::exit::{End, ExitClass};
use crate::gang::Gang;
use crate::report::{RankError, RankReport};
use crate::text::cut;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGABRT, SIGKILL, SIGTERM};
use std::fmt;

/// The longest message of a failure, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;
/// The most of a rank's last line of output that a message repeats.
const MAX_LAST_LINE_BYTES: usize = 512;

/// What ended the gang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A rank failed.
    Rank,
    /// Nothing moved for too long.
    Stall,
    /// The launcher of another node is gone.
    NodeLost,
    /// It was asked to leave, and left.
    Interrupted,
    /// The launcher could not do its work.
    Launcher,
}

/// Why a gang ends without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What ended it.
    pub cause: Cause,
    /// The class, and so the exit code of every launcher of the gang.
    pub class: ExitClass,
    /// The rank, where it is one rank's failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// For a person: what happened, where.
    pub message: String,
    /// How near this is to the root of what happened.
    evidence: Evidence,
    /// When a rank's own report of it was written, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported: Option<u64>,
}

/// What speaks for a failure being the first of several, strongest first. When one rank goes, the collectives of all
/// others break within milliseconds, and each of them fails too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Evidence {
    /// A process or node that something took away: never a consequence of another rank's end.
    Taken,
    /// An exit code other than 70, which is what broken collectives leave with.
    OwnClass,
    /// A rank that says what is wrong.
    Reported,
    /// A rank that says nothing.
    Unexplained,
    /// No failure: the gang was asked to leave.
    Asked,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure of the launcher itself, or of what it was given.
    pub fn new(class: ExitClass, message: impl fmt::Display) -> Self {
        Self::with(Cause::Launcher, class, Evidence::OwnClass, message)
    }

    pub(crate) fn stall(message: impl fmt::Display) -> Self {
        Self::with(
            Cause::Stall,
            ExitClass::Temporary,
            Evidence::Unexplained,
            message,
        )
    }

    pub(crate) fn node_lost(node: u32, reason: impl fmt::Display) -> Self {
        Self::with(
            Cause::NodeLost,
            ExitClass::Temporary,
            Evidence::Taken,
            format!("node {node} is lost: {reason}; its ranks end, so all end"),
        )
    }

    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self::with(
            Cause::Interrupted,
            ExitClass::Temporary,
            Evidence::Asked,
            message,
        )
    }

    fn with(
        cause: Cause,
        class: ExitClass,
        evidence: Evidence,
        message: impl fmt::Display,
    ) -> Self {
        Self {
            cause,
            class,
            rank: None,
            message: cut(&message.to_string(), MAX_MESSAGE_BYTES).into_owned(),
            evidence,
            reported: None,
        }
    }

    /// The failure of a rank that ended without success.
    pub(crate) fn of_rank(gang: &Gang, rank_end: &RankEnd, report: Option<&RankReport>) -> Self {
        let rank = gang.rank(rank_end.local);
        let error = report.and_then(|report| report.error.as_ref());
        let class = match truth(rank_end, report) {
            Some(error) => error.class,
            None => rank_end.end.class(rank_end.out_of_memory),
        };
        let evidence = match (rank_end.end, class) {
            (End::Signal(signal), _) if signal != SIGABRT && signal != SIGTERM => Evidence::Taken,
            (_, class) if class != ExitClass::Software => Evidence::OwnClass,
            _ if error.is_some() => Evidence::Reported,
            _ => Evidence::Unexplained,
        };
        let mut failure = Self::with(
            Cause::Rank,
            class,
            evidence,
            describe(gang, rank_end, report),
        );
        failure.rank = Some(rank);
        failure.reported = report
            .filter(|report| report.error.is_some())
            .map(|report| report.updated);
        failure
    }

    /// Whether this is nearer to the root than the failure that was seen first. Of two that only differ in when their
    /// ranks reported them, the earlier is.
    pub(crate) fn outranks(&self, first: &Self) -> bool {
        match self.evidence.cmp(&first.evidence) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => match (self.reported, first.reported) {
                (Some(own), Some(other)) => own < other,
                _ => false,
            },
        }
    }

    /// The same with its message within bounds, as a failure that comes from another machine must be.
    pub(crate) fn bounded(mut self) -> Self {
        self.message = cut(&self.message, MAX_MESSAGE_BYTES).into_owned();
        self
    }
}

/// How a rank of this node ended.
#[derive(Clone, Debug)]
pub(crate) struct RankEnd {
    pub(crate) local: u32,
    pub(crate) end: End,
    /// The memory limit of this container has killed since the start.
    pub(crate) out_of_memory: bool,
    pub(crate) last_line: String,
}

/// What a rank that was told to leave while it was failing has reported before: it leaves as it was told, and says so last,
/// but that is the truth.
fn truth<'a>(rank_end: &RankEnd, report: Option<&'a RankReport>) -> Option<&'a RankError> {
    report?.error.as_ref().filter(|_| rank_end.end.is_leave())
}

fn describe(gang: &Gang, rank_end: &RankEnd, report: Option<&RankReport>) -> String {
    let truth = truth(rank_end, report);
    let end = truth.map_or(rank_end.end, |error| End::Code(error.class.code().into()));
    let mut text = format!("rank {}", gang.rank(rank_end.local));
    if gang.shape.nodes > 1 {
        text += &format!(" on node {}", gang.node_rank);
    }
    text += &format!(" {end}");
    match report {
        Some(report) => text += &format!(" at {}", step_of(report)),
        None => text += " before it reported anything",
    }
    let error = report.and_then(|report| report.error.as_ref());
    if let Some(error) = error {
        text += &format!(": {}", error.message);
    }
    if rank_end.end == End::Signal(SIGKILL) {
        text += if rank_end.out_of_memory {
            "; the memory limit of this container has killed a process: raise gang.resources or make the batch smaller"
        } else {
            "; something outside of this program killed it, perhaps the kernel for want of memory on the node"
        };
    }
    let last = cut(&rank_end.last_line, MAX_LAST_LINE_BYTES);
    // A rank prints its error last, which needs no second mention.
    let says_more = error.is_none_or(|error| !rank_end.last_line.contains(&error.message));
    if !last.is_empty() && says_more && truth.is_none() && !is_progress(&last) {
        text += &format!("; its last output: {last}");
    }
    text
}

/// Whether a line of the log only tells how far the rank was, which is no reason to end.
fn is_progress(line: &str) -> bool {
    line.starts_with('{') && line.contains(r#""level":"INFO""#)
}

/// `step 120 of 1000`, or `step 120` where the total is not known.
pub(crate) fn step_of(report: &RankReport) -> String {
    match report.total_steps {
        Some(total) => format!("step {} of {total}", report.step),
        None => format!("step {}", report.step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gang::Shape;
    use crate::report::Phase;
    use signal_hook::consts::SIGSEGV;

    fn gang(nodes: u32) -> Gang {
        Gang {
            shape: Shape {
                nodes,
                ranks_per_node: 4,
            },
            node_rank: nodes - 1,
            master_addr: "127.0.0.1".into(),
            master_port: 1,
        }
    }

    fn failure(end: End, error: Option<(&str, u64)>) -> Failure {
        let rank_end = RankEnd {
            local: 3,
            end,
            out_of_memory: false,
            last_line: String::new(),
        };
        let report = error.map(|(message, updated)| RankReport {
            error: Some(RankError {
                class: ExitClass::Software,
                message: message.into(),
            }),
            updated,
            ..RankReport::default()
        });
        Failure::of_rank(&gang(1), &rank_end, report.as_ref())
    }

    #[test]
    fn a_message_names_rank_end_step_and_last_words() {
        let rank_end = RankEnd {
            local: 3,
            end: End::Signal(SIGKILL),
            out_of_memory: false,
            last_line: "step 120 done".into(),
        };
        let report = RankReport {
            phase: Phase::Training,
            step: 120,
            total_steps: Some(1000),
            ..RankReport::default()
        };
        let message = Failure::of_rank(&gang(2), &rank_end, Some(&report)).message;
        for expected in [
            "rank 7 on node 1",
            "SIGKILL",
            "step 120 of 1000",
            "last output: step 120 done",
        ] {
            assert!(message.contains(expected), "{expected} in {message}");
        }
    }

    #[test]
    fn an_error_is_said_once() {
        let rank_end = RankEnd {
            local: 0,
            end: End::Code(70),
            out_of_memory: false,
            last_line: "error: the loss is not a number".into(),
        };
        let report = RankReport {
            error: Some(RankError {
                class: ExitClass::Software,
                message: "the loss is not a number".into(),
            }),
            ..RankReport::default()
        };
        let message = Failure::of_rank(&gang(1), &rank_end, Some(&report)).message;
        assert_eq!(message.matches("the loss").count(), 1, "{message}");
    }

    #[test]
    fn the_root_is_what_was_taken_then_what_knows_more_then_what_speaks() {
        let strongest_first = [
            failure(End::Signal(SIGKILL), None),
            failure(End::Code(65), Some(("bad line", 9))),
            failure(End::Code(70), Some(("not a number", 1))),
            failure(End::Code(70), None),
        ];
        for (index, strong) in strongest_first.iter().enumerate() {
            for weak in &strongest_first[index + 1..] {
                assert!(strong.outranks(weak) && !weak.outranks(strong));
            }
            assert!(!strong.outranks(strong));
        }
        assert!(failure(End::Signal(SIGSEGV), None).outranks(&strongest_first[1]));
        // Collectives abort when a peer goes, so an abort proves nothing.
        assert!(!failure(End::Signal(SIGABRT), None).outranks(&strongest_first[2]));
        assert!(Failure::node_lost(2, "gone").outranks(&strongest_first[1]));
        assert!(strongest_first[3].outranks(&Failure::interrupted("asked")));
    }

    #[test]
    fn of_two_that_speak_the_earlier_is_the_root() {
        let early = failure(End::Code(70), Some(("not a number", 1)));
        let late = failure(End::Code(70), Some(("connection closed", 2)));
        assert!(early.outranks(&late) && !late.outranks(&early));
    }

    #[test]
    fn a_rank_told_to_leave_while_it_fails_keeps_the_class_of_its_failure() {
        for end in [End::Code(75), End::Signal(SIGTERM)] {
            let rank_end = RankEnd {
                local: 3,
                end,
                out_of_memory: false,
                last_line: "error: stopped; what is done is kept".into(),
            };
            let report = RankReport {
                error: Some(RankError {
                    class: ExitClass::Configuration,
                    message: "no such bucket".into(),
                }),
                ..RankReport::default()
            };
            let failure = Failure::of_rank(&gang(1), &rank_end, Some(&report));
            assert_eq!(failure.class, ExitClass::Configuration);
            assert_eq!(
                failure.message,
                "rank 3 left with exit code 78 at step 0: no such bucket"
            );
        }
    }

    #[test]
    fn a_line_that_tells_of_progress_is_no_reason() {
        let message = |level: &str| {
            let rank_end = RankEnd {
                local: 3,
                end: End::Signal(SIGKILL),
                out_of_memory: false,
                last_line: format!(r#"{{"timestamp":"t","level":"{level}","message":"said"}}"#),
            };
            Failure::of_rank(&gang(1), &rank_end, None).message
        };
        assert!(!message("INFO").contains("last output"));
        assert!(message("WARN").contains("last output"));
    }

    #[test]
    fn messages_are_bounded() {
        let failure = failure(End::Code(70), Some((&"가".repeat(10_000), 1)));
        assert!(failure.message.len() <= MAX_MESSAGE_BYTES);
        assert!(failure.message.contains("rank 3 left with exit code 70"));
    }
}
