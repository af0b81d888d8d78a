//! What a supervisor does because time has passed.

use super::{Clock, Stage, Supervisor};
use crate::failure::Failure;
use crate::supervisor::standing;

impl Supervisor {
    pub(super) fn check_time(&mut self) {
        match self.stage {
            Stage::Gathering => self.check_gathering(),
            Stage::Running => self.check_life(),
            Stage::Stopping { since } if self.now >= since + self.limits.stop => {
                if self.has_running_ranks() && self.killed.is_none() {
                    let message = format!(
                        "{} did not leave within {} s of SIGTERM and were killed{}",
                        self.running_ranks(),
                        self.limits.stop.as_secs(),
                        self.standing().kept(self.gang.node_rank)
                    );
                    self.cause = Some(Failure::interrupted(message));
                }
                self.kill();
            }
            Stage::Ending { since } if self.now >= since + self.limits.grace => self.kill(),
            Stage::Stopping { .. } | Stage::Ending { .. } => {}
        }
    }

    fn check_gathering(&mut self) {
        let mut limit = self.limits.stall;
        if self.others.are_waited_for_by_node_0() {
            limit += self.patience();
        }
        if self.now >= limit {
            let message = format!(
                "{} did not come within {} s",
                self.others.missing(),
                limit.as_secs()
            );
            self.fail(Failure::stall(message));
        }
    }

    fn check_life(&mut self) {
        let is_late = |at: Clock| self.now >= at + self.limits.finish;
        if self.has_running_ranks() && self.now >= self.moved + self.limits.stall {
            let message = format!(
                "no rank has moved for {} s: {}",
                self.limits.stall.as_secs(),
                self.whereabouts()
            );
            self.fail(Failure::stall(message));
        } else if self.lead_done.is_some_and(is_late) && !self.is_over() {
            let message = format!(
                "rank 0 was done {} s ago, but not all others end: {}",
                self.limits.finish.as_secs(),
                self.whereabouts()
            );
            self.fail(Failure::stall(message));
        }
    }

    fn whereabouts(&self) -> String {
        let mut places = vec![standing::whereabouts(self.running()), self.others.running()];
        places.retain(|place| !place.is_empty());
        places.join("; ")
    }
}
