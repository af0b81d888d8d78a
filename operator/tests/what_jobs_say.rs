//! The operator reads what the job of this repository writes: progress, and termination messages.
#![allow(clippy::unwrap_used)]

use k8s_openapi::jiff::Timestamp;
use splade_launch::{ModelMessage, Outcome, TerminationError, TerminationMessage};
use splade_operator::pods::{self, TerminationMessage as Read};
use splade_operator::training::ProgressReport;
use splade_telemetry::{ActiveDimensions, CheckpointRecord, Phase, ProgressReport as Written};

const CHECKPOINT: &str = "s3://runs/tiny/attempt-0002/step-00000150";
const EARLIER: &str = "s3://runs/tiny/attempt-0001/step-00000100";

#[test]
fn progress_is_read_as_it_was_written() {
    let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let written = Written {
        phase: Phase::Training,
        epoch: 2,
        step: 151,
        total_steps: 2000,
        loss: Some(1.5),
        active_dimensions: Some(ActiveDimensions {
            query: 12.0,
            document: 130.5,
        }),
        triplets_per_second: Some(371.0),
        mfu: Some(0.25),
        estimated_completion_time: Some(time),
        checkpoint: Some(CheckpointRecord {
            uri: CHECKPOINT.into(),
            step: 150,
            time,
        }),
        resumed_from: Some(EARLIER.into()),
        last_reported: Some(time),
        ..Written::default()
    };
    let read: ProgressReport =
        serde_json::from_slice(&serde_json::to_vec(&written).unwrap()).unwrap();
    let checkpoint = read.checkpoint.unwrap();
    assert_eq!((read.epoch, read.step, read.total_steps), (2, 151, 2000));
    assert_eq!((read.loss, read.mfu), (written.loss, written.mfu));
    assert_eq!(read.triplets_per_second, written.triplets_per_second);
    let dimensions = read.active_dimensions.unwrap();
    assert_eq!((dimensions.query, dimensions.document), (12.0, 130.5));
    assert_eq!(
        (checkpoint.uri.as_str(), checkpoint.step, checkpoint.time),
        (CHECKPOINT, 150, time)
    );
    assert_eq!(read.resumed_from.as_deref(), Some(EARLIER));
    assert_eq!(
        (read.estimated_completion_time, read.last_reported),
        (Some(time), Some(time))
    );
    assert_ne!(
        read.phase,
        ProgressReport::default().phase,
        "Training is not the default"
    );
}

#[test]
fn termination_messages_are_read_as_they_were_written() {
    for (written, expected) in [
        (Outcome::Succeeded, pods::Outcome::Succeeded),
        (Outcome::Interrupted, pods::Outcome::Interrupted),
        (Outcome::Stalled, pods::Outcome::Stalled),
        (Outcome::NodeLost, pods::Outcome::NodeLost),
        (Outcome::Failed, pods::Outcome::Failed),
    ] {
        let message = TerminationMessage {
            outcome: written,
            exit_code: 70,
            step: Some(150),
            total_steps: Some(2000),
            checkpoint: Some(CHECKPOINT.into()),
            resumed_from: Some(EARLIER.into()),
            model_digest: None,
            model: Some(ModelMessage {
                uri: "s3://models/tiny".into(),
                digest: "sha256:ab".into(),
            }),
            benchmark: Some(serde_json::json!({"dataset": {"queries": 895, "documents": 958}})),
            error: Some(TerminationError {
                rank: Some(3),
                message: "손상된 데이터".into(),
            }),
        };
        let read: Read = serde_json::from_str(&message.to_json().unwrap()).unwrap();
        assert_eq!(read.outcome, expected);
        assert_eq!((read.step, read.total_steps), (Some(150), Some(2000)));
        assert_eq!(read.checkpoint, message.checkpoint);
        assert_eq!(read.resumed_from, message.resumed_from);
        let (model, error) = (read.model.unwrap(), read.error.unwrap());
        assert_eq!(
            (model.uri.as_str(), model.digest.as_str()),
            ("s3://models/tiny", "sha256:ab")
        );
        assert_eq!(
            (error.rank, error.message.as_str()),
            (Some(3), "손상된 데이터")
        );
        assert_eq!(read.benchmark.unwrap().dataset.unwrap().queries, 895);
    }
}
