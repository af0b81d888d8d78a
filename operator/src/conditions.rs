//! Conditions of a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use splade_crds::ConditionType;

/// The longest message that the API server accepts.
const LONGEST_MESSAGE: usize = 32_768;

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

impl Truth {
    /// True or false.
    pub fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// The value of a condition's `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The conditions of a status, and what is needed to change them.
#[derive(Debug)]
pub struct Conditions<'a> {
    list: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Conditions<'a> {
    /// Conditions that are set now, for a spec of this generation.
    pub fn new(list: &'a mut Vec<Condition>, generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            list,
            generation,
            now,
        }
    }

    /// Sets a condition. The time of the transition changes only with the status.
    pub fn set(
        &mut self,
        kind: ConditionType,
        truth: Truth,
        reason: &str,
        message: impl Into<String>,
    ) {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        let old = self
            .list
            .iter()
            .position(|condition| condition.type_ == kind.name());
        let since = old
            .map(|index| &self.list[index])
            .filter(|condition| condition.status == truth.name())
            .map_or(Time(self.now), |condition| {
                condition.last_transition_time.clone()
            });
        let new = Condition {
            type_: kind.name().into(),
            status: truth.name().into(),
            reason: reason.into(),
            message,
            observed_generation: self.generation,
            last_transition_time: since,
        };
        match old {
            Some(index) => self.list[index] = new,
            None => self.list.push(new),
        }
    }

    /// Sets a condition to unknown unless it has a status already.
    pub fn first_seen(&mut self, kind: ConditionType) {
        if find(self.list, kind).is_none() {
            self.set(kind, Truth::Unknown, "Pending", "not known yet");
        }
    }
}

/// Makes the error of a reconciliation show in the conditions: `Progressing` is false with it.
pub fn reconcile_failed(
    list: &mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
    reason: &str,
    message: &str,
) {
    let mut conditions = Conditions::new(list, generation, now);
    conditions.set(ConditionType::Progressing, Truth::False, reason, message);
}

/// Finds a condition.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.name())
}

/// Whether a condition holds.
pub fn holds(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == Truth::True.name())
}
