//! Which of the processes of a training this one is.

/// Place of this process among those that train together, as torchrun and `splade-job launch` tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Number of this process, from 0.
    pub rank: u32,
    /// How many there are.
    pub world_size: u32,
}

impl Rank {
    /// One process without others.
    pub(crate) const ALONE: Self = Self {
        rank: 0,
        world_size: 1,
    };

    /// From `RANK` and `WORLD_SIZE`. None where they are not set, or are no numbers, which whoever joins the ranks
    /// refuses.
    pub(crate) fn from_environment() -> Option<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        Some(Self {
            rank: number("RANK")?,
            world_size: number("WORLD_SIZE")?,
        })
    }

    /// Whether there are others.
    pub fn has_company(self) -> bool {
        self.world_size > 1
    }
}
