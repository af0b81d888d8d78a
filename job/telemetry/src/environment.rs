//! The variables that change what a run does, for a bug report.

/// How the names of variables begin that this program, libtorch or what it calls reads.
const READ: [&str; 9] = [
    "SPLADE_", "OMP_", "MKL_", "NCCL_", "GLOO_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_",
];
/// Further ones: what torchrun and `splade-job launch` tell a rank.
const RANKS: [&str; 6] = [
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "RUST_LOG",
];
/// A name with one of these holds a secret.
const SECRET: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "AUTH"];

/// Those of `variables` that matter, by name. Of a secret only that it is set.
pub fn relevant_variables(
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let mut relevant: Vec<(String, String)> = variables
        .filter(|(name, _)| {
            READ.iter().any(|start| name.starts_with(start)) || RANKS.contains(&name.as_str())
        })
        .map(|(name, value)| {
            let value = if is_secret(&name, &value) {
                "(set, not shown)".to_owned()
            } else {
                value
            };
            (name, value)
        })
        .collect();
    relevant.sort();
    relevant
}

/// A value with an at sign may be an address with a password in it.
fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    SECRET.iter().any(|word| name.contains(word)) || value.contains('@')
}

#[cfg(test)]
mod tests {
    use super::relevant_variables;

    #[test]
    fn what_matters_is_shown_and_secrets_are_not() {
        let set = [
            ("OMP_NUM_THREADS", "2"),
            ("HOME", "/root"),
            ("SPLADE_STATUS_ADDRESS", "0.0.0.0:9464"),
            ("SPLADE_API_TOKEN", "hunter2"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("NCCL_NET", "http://me:hunter2@proxy"),
            ("RANK", "0"),
        ];
        let owned = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let shown = relevant_variables(owned.into_iter());
        let lines: Vec<String> = shown
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            lines,
            [
                "NCCL_NET=(set, not shown)",
                "OMP_NUM_THREADS=2",
                "RANK=0",
                "SPLADE_API_TOKEN=(set, not shown)",
                "SPLADE_STATUS_ADDRESS=0.0.0.0:9464",
            ]
        );
    }
}
