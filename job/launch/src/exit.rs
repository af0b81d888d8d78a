//! How processes end, and what that means for a training.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Classes of failure by exit code, as `sysexits.h` numbers them; the operator decides by them what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitClass {
    /// Bad arguments.
    Usage = 64,
    /// Bad data.
    Data = 65,
    /// An input is missing.
    NoInput = 66,
    /// A fault of the program, or a run that cannot learn.
    Software = 70,
    /// Stopped from outside after saving, stalled, or storage and machines that fail.
    Temporary = 75,
    /// Bad configuration.
    Configuration = 78,
}

impl ExitClass {
    const ALL: [Self; 6] = [
        Self::Usage,
        Self::Data,
        Self::NoInput,
        Self::Software,
        Self::Temporary,
        Self::Configuration,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The class that an exit code stands for; none where it is no code of the contract.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| i32::from(class.code()) == code)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It left with this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // A status without either is that of a process that goes on, which `wait` does not return.
            (None, None) => Self::Signal(0),
        }
    }
}

impl End {
    pub(crate) fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// Whether a process that is asked to leave ends so: after saving, or because it did not hear signals yet.
    pub(crate) fn is_leave(self) -> bool {
        matches!(self, Self::Code(code) if ExitClass::from_code(code) == Some(ExitClass::Temporary))
            || self == Self::Signal(signal_hook::consts::SIGTERM)
    }

    /// The class of a rank that ended without success.
    ///
    /// An exit code of the contract is its own class and any other code is a fault of the program. Signals that a
    /// program brings on itself (a bad access, an abort) are a fault of the program too. All others come from
    /// outside, from a person, the kubelet or the kernel of a node short of memory: infrastructure, another place
    /// may do. The exception is `out_of_memory`, the kernel enforcing this container's own limit: the next attempt
    /// would meet the same limit, so it counts as the program's.
    pub(crate) fn class(self, out_of_memory: bool) -> ExitClass {
        use signal_hook::consts::{
            SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGPIPE, SIGSEGV, SIGSYS, SIGTRAP,
        };
        match self {
            Self::Code(code) => ExitClass::from_code(code).unwrap_or(ExitClass::Software),
            Self::Signal(SIGKILL) if out_of_memory => ExitClass::Software,
            Self::Signal(
                SIGABRT | SIGBUS | SIGFPE | SIGILL | SIGPIPE | SIGSEGV | SIGSYS | SIGTRAP,
            ) => ExitClass::Software,
            Self::Signal(_) => ExitClass::Temporary,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(formatter, "left with exit code {code}"),
            Self::Signal(signal) => match signal_hook::low_level::signal_name(signal) {
                Some(name) => write!(formatter, "was ended by {name}"),
                None => write!(formatter, "was ended by signal {signal}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use signal_hook::consts::{SIGABRT, SIGHUP, SIGKILL, SIGSEGV, SIGTERM};

    #[test]
    fn codes_of_the_contract_are_their_own_class() {
        for code in [64, 65, 66, 70, 75, 78] {
            assert_eq!(i32::from(End::Code(code).class(false).code()), code);
        }
    }

    #[test]
    fn signals_from_outside_are_infrastructure_and_faults_are_not() {
        for signal in [SIGKILL, SIGTERM, SIGHUP] {
            assert_eq!(End::Signal(signal).class(false), ExitClass::Temporary);
        }
        for signal in [SIGSEGV, SIGABRT] {
            assert_eq!(End::Signal(signal).class(false), ExitClass::Software);
        }
    }

    #[test]
    fn the_containers_own_memory_limit_is_the_programs_fault() {
        assert_eq!(End::Signal(SIGKILL).class(true), ExitClass::Software);
        assert_eq!(End::Signal(SIGTERM).class(true), ExitClass::Temporary);
    }

    proptest! {
        #[test]
        fn any_other_code_is_a_fault_of_the_program(code in 1..=255_i32) {
            prop_assume!(ExitClass::from_code(code).is_none());
            prop_assert_eq!(End::Code(code).class(false), ExitClass::Software);
            prop_assert!(!End::Code(code).is_success());
        }
    }
}
