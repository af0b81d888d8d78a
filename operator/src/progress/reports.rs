//! The newest answer of each training that runs.

use crate::cache::Key;
use crate::training::{Polled, ProgressReport};
use k8s_openapi::jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Where the training stands.
    Report(Box<ProgressReport>),
    /// Something else: the pod lives, and says nothing that is understood.
    Unreadable,
    /// Nothing.
    Silence,
}

impl Answer {
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// What a pod last answered.
#[derive(Clone, Debug)]
struct Entry {
    /// Uid of the pod.
    pod: String,
    attempt: u32,
    answer: Answer,
    /// Since when it has answered in this way.
    since: Timestamp,
}

/// The newest answers.
#[derive(Debug, Default)]
pub struct Reports(Mutex<HashMap<Key, Entry>>);

impl Reports {
    /// What is known of a training.
    pub fn of(&self, training: &Key) -> Polled {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = all.get(training) else {
            return Polled::NotAsked;
        };
        let attempt = entry.attempt;
        match &entry.answer {
            Answer::Report(report) => Polled::Answered {
                attempt,
                report: report.clone(),
            },
            Answer::Silence => Polled::Unreachable {
                attempt,
                since: entry.since,
            },
            // As if it had not been asked: it neither moves nor is it silent.
            Answer::Unreadable => Polled::NotAsked,
        }
    }

    /// Takes in the answer of a pod. Tells whether it is worth a look.
    pub(super) fn note(
        &self,
        training: &Key,
        pod: &str,
        attempt: u32,
        answer: Answer,
        now: Timestamp,
    ) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all
            .get(training)
            .filter(|known| known.pod == pod && known.attempt == attempt);
        let is_news = known.is_none_or(|known| known.answer != answer);
        let since = known
            .filter(|known| known.answer.is_like(&answer))
            .map_or(now, |known| known.since);
        let entry = Entry {
            pod: pod.to_owned(),
            attempt,
            answer,
            since,
        };
        all.insert(training.clone(), entry);
        is_news
    }

    /// Forgets all trainings but these.
    pub(super) fn keep(&self, trainings: &HashSet<Key>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|training, _| trainings.contains(training));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            namespace: "ns".to_owned(),
            name: "v33".to_owned(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn report(step: u64) -> Answer {
        Answer::Report(Box::new(ProgressReport {
            step,
            ..ProgressReport::default()
        }))
    }

    #[test]
    fn only_what_has_changed_is_news() {
        let reports = Reports::default();
        assert!(reports.note(&key(), "pod", 1, report(5), at(10)));
        assert!(!reports.note(&key(), "pod", 1, report(5), at(20)));
        assert!(reports.note(&key(), "pod", 1, report(6), at(30)));
        assert!(reports.note(&key(), "other", 2, report(6), at(40)));
        assert!(matches!(
            reports.of(&key()),
            Polled::Answered { attempt: 2, .. }
        ));
    }

    #[test]
    fn what_cannot_be_understood_is_no_silence_and_news_once() {
        let reports = Reports::default();
        for before in [report(5), Answer::Silence] {
            reports.note(&key(), "pod", 1, before, at(20));
            assert!(reports.note(&key(), "pod", 1, Answer::Unreadable, at(30)));
            assert!(!reports.note(&key(), "pod", 1, Answer::Unreadable, at(40)));
            assert!(matches!(reports.of(&key()), Polled::NotAsked));
        }
    }

    #[test]
    fn silence_lasts_from_its_first_question_to_the_next_answer() {
        let reports = Reports::default();
        reports.note(&key(), "pod", 1, report(5), at(10));
        assert!(reports.note(&key(), "pod", 1, Answer::Silence, at(20)));
        assert!(!reports.note(&key(), "pod", 1, Answer::Silence, at(30)));
        let Polled::Unreachable { attempt: 1, since } = reports.of(&key()) else {
            panic!("{:?}", reports.of(&key()));
        };
        assert_eq!(since, at(20));
        assert!(reports.note(&key(), "pod", 1, report(5), at(40)));
        assert!(reports.note(&key(), "pod", 1, Answer::Silence, at(50)));
        assert!(matches!(reports.of(&key()), Polled::Unreachable { since, .. } if since == at(50)));
    }

    #[test]
    fn who_runs_no_more_is_forgotten() {
        let reports = Reports::default();
        reports.note(&key(), "pod", 1, report(5), at(10));
        reports.keep(&HashSet::new());
        assert!(matches!(reports.of(&key()), Polled::NotAsked));
    }
}
