//! Exported models in transformers and sentence-transformers, and what `encode` says of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use std::fs;

const TEXTS: [&str; 4] = [
    "어르신은 버스를 공짜로 탈 수 있나요?",
    "김치를 오래 두고 먹는 법",
    "물은 몇 도에서 끓나요? 그리고 높은 산에서는 왜 더 낮은 온도에서 끓는지 알려줘.",
    "도서관",
];

fn export(dtype: &str, mask: bool) -> Workspace {
    let workspace = Workspace::new();
    let extra = format!("  export: {{uri: runs/small/export, dtype: {dtype}}}\n");
    let manifest = workspace.manifest(&Recipe {
        extra,
        ..Recipe::default()
    });
    if !mask {
        let text = fs::read_to_string(&manifest)
            .unwrap()
            .replace("{base: model}", "{base: model, maskSpecialTokens: false}");
        fs::write(&manifest, text).unwrap();
    }
    workspace.job(&format!("run -f {}", manifest.display()));
    workspace
}

fn encode(workspace: &Workspace) -> std::path::PathBuf {
    let input = workspace.path().join("texts.jsonl");
    let lines: Vec<String> = TEXTS
        .iter()
        .map(|text| serde_json::json!({"text": text, "id": 7}).to_string())
        .collect();
    fs::write(&input, lines.join("\n")).unwrap();
    workspace.job("encode --model runs/small/export --input texts.jsonl --output vectors.raw --field text --keys ids");
    let raw = fs::read_to_string(workspace.path().join("vectors.raw")).unwrap();
    let with_text: Vec<String> = raw
        .lines()
        .zip(TEXTS)
        .map(|(line, text)| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["id"], 7, "other fields are passed on");
            record["text"] = text.into();
            record.to_string()
        })
        .collect();
    assert_eq!(with_text.len(), TEXTS.len());
    let path = workspace.path().join("vectors.jsonl");
    fs::write(&path, with_text.join("\n")).unwrap();
    path
}

#[test]
fn python_loads_it_unchanged_and_computes_the_same_vectors() {
    for (dtype, torch, mask) in [
        ("FP32", "float32", true),
        ("BF16", "bfloat16", true),
        ("FP32", "float32", false),
    ] {
        let workspace = export(dtype, mask);
        let vectors = encode(&workspace);
        let folder = workspace.path().join("runs/small/export");
        let printed = common::python("export_check.py", &[&folder, &vectors, torch.as_ref()]);
        assert!(printed.contains("4 vectors agree"), "{printed}");
    }
}

#[test]
fn special_tokens_are_no_terms_of_a_masked_model() {
    let workspace = export("FP32", true);
    let printed = common::text(
        common::splade_job(
            &[
                "encode",
                "--model",
                "runs/small/export",
                "--input",
                "data/source/city.jsonl",
            ],
            workspace.path(),
        ),
        "encode",
    );
    assert!(printed.lines().count() >= 100);
    for line in printed.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
            assert!(record["vector"].get(token).is_none(), "{line}");
        }
    }
}

#[test]
fn top_k_and_threshold_keep_the_strongest() {
    let workspace = export("FP32", true);
    fs::write(workspace.path().join("line.txt"), TEXTS[2]).unwrap();
    let weights = |options: &str| -> Vec<f64> {
        let printed = workspace.job(&format!(
            "encode --model runs/small/export --input line.txt {options}"
        ));
        let record: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let mut weights: Vec<f64> = record["vector"]
            .as_object()
            .unwrap()
            .values()
            .map(|w| w.as_f64().unwrap())
            .collect();
        weights.sort_by(|left, right| right.total_cmp(left));
        weights
    };
    let all = weights("");
    assert!(all.len() > 10);
    assert_eq!(weights("--top-k 5"), all[..5]);
    let threshold = all[3];
    let kept: Vec<f64> = all
        .iter()
        .copied()
        .filter(|weight| *weight >= threshold)
        .collect();
    assert_eq!(weights(&format!("--threshold {threshold}")), kept);
}
