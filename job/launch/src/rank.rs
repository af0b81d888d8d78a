//! One rank: a process, its group, and what it prints.

use crate::exit::End;
use crate::output::{LastLine, Pump, Stream};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the output of a rank that has ended may take to close. It closes at once, unless a process that left the
/// rank's group still holds it.
const OUTPUT_CLOSES: Duration = Duration::from_secs(1);

/// A rank's process, the leader of a group of its own. Nothing of the group outlives this value.
#[derive(Debug)]
pub(crate) struct Rank {
    child: Child,
    pid: Pid,
    output: Vec<JoinHandle<()>>,
    last_line: LastLine,
    life: Life,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    Running,
    /// Ended, not yet waited for: its process id, which is its group's too, cannot be another's.
    Ended {
        since: Instant,
    },
    Reaped,
}

impl Rank {
    /// Starts it. Its lines are marked with `tag`; `wake` is called when there may be something for [`Rank::end`].
    pub(crate) fn start(
        mut command: Command,
        tag: Option<u32>,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_child(&child);
        let mut rank = Self {
            child,
            pid,
            output: Vec::new(),
            last_line: LastLine::default(),
            life: Life::Running,
        };
        let pump = |stream| Pump {
            stream,
            rank: tag,
            last_line: rank.last_line.clone(),
        };
        if let Some(stdout) = rank.child.stdout.take() {
            let handle = pump(Stream::Output).start(stdout, wake.clone())?;
            rank.output.push(handle);
        }
        if let Some(stderr) = rank.child.stderr.take() {
            let handle = pump(Stream::Error).start(stderr, wake)?;
            rank.output.push(handle);
        }
        Ok(rank)
    }

    /// Asks the rank, and not the processes it started, to leave.
    pub(crate) fn terminate(&self) {
        if let Life::Running = self.life {
            // A process that has just ended needs no signal.
            let _ = kill_process(self.pid, Signal::TERM);
        }
    }

    /// Kills the rank and all of its group.
    pub(crate) fn kill(&self) {
        if !matches!(self.life, Life::Reaped) {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// How the rank ended; said once, when all it printed has been passed on.
    pub(crate) fn end(&mut self, now: Instant) -> Option<End> {
        if let Life::Running = self.life {
            self.notice(now);
        }
        let Life::Ended { since } = self.life else {
            return None;
        };
        let output_closed = self.output.iter().all(JoinHandle::is_finished);
        if !output_closed && now.duration_since(since) < OUTPUT_CLOSES {
            return None;
        }
        self.life = Life::Reaped;
        // It has ended, so this does not wait.
        match self.child.wait() {
            Ok(status) => Some(End::from(status)),
            Err(error) => {
                tracing::warn!("how a rank ended is not known: {error}");
                Some(End::Code(-1))
            }
        }
    }

    /// The last line it printed that is not blank.
    pub(crate) fn last_line(&self) -> String {
        self.last_line.get()
    }

    fn notice(&mut self, now: Instant) {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), ended) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => {
                self.kill();
                self.life = Life::Ended { since: now };
            }
        }
    }
}

impl Drop for Rank {
    fn drop(&mut self) {
        self.kill();
        // A process that hangs in the kernel does not even die; waiting for it would hang the launcher too.
        let _ = self.child.try_wait();
    }
}
