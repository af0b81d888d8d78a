//! What the tests of storage share.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use splade_storage::{Bounds, Location, S3Settings, Storage, open};
use splade_test_faults::{Moto, Proxy};

pub const MIB: usize = 1 << 20;
/// Room for all that a test moves.
pub const ROOM: Bounds = Bounds {
    objects: 10_000,
    bytes: 1 << 30,
};

/// The S3 server of this test binary. It ends with the process.
pub fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(Moto::start)
}

/// Settings with deadlines for impatient tests.
pub fn settings(endpoint: String) -> S3Settings {
    S3Settings {
        endpoint: Some(endpoint),
        credentials_file: Some(moto().credentials_file()),
        part_bytes: 5 << 20,
        parallel_parts: 3,
        attempts: 5,
        first_backoff: Duration::from_millis(10),
        longest_backoff: Duration::from_millis(50),
        connect_timeout: Duration::from_secs(5),
        attempt_timeout: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(1),
        deadline: Duration::from_secs(60),
        ..S3Settings::default()
    }
}

/// The storage at a place, by these settings.
pub fn at(location: &str, settings: &S3Settings) -> Arc<dyn Storage> {
    open(&location.parse::<Location>().unwrap(), settings).unwrap()
}

/// A bucket of this name and the storage in it, past all proxies.
pub fn bucket(name: &str) -> Arc<dyn Storage> {
    moto().create_bucket(name);
    at(&format!("s3://{name}/runs"), &settings(moto().endpoint()))
}

/// A bucket of this name, a proxy before it, and the storage behind that.
pub fn behind_proxy(name: &str) -> (Proxy, Arc<dyn Storage>) {
    behind_proxy_with(name, |_| {})
}

/// The same with other settings.
pub fn behind_proxy_with(
    name: &str,
    change: impl FnOnce(&mut S3Settings),
) -> (Proxy, Arc<dyn Storage>) {
    moto().create_bucket(name);
    let proxy = Proxy::start(moto().address());
    let mut settings = settings(proxy.endpoint());
    change(&mut settings);
    let storage = at(&format!("s3://{name}/runs"), &settings);
    (proxy, storage)
}

/// Bytes that look like nothing.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A file with this content.
pub fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

/// The keys of a listing.
pub fn keys(storage: &dyn Storage, prefix: &str) -> Vec<String> {
    let objects = storage.list(prefix, 10_000).unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

/// Names of everything in a folder, also of what no storage lists.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
