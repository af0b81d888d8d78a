//! The ranks that train together: who this process is among them, and what they tell one another.

mod gang;
mod world;

pub use gang::{Gang, GangError};
pub use world::{World, WorldError};
