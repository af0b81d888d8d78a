//! What commands say to wrong arguments and odd places, and that they spare what lies there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::Workspace;
use std::fs;

fn fails(workspace: &Workspace, arguments: &str, code: i32, part: &str) {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = common::splade_job(&arguments, workspace.path());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(errors.contains(part), "{part:?} is not in: {errors}");
}

#[test]
fn encode_spares_its_input_and_an_older_output() {
    let workspace = Workspace::new();
    let file = |name: &str| workspace.path().join(name);
    fs::write(file("texts.txt"), "물은 몇 도에서 끓나요?\n").unwrap();
    workspace.job("encode --model model -i texts.txt -o texts.txt");
    let written = fs::read_to_string(file("texts.txt")).unwrap();
    assert!(written.contains("\"vector\""), "{written}");
    fs::write(file("bad.jsonl"), "{\"text\": \"좋다\"}\n{\"text\": 7}\n").unwrap();
    fails(
        &workspace,
        "encode --model model -i bad.jsonl -o texts.txt --field text",
        65,
        "bad.jsonl, line 2",
    );
    assert_eq!(fs::read_to_string(file("texts.txt")).unwrap(), written);
    fs::write(
        file("taken.jsonl"),
        "{\"text\": \"좋다\", \"vector\": [1]}\n",
    )
    .unwrap();
    fails(
        &workspace,
        "encode --model model -i taken.jsonl --field text",
        65,
        "taken.jsonl, line 1",
    );
}

#[test]
fn numbers_without_sense_are_wrong_arguments() {
    let workspace = Workspace::new();
    for wrong in [
        "--threshold NaN",
        "--threshold=-1",
        "--top-k 0",
        "--max-length 0",
    ] {
        fails(
            &workspace,
            &format!("encode --model model {wrong}"),
            64,
            "--",
        );
    }
}

#[test]
fn files_in_the_place_of_folders_are_not_worth_a_second_try() {
    let workspace = Workspace::new();
    fs::write(workspace.path().join("file"), "x").unwrap();
    fails(&workspace, "encode --model file -i file", 66, "file");
    fails(&workspace, "run -f data", 66, "data");
    fails(
        &workspace,
        "benchmark --model model --data nope",
        66,
        "nope",
    );
    fails(&workspace, "benchmark", 64, "-f FILE");
}

#[test]
fn a_model_half_made_is_made_again() {
    let workspace = Workspace::new();
    let init = "init --text data/corpus.jsonl data/train.jsonl --out model --vocab-size 3000 --hidden-size 64";
    fails(&workspace, init, 64, "holds a model already");
    let model = workspace.path().join("model");
    let whole = fs::read(model.join("model.safetensors")).unwrap();
    fs::remove_file(model.join("config.json")).unwrap();
    fs::write(model.join("model.safetensors"), &whole[..100]).unwrap();
    workspace.job(init);
    assert_eq!(fs::read(model.join("model.safetensors")).unwrap(), whole);
}

#[test]
fn impossible_configurations_are_data_errors() {
    let workspace = Workspace::new();
    let path = workspace.path().join("model/config.json");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(workspace.path().join("texts.txt"), "물\n").unwrap();
    for (field, value) in [
        ("max_position_embeddings", "-1"),
        ("max_position_embeddings", "400000000000"),
        ("local_attention", "0"),
        ("global_attn_every_n_layers", "0"),
        ("decoder_bias", "false"),
        ("intermediate_size", "0"),
    ] {
        let mut config: serde_json::Value = serde_json::from_str(&good).unwrap();
        config[field] = serde_json::from_str(value).unwrap();
        fs::write(&path, config.to_string()).unwrap();
        fails(&workspace, "encode --model model -i texts.txt", 65, field);
    }
}

#[test]
fn initial_weights_may_come_from_an_ordinary_folder() {
    let workspace = Workspace::new();
    // As transformers wrote it for years: the tied decoder is stored as well.
    let folder = workspace.path().join("start");
    fs::create_dir(&folder).unwrap();
    let mut tensors =
        tch::Tensor::read_safetensors(workspace.path().join("model/model.safetensors")).unwrap();
    let embedding = tensors
        .iter()
        .find(|(name, _)| name.ends_with("tok_embeddings.weight"))
        .unwrap()
        .1
        .copy();
    tensors.push(("decoder.weight".to_owned(), embedding));
    tch::Tensor::write_safetensors(&tensors, folder.join("model.safetensors")).unwrap();
    let manifest = workspace.manifest(&common::workspace::Recipe {
        max_steps: 1,
        extra: "  initFrom: {uri: start}\n".into(),
        ..Default::default()
    });
    workspace.job(&format!("train -f {}", manifest.display()));
}

/// The termination message in a file of the workspace.
fn message(workspace: &Workspace, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(workspace.path().join(name)).unwrap()).unwrap()
}

#[test]
fn wrong_arguments_of_a_pod_leave_a_message() {
    let workspace = Workspace::new();
    for command in ["launch", "export", "benchmark"] {
        for log in ["--termination-log=left.json", "--termination-log left.json"] {
            let _ = fs::remove_file(workspace.path().join("left.json"));
            let arguments = format!("{command} -f a.yaml {log} --no-such-flag");
            fails(&workspace, &arguments, 64, "--no-such-flag");
            let message = message(&workspace, "left.json");
            assert_eq!(message["outcome"], "Failed", "{command}: {message}");
            assert_eq!(message["exitCode"], 64, "{command}: {message}");
            let said = message["error"]["message"].as_str().unwrap();
            assert!(said.contains("--no-such-flag"), "{said}");
        }
    }
}

#[test]
fn doing_nothing_is_no_success() {
    let workspace = Workspace::new();
    let training = workspace.manifest(&common::workspace::Recipe::default());
    let text = fs::read_to_string(&training).unwrap();
    let benchmark = "apiVersion: neuralsparse.dev/v1alpha1\nkind: SpladeBenchmark\nmetadata: {name: alone}\nspec:\n  \
                     model: {uri: model}\n  dataset: {name: quickstart, uri: data}\n  pod: {deviceResource: none}\n";
    let file = |name: &str, text: &str| fs::write(workspace.path().join(name), text).unwrap();
    file("alone.yaml", benchmark);
    let exported = |name: &str| {
        text.replace("name: small", &format!("name: {name}"))
            + &format!("  export: {{uri: runs/{name}/export}}\n")
    };
    file(
        "exports.yaml",
        &format!("{}---\n{}", exported("one"), exported("two")),
    );
    let second = benchmark.replace("alone", "another");
    file("benchmarks.yaml", &format!("{benchmark}---\n{second}"));
    for (arguments, part) in [
        ("export -f small.yaml", "add export.uri"),
        ("export -f alone.yaml", "add export.uri"),
        ("benchmark -f small.yaml", "add a SpladeBenchmark"),
        ("export -f exports.yaml", "give one SpladeTraining"),
        ("benchmark -f benchmarks.yaml", "give one SpladeBenchmark"),
    ] {
        let arguments = format!("{arguments} --termination-log left.json");
        fails(&workspace, &arguments, 78, part);
        let message = message(&workspace, "left.json");
        assert_eq!(message["exitCode"], 78, "{arguments}: {message}");
    }
}
