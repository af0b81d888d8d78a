//! Starts launchers, and looks at what is left of them.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const ACTOR: &str = env!("CARGO_BIN_EXE_splade-launch-actor");

/// Far longer than anything here takes, on however busy a machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Polls until there is a value.
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// A folder for a test's files.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The action by which a rank says that it runs.
    pub fn ready(&self) -> String {
        format!("ready={}", self.0.path().display())
    }

    /// Waits for the rank to say that it runs, and returns its process id.
    pub fn pid_of(&self, rank: u32) -> u32 {
        pid_in(&self.path(&format!("rank-{rank}")))
    }

    /// Waits for all these ranks to say that they run, and returns their process ids.
    pub fn pids(&self, ranks: u32) -> Vec<u32> {
        (0..ranks).map(|rank| self.pid_of(rank)).collect()
    }

    /// The action by which a rank waits for [`Place::go`].
    pub fn gate(&self) -> String {
        format!("await={}", self.path("go").display())
    }

    /// Lets ranks pass the gate.
    pub fn go(&self) {
        File::create(self.path("go")).unwrap();
    }

    /// Starts a launcher. `flags` are separated by blanks.
    pub fn launch(&self, name: &str, flags: &str, program: &[&str]) -> Launcher {
        self.launch_with(name, flags, program, &[])
    }

    /// As [`Place::launch`], with variables in the launcher's environment.
    pub fn launch_with(
        &self,
        name: &str,
        flags: &str,
        program: &[&str],
        variables: &[(&str, &str)],
    ) -> Launcher {
        let (stdout, stderr, log) = (
            self.path(&format!("{name}.out")),
            self.path(&format!("{name}.err")),
            self.path(&format!("{name}.log")),
        );
        let child = Command::new(ACTOR)
            .args(["launch", "--log"])
            .arg(&log)
            .args(flags.split_whitespace())
            .arg("--")
            .args(program)
            .envs(variables.iter().copied())
            // A launcher that is killed leaves its folder behind; here it goes with the place.
            .env("TMPDIR", self.0.path())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Launcher {
            child,
            stdout,
            stderr,
            log,
        }
    }

    /// Starts a launcher of ranks that do these actions.
    pub fn launch_ranks(&self, flags: &str, actions: &[&str]) -> Launcher {
        let mut program = vec![ACTOR, "rank"];
        program.extend(actions);
        self.launch("launcher", flags, &program)
    }
}

/// Waits for a file with a process id.
pub fn pid_in(file: &Path) -> u32 {
    wait_for(&file.display().to_string(), || {
        fs::read_to_string(file).ok()?.parse().ok()
    })
}

/// A launcher that is killed when the test is over.
pub struct Launcher {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    log: PathBuf,
}

impl Launcher {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the launcher to end", || self.child.try_wait().unwrap())
    }

    /// Waits for its end and returns its exit code.
    pub fn code(&mut self) -> i32 {
        let status = self.wait();
        status
            .code()
            .unwrap_or_else(|| panic!("{status}: {}", self.stderr()))
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// The termination message as it was written.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The termination message.
    pub fn message(&self) -> splade_launch::TerminationMessage {
        serde_json::from_str(&self.log()).unwrap()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // It has ended already in a test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
pub fn send(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Whether a process runs; one that has ended and was not waited for does not.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, Some(Some('Z' | 'X')))
}

/// Waits for a process to be gone.
pub fn wait_for_end(pid: u32) {
    wait_for(&format!("process {pid} to end"), || {
        (!is_alive(pid)).then_some(())
    });
}

/// A port that is free together with the one after it, outside of the range that systems give to connections, and
/// given to no other test of this process.
pub fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 5000) as u16 * 2;
    wait_for("two free ports", || {
        let offset = NEXT.fetch_add(2, Ordering::SeqCst);
        let port = 20_000 + start.wrapping_add(offset) % 10_000;
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        (bind(port).is_ok() && bind(port + 1).is_ok()).then_some(port)
    })
}
