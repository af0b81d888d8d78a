//! What a candidate does about the lease: pure, so that it can be tried against every order of events.

use std::time::Duration;

/// Time on one process's own monotonic clock. Clocks of two processes are never compared.
pub(super) type Clock = Duration;

/// How long things may take. `hold < lease`: a leader stops before another may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others must see no renewal before they may take the lease.
    pub lease: Duration,
    /// How long after the start of its last successful renewal a leader may act.
    pub hold: Duration,
    /// Pause between two looks at the lease, by the leader and by those who wait.
    pub period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            hold: Duration::from_secs(10),
            period: Duration::from_secs(5),
        }
    }
}

/// The lease as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; None where it was given back.
    pub(super) holder: Option<String>,
    /// How long the holder asks others to wait.
    pub(super) duration: Duration,
    /// Version by which the API server compares and sets.
    pub(super) version: String,
}

/// A record, and since when it has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    record: Record,
    since: Clock,
}

impl Seen {
    /// Takes in what was read. The wait for a holder starts anew whenever the lease has changed.
    pub(super) fn update(before: Option<Self>, record: Record, now: Clock) -> Self {
        let unchanged = before.filter(|seen| seen.record.version == record.version);
        unchanged.unwrap_or(Self { record, since: now })
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// There is no lease: create it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// It is free, or its holder is gone: take it.
    Take,
    /// Another holds it.
    Wait,
}

/// The next move of the candidate `me`.
pub(super) fn decide(me: &str, seen: Option<&Seen>, now: Clock) -> Move {
    let Some(Seen { record, since }) = seen else {
        return Move::Create;
    };
    match record.holder.as_deref() {
        Some(holder) if holder == me => Move::Renew,
        Some(_) if now.saturating_sub(*since) < record.duration => Move::Wait,
        Some(_) | None => Move::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(holder: Option<&str>, version: u64) -> Record {
        Record {
            holder: holder.map(str::to_owned),
            duration: Timing::default().lease,
            version: version.to_string(),
        }
    }

    fn seconds(seconds: u64) -> Clock {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_that_is_missing_free_or_ours_is_acted_upon_at_once() {
        assert_eq!(decide("a", None, seconds(0)), Move::Create);
        let free = Seen::update(None, record(None, 1), seconds(3));
        assert_eq!(decide("a", Some(&free), seconds(3)), Move::Take);
        let ours = Seen::update(None, record(Some("a"), 1), seconds(3));
        assert_eq!(decide("a", Some(&ours), seconds(300)), Move::Renew);
    }

    #[test]
    fn a_holder_is_waited_for_from_when_we_saw_its_last_renewal() {
        let first = Seen::update(None, record(Some("b"), 1), seconds(100));
        assert_eq!(decide("a", Some(&first), seconds(114)), Move::Wait);
        let same = Seen::update(Some(first), record(Some("b"), 1), seconds(114));
        assert_eq!(decide("a", Some(&same), seconds(115)), Move::Take);
        let renewed = Seen::update(Some(same), record(Some("b"), 2), seconds(115));
        assert_eq!(decide("a", Some(&renewed), seconds(129)), Move::Wait);
        assert_eq!(decide("a", Some(&renewed), seconds(130)), Move::Take);
    }

    /// One step of a candidate: when, who, how long its requests travel, and whether they arrive.
    #[derive(Clone, Debug)]
    struct Step {
        pause: u64,
        candidate: usize,
        read_delay: u64,
        write_delay: u64,
        read_lost: bool,
        write_lost: bool,
    }

    fn step() -> impl Strategy<Value = Step> {
        (
            0..4_000u64,
            0..3usize,
            0..1_000u64,
            prop_oneof![0..100u64, 0..9_000u64],
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.3),
        )
            .prop_map(
                |(pause, candidate, read_delay, write_delay, read_lost, write_lost)| Step {
                    pause,
                    candidate,
                    read_delay,
                    write_delay,
                    read_lost,
                    write_lost,
                },
            )
    }

    /// A write that travels: it arrives at the server at `arrives`, and was begun at `began`.
    struct Write {
        candidate: usize,
        began: u64,
        arrives: u64,
        based_on: u64,
    }

    /// The server's lease, and the times in which each candidate believes to lead.
    #[derive(Default)]
    struct World {
        version: u64,
        holder: Option<usize>,
        claims: Vec<(usize, u64, u64)>,
    }

    impl World {
        /// Compare and set.
        fn arrive(&mut self, write: &Write) {
            if write.based_on == self.version {
                self.version += 1;
                self.holder = Some(write.candidate);
                let end = write.began + Timing::default().hold.as_millis() as u64;
                self.claims.push((write.candidate, write.arrives, end));
            }
        }
    }

    proptest! {
        /// Clocks differ by hours, requests travel for seconds and get lost: never do two lead at one moment.
        #[test]
        fn no_two_lead_at_once(steps in prop::collection::vec(step(), 1..200), skews in prop::array::uniform3(0..10_000_000u64)) {
            let names = ["a", "b", "c"];
            let mut world = World::default();
            let mut travelling: Vec<Write> = Vec::new();
            let mut seen: [Option<Seen>; 3] = [None, None, None];
            let mut now = 0;
            for step in steps {
                now += step.pause;
                travelling.sort_by_key(|write| write.arrives);
                let arrived = travelling.iter().take_while(|write| write.arrives <= now).count();
                for write in travelling.drain(..arrived) {
                    world.arrive(&write);
                }
                let me = step.candidate;
                if step.read_lost || travelling.iter().any(|write| write.candidate == me) {
                    continue;
                }
                // What was read is as old as the answer travelled, and is noted when it arrives.
                let (version, holder) = (world.version, world.holder);
                now += step.read_delay;
                let clock = Duration::from_millis(now + skews[me]);
                if version > 0 {
                    let record = record(holder.map(|holder| names[holder]), version);
                    seen[me] = Some(Seen::update(seen[me].take(), record, clock));
                }
                if decide(names[me], seen[me].as_ref(), clock) != Move::Wait && !step.write_lost {
                    let arrives = now + step.write_delay;
                    travelling.push(Write { candidate: me, began: now, arrives, based_on: version });
                }
            }
            for (index, (one, from, until)) in world.claims.iter().enumerate() {
                for (other, begins, _) in &world.claims[index + 1..] {
                    prop_assert!(one == other || begins >= until || until <= from, "{one} leads until {until}, {other} from {begins}");
                }
            }
        }
    }
}
