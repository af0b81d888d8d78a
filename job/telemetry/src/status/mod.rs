//! The page that tells where a run stands: `GET /progress`, `/metrics` and `/healthz`.

mod metrics;
mod routes;
mod server;

pub use server::{StatusServer, serve, serve_with};

use crate::progress::Progress;
use crate::rank::Rank;
use std::net::SocketAddr;

/// The variable that holds the address to answer on, such as `0.0.0.0:9464`.
const ADDRESS: &str = "SPLADE_STATUS_ADDRESS";

/// A page that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Not an address.
    #[error("{ADDRESS}={0}: not an address and a port, such as 0.0.0.0:9464")]
    Address(String),
    /// The address cannot be had.
    #[error("{address}: the status page cannot be served here: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Serves `progress` on the address in `SPLADE_STATUS_ADDRESS`. None where it is not set, and on every rank but the
/// first.
///
/// # Errors
/// An address that is none, or that cannot be had.
pub fn serve_by_environment(
    progress: &Progress,
    rank: Rank,
) -> Result<Option<StatusServer>, StatusError> {
    let address = std::env::var(ADDRESS).ok().filter(|text| !text.is_empty());
    let Some(address) = address.filter(|_| rank.rank == 0) else {
        return Ok(None);
    };
    let Ok(address) = address.parse() else {
        return Err(StatusError::Address(address));
    };
    let server = serve(address, progress.clone())?;
    tracing::info!(address = %server.local_addr(), "serving /progress, /metrics and /healthz");
    Ok(Some(server))
}
