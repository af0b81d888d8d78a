//! Safetensors in, named parameters out, and back again. Names are those of Hugging Face throughout.

use super::ModelError;
use crate::digest::ContentDigest;
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The trainable tensors of a model: `f32` leaves, in a fixed order, by their Hugging Face names.
#[derive(Debug, Default)]
pub struct Parameters {
    named: Vec<(String, Tensor)>,
}

/// Type in which weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredKind {
    /// IEEE single precision.
    Float,
    /// bfloat16.
    BFloat16,
}

impl Parameters {
    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.named
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Elements over all tensors.
    pub fn count(&self) -> usize {
        self.named.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// SHA-256 over the bytes of all tensors, in order: equal exactly for bit-identical weights.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn digest(&self) -> Result<String, ModelError> {
        let mut digest = ContentDigest::default();
        for (_, tensor) in self.iter() {
            let values = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut bytes = vec![0; values.numel() * size_of::<f32>()];
            values.f_copy_data_u8(&mut bytes, values.numel())?;
            digest.add(&bytes);
        }
        Ok(digest.finish())
    }

    /// Overwrites all values with those of a file that holds exactly these tensors, as a checkpoint does.
    ///
    /// # Errors
    /// A damaged file, or one whose tensors are not these.
    pub fn restore(&self, path: &Path) -> Result<(), ModelError> {
        let mut stored = read_safetensors(path)?;
        for (name, tensor) in self.iter() {
            let value = stored
                .remove(name)
                .ok_or_else(|| ModelError::weights(path, format!("tensor {name} is missing")))?;
            if value.size() != tensor.size() {
                return Err(ModelError::weights(
                    path,
                    shape_message(name, &value.size(), &tensor.size()),
                ));
            }
            tch::no_grad(|| tensor.shallow_clone().copy_(&value));
        }
        match stored.keys().next() {
            Some(name) => Err(ModelError::weights(
                path,
                format!("tensor {name} is not of this model"),
            )),
            None => Ok(()),
        }
    }
}

/// Where the values of a new model come from: a folder's safetensors, or a random generator.
#[derive(Debug)]
pub(super) struct WeightSource {
    origin: Origin,
    device: Device,
    parameters: Parameters,
}

#[derive(Debug)]
enum Origin {
    Folder {
        path: PathBuf,
        tensors: HashMap<String, Tensor>,
    },
    Random {
        standard_deviation: f64,
    },
}

impl WeightSource {
    /// Reads `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub(super) fn from_folder(folder: &Path, device: Device) -> Result<Self, ModelError> {
        let mut tensors = HashMap::new();
        for file in weight_files(folder)? {
            for (name, tensor) in read_safetensors(&file)? {
                let name = modern_name(&name);
                if tensors.insert(name.clone(), tensor).is_some() {
                    return Err(ModelError::weights(
                        &file,
                        format!("tensor {name} occurs twice"),
                    ));
                }
            }
        }
        let origin = Origin::Folder {
            path: folder.to_owned(),
            tensors,
        };
        Ok(Self {
            origin,
            device,
            parameters: Parameters::default(),
        })
    }

    /// Draws matrices from a normal distribution. The caller has seeded libtorch's generator.
    pub(super) fn random(standard_deviation: f64, device: Device) -> Self {
        Self {
            origin: Origin::Random { standard_deviation },
            device,
            parameters: Parameters::default(),
        }
    }

    /// Whether the folder has this tensor; a random source has every tensor it is asked for.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.origin {
            Origin::Folder { tensors, .. } => tensors.contains_key(name),
            Origin::Random { .. } => false,
        }
    }

    /// Drops a tensor that another one stands for (a tied decoder).
    pub(super) fn discard(&mut self, name: &str) {
        if let Origin::Folder { tensors, .. } = &mut self.origin {
            tensors.remove(name);
        }
    }

    /// A matrix: random values where there is no folder.
    pub(super) fn matrix(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ModelError> {
        self.take(name, shape, |deviation| {
            Tensor::randn(shape, (Kind::Float, Device::Cpu)) * deviation
        })
    }

    /// A scale: ones where there is no folder.
    pub(super) fn ones(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ModelError> {
        self.take(name, shape, |_| {
            Tensor::ones(shape, (Kind::Float, Device::Cpu))
        })
    }

    /// A shift: zeros where there is no folder.
    pub(super) fn zeros(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ModelError> {
        self.take(name, shape, |_| {
            Tensor::zeros(shape, (Kind::Float, Device::Cpu))
        })
    }

    fn take(
        &mut self,
        name: &str,
        shape: &[i64],
        random: impl Fn(f64) -> Tensor,
    ) -> Result<Tensor, ModelError> {
        let value = match &mut self.origin {
            Origin::Random { standard_deviation } => random(*standard_deviation),
            Origin::Folder { path, tensors } => {
                let tensor = tensors.remove(name).ok_or_else(|| {
                    ModelError::weights(path, format!("tensor {name} is missing"))
                })?;
                if tensor.size() != shape {
                    return Err(ModelError::weights(
                        path,
                        shape_message(name, &tensor.size(), shape),
                    ));
                }
                if tensor.isfinite().all().int64_value(&[]) == 0 {
                    return Err(ModelError::weights(
                        path,
                        format!("tensor {name} holds NaN or infinity"),
                    ));
                }
                tensor
            }
        };
        let leaf = value
            .to_device(self.device)
            .to_kind(Kind::Float)
            .detach()
            .copy()
            .set_requires_grad(true);
        self.parameters
            .named
            .push((name.to_owned(), leaf.shallow_clone()));
        Ok(leaf)
    }

    /// The parameters taken so far, and the names of tensors that nobody asked for.
    pub(super) fn finish(self) -> (Parameters, Vec<String>) {
        let mut unused: Vec<String> = match self.origin {
            Origin::Folder { tensors, .. } => tensors.into_keys().collect(),
            Origin::Random { .. } => Vec::new(),
        };
        unused.sort();
        (self.parameters, unused)
    }
}

fn shape_message(name: &str, found: &[i64], wanted: &[i64]) -> String {
    format!("tensor {name} has shape {found:?}, config.json asks for {wanted:?}")
}

/// Old checkpoints call a norm's scale and shift gamma and beta.
fn modern_name(name: &str) -> String {
    match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(stem), _) => format!("{stem}.weight"),
        (_, Some(stem)) => format!("{stem}.bias"),
        _ => name.to_owned(),
    }
}

