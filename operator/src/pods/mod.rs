//! What a Job and its pods say about an attempt. Pure: nothing here reads a cluster or a clock.

mod cause;
mod failure;
mod gang;
mod message;
mod standing;
mod view;
mod waiting;

pub use failure::Failure;
pub use gang::Gang;
pub use message::{ModelMessage, Outcome, TerminationMessage};
pub use standing::{Standing, Start};
pub use view::PodView;
pub use waiting::Blocked;
