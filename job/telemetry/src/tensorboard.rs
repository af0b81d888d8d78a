//! TensorBoard event files: protocol buffers in TFRecord frames.
//!
//! The messages are the four fields of `tensorflow.Event` that a scalar needs (event.proto, summary.proto); a
//! frame is length, masked CRC-32C of the length, data, masked CRC-32C of the data (tensorflow's record writer).

use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    // One of several kinds of value: it must be written even where it is zero.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// One event file, written as the run goes.
#[derive(Debug)]
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Starts a file in `folder`, which TensorBoard takes as one run.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = format!(
            "events.out.tfevents.{}.splade-job.{}",
            now() as u64,
            std::process::id()
        );
        let mut file = Self {
            file: File::create(folder.join(name))?,
        };
        let version = Some("brain.Event:2".to_owned());
        file.write(&Event {
            wall_time: now(),
            step: 0,
            file_version: version,
            summary: None,
        })?;
        Ok(file)
    }

    /// Adds scalars of one step.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add<'a>(
        &mut self,
        step: u64,
        scalars: impl Iterator<Item = (&'a str, f64)>,
    ) -> std::io::Result<()> {
        let value = scalars
            .map(|(tag, value)| Scalar {
                tag: tag.to_owned(),
                simple_value: Some(value as f32),
            })
            .collect();
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.write(&Event {
            wall_time: now(),
            step,
            file_version: None,
            summary: Some(Summary { value }),
        })
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let mut frame = Vec::with_capacity(data.len() + 16);
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&masked_crc(&length).to_le_bytes());
        frame.extend_from_slice(&data);
        frame.extend_from_slice(&masked_crc(&data).to_le_bytes());
        self.file.write_all(&frame)
    }
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