/// `model.safetensors` of a folder, or the shards that its index names.
pub(crate) fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if single.exists() {
        return Ok(vec![single]);
    }
    if !index.exists() {
        return Err(ModelError::weights(
            folder,
            "neither model.safetensors nor model.safetensors.index.json is here",
        ));
    }
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(&index).map_err(|source| ModelError::io(&index, source))?;
    let parsed: Index = serde_json::from_str(&text)
        .map_err(|error| ModelError::weights(&index, format!("line {}: {error}", error.line())))?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            if Path::new(&name)
                .file_name()
                .is_none_or(|only| only != name.as_str())
            {
                return Err(ModelError::weights(
                    &index,
                    format!("shard {name:?} is not a plain file name"),
                ));
            }
            Ok(folder.join(name))
        })
        .collect()
}

/// All tensors of one safetensors file, as `f32` on CPU.
///
/// The format's own parser checks every bound.
///
/// # Errors
/// A file that is missing, truncated or not safetensors.
pub fn read_safetensors(path: &Path) -> Result<HashMap<String, Tensor>, ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::io(path, source))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        ModelError::weights(path, format!("not a whole safetensors file: {error}"))
    })?;
    let mut tensors = HashMap::new();
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::F64 => Kind::Double,
            // Buffers such as position_ids; no parameter is an integer.
            Dtype::I64 | Dtype::I32 | Dtype::U8 | Dtype::BOOL => continue,
            other => {
                return Err(ModelError::weights(
                    path,
                    format!("tensor {name} has unsupported type {other:?}"),
                ));
            }
        };
        let shape: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?.f_to_kind(Kind::Float)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// A tensor that safetensors writes; its bytes are copied out one tensor at a time.
struct Stored<'a> {
    tensor: &'a Tensor,
    kind: StoredKind,
    shape: Vec<usize>,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.kind {
            StoredKind::Float => Dtype::F32,
            StoredKind::BFloat16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let kind = match self.kind {
            StoredKind::Float => Kind::Float,
            StoredKind::BFloat16 => Kind::BFloat16,
        };
        let tensor = tch::no_grad(|| {
            self.tensor
                .detach()
                .to_kind(kind)
                .to_device(Device::Cpu)
                .contiguous()
        });
        let mut bytes = vec![0; self.data_len()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        let width = match self.kind {
            StoredKind::Float => 4,
            StoredKind::BFloat16 => 2,
        };
        self.tensor.numel() * width
    }
}

/// Writes named tensors as one safetensors file and flushes it to the disk.
///
/// # Errors
/// What the file system says, a full disk among it.
pub fn write_safetensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, &'a Tensor)>,
    kind: StoredKind,
) -> Result<(), ModelError> {
    let stored = tensors.map(|(name, tensor)| {
        let shape = tensor
            .size()
            .into_iter()
            .map(|length| length as usize)
            .collect();
        (
            name,
            Stored {
                tensor,
                kind,
                shape,
            },
        )
    });
    // Hugging Face's loaders ask for this entry.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(stored, Some(metadata), path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => ModelError::io(path, source),
        other => ModelError::weights(path, other.to_string()),
    })?;
    let file = std::fs::File::open(path).map_err(|source| ModelError::io(path, source))?;
    file.sync_all()
        .map_err(|source| ModelError::io(path, source))
}
