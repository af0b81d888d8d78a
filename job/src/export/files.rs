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
    /// Something else lies where the model shall go.
    #[error(
        "{folder} holds files that are no earlier export; they are not touched. Give export.uri a folder of its own, \
         or empty this one",
        folder = folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder that cannot be made.
    #[error("{folder} cannot be made: {source}", folder = folder.display())]
    NoPlace {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
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

    fn no_place(folder: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let folder = folder.to_owned();
        move |source| Self::NoPlace { folder, source }
    }
}

/// Beside the model: which run it came from. Its presence also says that the folder is ours to replace.
pub const PROVENANCE: &str = "provenance.json";

/// Writes the folder beside its final name and renames it, so that it is whole or absent. Returns its manifest.
///
/// # Errors
/// A folder there that is no earlier export, what the file system says, or a tokenizer file that is no JSON.
pub fn export(
    model: &Splade,
    plan: &ExportPlan,
    card: &ModelCard,
    provenance: &Value,
) -> Result<Manifest, ExportError> {
    let target = &plan.folder;
    check_replaceable(target)?;
    let beside = Beside::of(target)?;
    let parent = beside.parent;
    beside.remove_remains()?;
    let partial = beside.folder()?;
    let manifest = write_files(model, plan, card, provenance, partial.path())?;
    set_readable(partial.path())?;
    if target.exists() {
        // The old one steps aside first, so that at no moment half a folder bears the name.
        let aside = beside.folder()?;
        fs::rename(target, aside.path()).map_err(ExportError::io(target))?;
        fs::rename(partial.path(), target).map_err(ExportError::io(target))?;
    } else {
        fs::rename(partial.path(), target).map_err(ExportError::io(target))?;
    }
    fs::File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(ExportError::io(parent))?;
    Ok(manifest)
}

/// Whether an export may go to this folder: nothing else lies there, and one that is not there can be made. It makes
/// the folders above.
///
/// # Errors
/// A folder there that is no earlier export, or what the file system says.
pub fn check_place(target: &Path) -> Result<(), ExportError> {
    check_replaceable(target)?;
    // What is there may be up to date: then nothing is written.
    if target.exists() {
        return Ok(());
    }
    Beside::of(target)?.folder().map(drop)
}

/// Where an export is written before it is renamed.
struct Beside<'a> {
    target: &'a Path,
    parent: &'a Path,
    /// What names of folders there begin with.
    prefix: String,
}

impl<'a> Beside<'a> {
    fn of(target: &'a Path) -> Result<Self, ExportError> {
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(ExportError::no_place(target))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            target,
            parent,
            prefix: format!(".export-{name}-"),
        })
    }

    fn folder(&self) -> Result<tempfile::TempDir, ExportError> {
        tempfile::Builder::new()
            .prefix(&self.prefix)
            .tempdir_in(self.parent)
            .map_err(ExportError::no_place(self.target))
    }

    /// Removes what an export that was killed left behind.
    fn remove_remains(&self) -> Result<(), ExportError> {
        let io = || ExportError::io(self.parent);
        for entry in fs::read_dir(self.parent).map_err(io())? {
            let entry = entry.map_err(io())?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&self.prefix) {
                fs::remove_dir_all(entry.path()).map_err(ExportError::io(&entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Only an earlier export, or an empty folder, may be replaced: anything else is somebody's work.
fn check_replaceable(target: &Path) -> Result<(), ExportError> {
    let mut entries = match fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(ExportError::no_place(target))?,
    };
    let is_export = target.join(PROVENANCE).exists() && target.join(Manifest::FILE).exists();
    if is_export || entries.next().is_none() {
        return Ok(());
    }
    Err(ExportError::Occupied {
        folder: target.to_owned(),
    })
}

fn write_files(
    model: &Splade,
    plan: &ExportPlan,
    card: &ModelCard,
    provenance: &Value,
    folder: &Path,
) -> Result<Manifest, ExportError> {
    model.save(folder, plan.kind)?;
    let mut names = vec!["config.json", "model.safetensors", "README.md", PROVENANCE];
    for name in TOKENIZER_FILES {
        if plan.base.join(name).exists() || name == "tokenizer_config.json" {
            write_tokenizer_file(plan, name, folder)?;
            names.push(name);
        }
    }
    let pooling = folder.join("1_SpladePooling");
    fs::create_dir(&pooling).map_err(ExportError::io(&pooling))?;
    for (name, content) in sentence_transformers_files() {
        write_json(&folder.join(name), &content)?;
        names.push(name);
    }
    write_json(&folder.join(PROVENANCE), provenance)?;
    let readme = folder.join("README.md");
    fs::write(&readme, card.markdown()).map_err(ExportError::io(&readme))?;
    Ok(Manifest::seal(folder, &names)?)
}

/// A temporary folder is private; an exported model is to be read by others.
fn set_readable(folder: &Path) -> Result<(), ExportError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(ExportError::io(folder))
}

fn write_tokenizer_file(plan: &ExportPlan, name: &str, folder: &Path) -> Result<(), ExportError> {
    let source = plan.base.join(name);
    let mut json = if source.exists() {
        read_json(&source)?
    } else {
        tokenizer_config(&plan.base)?
    };
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

/// A `tokenizer_config.json` for a base model that has none: without it nothing would cut texts or know the pad.
fn tokenizer_config(base: &Path) -> Result<Value, ExportError> {
    let config = read_json(&base.join("config.json"))?;
    let tokenizer = read_json(&base.join("tokenizer.json"))?;
    let mut fields = serde_json::Map::from_iter([(
        "tokenizer_class".to_owned(),
        Value::from("PreTrainedTokenizerFast"),
    )]);
    for (name, id) in [
        ("pad_token", "pad_token_id"),
        ("cls_token", "cls_token_id"),
        ("sep_token", "sep_token_id"),
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
    ] {
        let token = config.get(id).filter(|id| id.is_u64()).and_then(|id| {
            let added = tokenizer.get("added_tokens")?.as_array()?;
            added
                .iter()
                .find(|token| token.get("id") == Some(id))?
                .get("content")
        });
        if let Some(token) = token {
            fields.insert(name.to_owned(), token.clone());
        }
    }
    Ok(Value::Object(fields))
}

fn read_json(path: &Path) -> Result<Value, ExportError> {
    let text = fs::read_to_string(path).map_err(ExportError::io(path))?;
    serde_json::from_str(&text).map_err(|source| ExportError::Json {
        path: path.to_owned(),
        source,
    })
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
