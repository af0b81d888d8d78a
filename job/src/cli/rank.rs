//! What a rank owes its launcher: to end with it, and to say why it fails.

use super::failure::{Class, Failure};
use splade_launch::{RankError, Reporter, die_with_parent};

/// Ties this process to its launcher, where one started it.
pub(super) fn begin() -> Result<(), Failure> {
    die_with_parent().map_err(|error| Failure::new(Class::Temporary, error))
}

/// Tells the launcher why this rank fails before anything else does, and gives the failure back.
pub(super) fn report(failure: Failure) -> Failure {
    report_failure(&failure);
    failure.told()
}

/// Tells the launcher, where there is one, why this rank fails, unless it has been told. Being asked to leave is no
/// failure.
pub fn report_failure(failure: &Failure) {
    if failure.interrupted || failure.is_told {
        return;
    }
    if let Some(reporter) = Reporter::from_env() {
        reporter.update(|report| {
            report.error = Some(RankError {
                class: failure.class,
                message: failure.to_string(),
            });
        });
    }
}
