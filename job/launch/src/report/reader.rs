//! The launcher's side: reads the reports of its ranks.

use super::RankReport;
use super::folder::Folder;
use std::io;
use std::path::PathBuf;

/// The reports of a node's ranks.
#[derive(Debug)]
pub(crate) struct Reports {
    folder: Folder,
    /// The last that was read of each rank.
    seen: Vec<Option<RankReport>>,
    /// Whether the last attempt to read failed, which is said once.
    failing: bool,
}

impl Reports {
    /// A private folder for the reports of `ranks` ranks. It goes when this goes.
    pub(crate) fn new(ranks: u32) -> io::Result<Self> {
        Ok(Self {
            folder: Folder::make()?,
            seen: vec![None; ranks as usize],
            failing: false,
        })
    }

    /// The file of a rank of the gang.
    pub(crate) fn path(&self, rank: u32) -> PathBuf {
        self.folder.path().join(format!("rank-{rank}.json"))
    }

    /// The report of this node's rank `local`, if it has changed since the last call.
    pub(crate) fn changed(&mut self, local: usize, rank: u32) -> Option<RankReport> {
        let path = self.path(rank);
        match RankReport::read(&path) {
            Ok(report) => {
                self.failing = false;
                if report.is_none() || report == self.seen[local] {
                    return None;
                }
                self.seen[local].clone_from(&report);
                report
            }
            Err(error) => {
                if !self.failing {
                    self.failing = true;
                    tracing::warn!(
                        "cannot read the report of rank {rank}: {}: {error}",
                        path.display()
                    );
                }
                None
            }
        }
    }
}
