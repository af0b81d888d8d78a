//! What the tests launch: `launch [--FLAG VALUE]... -- PROGRAM ARGUMENT...` is a launcher, and `rank [RANK:]ACTION...` a
//! rank that does one action after another, those of another rank left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a part of tests, which fail by panicking"
)]

use signal_hook::consts::SIGTERM;
use splade_launch::{
    Conclusion, ExitClass, Failure, Flags, Gang, Limits, Phase, RankError, Reporter, Shape,
    TerminationLog, die_with_parent, launch,
};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, exit};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("launch") => be_launcher(arguments),
        Some("rank") => be_rank(arguments),
        other => panic!("no role {other:?}"),
    }
}

fn be_launcher(mut arguments: impl Iterator<Item = String>) {
    let mut given = HashMap::new();
    while let Some(flag) = arguments.next().filter(|argument| argument != "--") {
        given.insert(flag, arguments.next().expect("a flag has a value"));
    }
    let program: Vec<String> = arguments.collect();
    let log = TerminationLog::new(given.get("--log").map(Into::into));
    let conclusion = log.conclude(|| start(&given, &program));
    if let Some(failure) = &conclusion.failure {
        eprintln!("error: {failure}");
    }
    exit(conclusion.exit_code().into());
}

fn start(given: &HashMap<String, String>, program: &[String]) -> Conclusion {
    fn number<T: FromStr>(given: &HashMap<String, String>, flag: &str) -> Option<T> {
        let text = given.get(flag)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{flag} {text}")))
    }
    let milliseconds =
        |flag, default| Duration::from_millis(number(given, flag).unwrap_or(default));
    let flags = Flags {
        nodes: number(given, "--nodes"),
        node_rank: number(given, "--node-rank"),
        ranks_per_node: number(given, "--ranks-per-node"),
        master_addr: given.get("--master-addr").cloned(),
        master_port: number(given, "--master-port"),
    };
    let alone = Shape {
        nodes: 1,
        ranks_per_node: 1,
    };
    let gang = match Gang::resolve(&flags, |name| std::env::var(name).ok(), alone) {
        Ok(gang) => gang,
        Err(error) => return Failure::new(error.class(), error).into(),
    };
    let limits = Limits {
        finish: milliseconds("--finish", 60_000),
        silence: milliseconds("--silence", 30_000),
        ..Limits::new(
            milliseconds("--stall", 300_000),
            milliseconds("--termination", 300_000),
        )
    };
    launch(&gang, &limits, |_| {
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]);
        command
    })
}

struct Rank {
    number: u32,
    reporter: Reporter,
    asked: Arc<AtomicBool>,
}

fn be_rank(actions: impl Iterator<Item = String>) {
    die_with_parent().unwrap();
    let rank = Rank {
        number: std::env::var("RANK").unwrap().parse().unwrap(),
        reporter: Reporter::from_env().unwrap(),
        asked: Arc::default(),
    };
    for action in actions {
        match action.split_once(':') {
            Some((number, action)) if number.parse() == Ok(rank.number) => rank.act(action),
            Some((number, _)) if number.parse::<u32>().is_ok() => {}
            _ => rank.act(&action),
        }
    }
}

impl Rank {
    fn act(&self, action: &str) {
        let (verb, value) = action.split_once('=').unwrap_or((action, ""));
        match verb {
            "ready" => self.say_ready(value),
            "lines" => self.write_lines(value.parse().unwrap()),
            "print" => println!("{value}"),
            "begin" => print!("{value}"),
            "step" => self.reporter.update(|report| {
                report.phase = Phase::Training;
                report.step = value.parse().unwrap();
                report.total_steps = Some(1000);
            }),
            "saving" => self.reporter.update(|report| report.phase = Phase::Saving),
            "checkpoint" => self
                .reporter
                .update(|report| report.checkpoint = Some(value.into())),
            "digest" => self
                .reporter
                .update(|report| report.model_digest = Some(value.into())),
            "error" => self.fail(value),
            // SIGTERM is heard from here on.
            "listen" => {
                signal_hook::flag::register(SIGTERM, Arc::clone(&self.asked)).unwrap();
            }
            "train" => self.train(),
            "child" => self.start_child(value),
            "sleep" => sleep(Duration::from_millis(value.parse().unwrap())),
            "hang" => self.hang(),
            "await" => {
                while !Path::new(value).exists() {
                    sleep(Duration::from_millis(5));
                }
            }
            "exit" => exit(value.parse().unwrap()),
            _ => panic!("no action {action}"),
        }
    }

    /// Writes its process id to a file of the folder.
    fn say_ready(&self, folder: &str) {
        let file = format!("{folder}/rank-{}", self.number);
        std::fs::write(format!("{file}.new"), std::process::id().to_string()).unwrap();
        std::fs::rename(format!("{file}.new"), file).unwrap();
    }

    fn write_lines(&self, count: u32) {
        let (mut output, mut error) = (std::io::stdout(), std::io::stderr());
        for line in 0..count {
            let filler = "가".repeat(line as usize % 300);
            let number = self.number;
            writeln!(output, "line {line} of {number} {filler}.").unwrap();
            writeln!(
                error,
                "{{\"line\":{line},\"of\":{number},\"filler\":\"{filler}\"}}"
            )
            .unwrap();
        }
    }

    fn fail(&self, message: &str) {
        let message = match message.strip_prefix("long ") {
            Some(text) => text.repeat(10_000),
            None => message.to_owned(),
        };
        self.reporter.update(|report| {
            report.error = Some(RankError {
                class: ExitClass::Software,
                message,
            });
        });
    }

    /// Says when it is asked to leave, but stays.
    fn hang(&self) {
        while !self.asked.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10));
        }
        println!("asked to leave");
        loop {
            sleep(Duration::from_secs(1));
        }
    }

    /// Steps on until it is asked to leave; then saves and leaves.
    fn train(&self) {
        loop {
            self.reporter.update(|report| report.step += 1);
            sleep(Duration::from_millis(10));
            if self.asked.load(Ordering::SeqCst) {
                self.reporter.update(|report| {
                    report.checkpoint = Some(format!("file:///runs/step-{}", report.step));
                });
                println!("saved");
                exit(75);
            }
        }
    }

    /// Starts a process of its own, and writes its process id to the file.
    #[allow(
        clippy::zombie_processes,
        reason = "what becomes of it is the launcher's business"
    )]
    fn start_child(&self, file: &str) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        std::fs::write(file, child.id().to_string()).unwrap();
    }
}
