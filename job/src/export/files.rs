//! The files of an exported model.

use super::card::ModelCard;
use crate::checkpoint::{CheckpointError, Manifest};
use crate::model::{ModelError, Splade, StoredKind};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Tokenizer files that are taken over where the base model has them.
const TOKENIZER_FILES: [&str; 3] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// Where a model goes and in which shape.
#[derive(Clone, Debug)]
pub struct ExportPlan {
    /// The folder to write.
    pub folder: PathBuf,
    /// The base model's folder, which has the tokenizer.
    pub base: PathBuf,
    /// Type of the stored weights.
    pub kind: StoredKind,
    /// The model was trained without special tokens: its tokenizer must add none.
    pub omit_special_tokens: bool,
    /// Where the exported tokenizer cuts a text, in tokens.
    pub max_length: usize,
}

/// An export that fails.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What the file system says.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The base model's tokenizer cannot be taken over.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] CheckpointError),
}

impl ExportError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Writes the folder beside its final name and renames it, so that it is whole or absent. Returns its manifest.
///
/// # Errors
/// What the file system says, or a tokenizer file that is no JSON.
pub fn export(
    model: &Splade,
    plan: &ExportPlan,
    card: &ModelCard,
) -> Result<Manifest, ExportError> {
    let target = &plan.folder;
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(ExportError::io(parent))?;
    let partial = tempfile::Builder::new()
        .prefix(".export-")
        .tempdir_in(parent)
        .map_err(ExportError::io(parent))?;
    let folder = partial.path();
    model.save(folder, plan.kind)?;
    let mut names = vec!["config.json", "model.safetensors", "README.md"];
    for name in TOKENIZER_FILES {
        if plan.base.join(name).exists() {
            write_tokenizer_file(plan, name, folder)?;
            names.push(name);
        }
    }
    let pooling = folder.join("1_SpladePooling");
    fs::create_dir(&pooling).map_err(ExportError::io(&pooling))?;
    for (name, content) in sentence_transformers_files() {
        write_json(&folder.join(name), &content)?;
    }
    let readme = folder.join("README.md");
    fs::write(&readme, card.markdown()).map_err(ExportError::io(&readme))?;
    names.extend([
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ]);
    let manifest = Manifest::seal(folder, &names)?;
    if target.exists() {
        fs::remove_dir_all(target).map_err(ExportError::io(target))?;
    }
    fs::rename(folder, target).map_err(ExportError::io(target))?;
    set_readable(target)?;
    Ok(manifest)
}

/// A temporary folder is private; an exported model is to be read by others.
fn set_readable(folder: &Path) -> Result<(), ExportError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(ExportError::io(folder))
}

fn write_tokenizer_file(plan: &ExportPlan, name: &str, folder: &Path) -> Result<(), ExportError> {
    let source = plan.base.join(name);
    let text = fs::read_to_string(&source).map_err(ExportError::io(&source))?;
    let mut json: Value = serde_json::from_str(&text).map_err(|error| ExportError::Json {
        path: source,
        source: error,
    })?;
    if let Some(fields) = json.as_object_mut() {
        match name {
            "tokenizer.json" if plan.omit_special_tokens => {
                fields.insert("post_processor".into(), Value::Null);
            }
            "tokenizer_config.json" => {
                fields.insert("model_max_length".into(), plan.max_length.into());
                if plan.omit_special_tokens {
                    // Other classes rebuild a post-processor from their own idea of the model.
                    fields.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
                }
            }
            _ => {}
        }
    }
    write_json(&folder.join(name), &json)
}

/// What sentence-transformers (5.4 and later) reads besides the model: its modules and their settings.
fn sentence_transformers_files() -> [(&'static str, Value); 4] {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"idx": 1, "name": "1", "path": "1_SpladePooling",
         "type": "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling"},
    ]);
    let transformer = json!({
        "transformer_task": "fill-mask",
        "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
        "module_output_name": "token_embeddings",
    });
    let pooling = json!({"pooling_strategy": "max", "activation_function": "relu", "embedding_dimension": null});
    let encoder = json!({
        "model_type": "SparseEncoder", "prompts": {"query": "", "document": ""}, "default_prompt_name": null,
        "similarity_fn_name": "dot",
    });
    [
        ("modules.json", modules),
        ("sentence_bert_config.json", transformer),
        ("1_SpladePooling/config.json", pooling),
        ("config_sentence_transformers.json", encoder),
    ]
}

fn write_json(path: &Path, content: &Value) -> Result<(), ExportError> {
    let text = serde_json::to_string_pretty(content).map_err(|source| ExportError::Json {
        path: path.to_owned(),
        source,
    })?;
    fs::write(path, text + "\n").map_err(ExportError::io(path))
}
