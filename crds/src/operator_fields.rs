//! Which fields the job never reads, and why.
//!
//! Every other field of a spec must be consumed by the job: a setting that nothing reads is a lie.

/// A field (or a whole section) that only the operator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorField {
    /// Path below `spec`, in the notation of [`crate::schema::leaf_paths`]. A path of a section
    /// stands for all its fields.
    pub path: &'static str,
    /// Why the job has no use for it.
    pub reason: &'static str,
}

const POD: &str = "builds the pod, before the job exists";
const ATTEMPTS: &str = "rules over attempts as a whole, which the job in a pod does not see";

const fn field(path: &'static str, reason: &'static str) -> OperatorField {
    OperatorField { path, reason }
}

/// Fields of `SpladeTraining.spec` that only the operator reads.
pub const TRAINING_OPERATOR_FIELDS: &[OperatorField] = &[
    field("benchmarks[].pod", POD),
    field("gang.env", POD),
    field("gang.image", POD),
    field("gang.imagePullSecrets", POD),
    field("gang.nodeSelector", POD),
    field("gang.priorityClassName", POD),
    field("gang.resources", POD),
    field("gang.scheduler", POD),
    field("gang.serviceAccountName", POD),
    field("gang.sharedMemory", POD),
    field("gang.tolerations", POD),
    field("gang.volumes", POD),
    field("runPolicy.activeDeadlineSeconds", ATTEMPTS),
    field("runPolicy.backoff", ATTEMPTS),
    field("runPolicy.infrastructureRestarts", ATTEMPTS),
    field("runPolicy.maxRestarts", ATTEMPTS),
    field("runPolicy.startupDeadlineSeconds", ATTEMPTS),
    field("runPolicy.suspend", "a process is asked to stop by SIGTERM"),
    field("runPolicy.ttlSecondsAfterFinished", "deletes the object"),
];

/// Fields of `SpladeBenchmark.spec` that only the operator reads.
pub const BENCHMARK_OPERATOR_FIELDS: &[OperatorField] = &[
    field("pod", POD),
    field("ttlSecondsAfterFinished", "deletes the object"),
];

/// Whether a path of [`crate::schema::leaf_paths`] lies in one of `fields`.
pub fn read_by_operator_only(path: &str, fields: &[OperatorField]) -> bool {
    fields.iter().any(|field| {
        path.strip_prefix(field.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{benchmark_spec, leaf_paths, training_spec};

    #[test]
    fn every_entry_names_existing_fields() {
        for (fields, schema) in [
            (TRAINING_OPERATOR_FIELDS, training_spec()),
            (BENCHMARK_OPERATOR_FIELDS, benchmark_spec()),
        ] {
            let paths = leaf_paths(&schema);
            for field in fields {
                let alone = std::slice::from_ref(field);
                assert!(
                    paths.iter().any(|path| read_by_operator_only(path, alone)),
                    "{} names no field",
                    field.path
                );
                assert!(!field.reason.is_empty());
            }
        }
    }

    #[test]
    fn a_section_stands_for_its_fields_only() {
        let fields = [field("gang.env", POD)];
        assert!(read_by_operator_only("gang.env[].name", &fields));
        assert!(read_by_operator_only("gang.env", &fields));
        assert!(!read_by_operator_only("gang.envelope", &fields));
        assert!(!read_by_operator_only("gang", &fields));
    }
}
