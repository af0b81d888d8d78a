//! What ranks print, as the launcher passes it on: whole lines, each with its rank.

mod lines;
mod pump;
mod tag;

pub(crate) use pump::{LastLine, Pump, Stream};
