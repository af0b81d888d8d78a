//! Requests to the API server: each within a time limit, counted, and tried again where the server asks for it.

mod calls;

pub use calls::{CallError, Calls, Verb};
