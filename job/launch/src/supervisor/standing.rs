//! How far ranks came, for programs and for people.

use crate::failure::step_of;
use crate::report::{Phase, RankReport};
use std::collections::BTreeMap;

/// How far a gang came, by the reports of one node's ranks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Optimizer steps done; none where no rank has reported.
    pub step: Option<u64>,
    /// Optimizer steps of the whole training, once known.
    pub total_steps: Option<u64>,
    /// The newest complete checkpoint that was reported.
    pub checkpoint: Option<String>,
    /// The checkpoint that the ranks continued from.
    pub resumed_from: Option<String>,
    /// Digest of the finished model.
    pub model_digest: Option<String>,
}

impl Standing {
    pub(super) fn of<'a>(reports: impl Iterator<Item = &'a RankReport> + Clone) -> Self {
        let newest = |value: fn(&RankReport) -> Option<&String>| {
            reports
                .clone()
                .filter(|report| value(report).is_some())
                .max_by_key(|report| report.step)
                .and_then(value)
                .cloned()
        };
        Self {
            step: reports.clone().map(|report| report.step).max(),
            total_steps: reports.clone().find_map(|report| report.total_steps),
            checkpoint: newest(|report| report.checkpoint.as_ref()),
            resumed_from: newest(|report| report.resumed_from.as_ref()),
            model_digest: newest(|report| report.model_digest.as_ref()),
        }
    }

    pub(super) fn interrupted(&self, node_rank: u32) -> String {
        match self.step {
            Some(step) => format!(
                "asked to leave, the ranks left after step {step}{}; the next start continues",
                self.kept(node_rank)
            ),
            None => "asked to leave before any rank had reported; the next start continues".into(),
        }
    }

    /// The end of a sentence that says what is not lost, as far as this node knows: the first rank stores for all.
    pub(super) fn kept(&self, node_rank: u32) -> String {
        match &self.checkpoint {
            Some(checkpoint) => format!("; the last checkpoint is {checkpoint}"),
            None if node_rank == 0 => "; no checkpoint was reported".into(),
            None => String::new(),
        }
    }
}

/// `rank 3` or `ranks 0-2, 5`.
pub(super) fn ranks(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let list: Vec<String> = runs
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    match runs[..] {
        [(first, last)] if first == last => format!("rank {first}"),
        _ => format!("ranks {}", list.join(", ")),
    }
}

/// Which ranks are in which phase at which step, those furthest behind first.
pub(super) fn whereabouts<'a>(
    reports: impl Iterator<Item = (u32, Option<&'a RankReport>)>,
) -> String {
    let mut groups: BTreeMap<Option<(u64, Phase, String)>, Vec<u32>> = BTreeMap::new();
    for (rank, report) in reports {
        let place = report.map(|report| (report.step, report.phase, step_of(report)));
        groups.entry(place).or_default().push(rank);
    }
    let list: Vec<String> = groups
        .into_iter()
        .map(|(place, numbers)| match place {
            Some((_, phase, step)) => format!("{} in phase {phase:?} at {step}", ranks(numbers)),
            None => format!("{} without any report", ranks(numbers)),
        })
        .collect();
    list.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_named_as_runs() {
        assert_eq!(ranks([3]), "rank 3");
        assert_eq!(ranks([0, 1, 2, 5]), "ranks 0-2, 5");
    }

    #[test]
    fn those_behind_come_first() {
        let at = |phase, step| RankReport {
            phase,
            step,
            total_steps: Some(10),
            ..RankReport::default()
        };
        let (ahead, behind) = (at(Phase::Training, 5), at(Phase::Saving, 4));
        let reports = [
            (0, Some(&ahead)),
            (1, Some(&ahead)),
            (2, Some(&behind)),
            (3, None),
        ];
        assert_eq!(
            whereabouts(reports.into_iter()),
            "rank 3 without any report; rank 2 in phase Saving at step 4 of 10; \
             ranks 0-1 in phase Training at step 5 of 10"
        );
    }

    #[test]
    fn the_checkpoint_is_that_of_the_rank_furthest_ahead() {
        let at = |step, checkpoint: Option<&str>| RankReport {
            step,
            checkpoint: checkpoint.map(str::to_owned),
            ..RankReport::default()
        };
        let reports = [at(4, Some("old")), at(6, None), at(5, Some("new"))];
        let standing = Standing::of(reports.iter());
        assert_eq!(standing.step, Some(6));
        assert_eq!(standing.checkpoint.as_deref(), Some("new"));
    }
}
