//! GPUs as NVIDIA's management library (NVML) sees them: all that this container may use.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;

/// Access to the GPUs of this machine; none where the driver's library is not installed.
#[derive(Debug)]
pub struct Gpus {
    nvml: Option<Nvml>,
}

/// What a GPU says of itself. What it does not say is None.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// Its number on this machine.
    pub index: u32,
    /// Name of the product.
    pub name: Option<String>,
    /// Share of the last sample period in which a kernel ran, from 0 to 1.
    pub utilization: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_used: Option<u64>,
    /// Memory that it has, in bytes.
    pub memory_total: Option<u64>,
    /// Temperature of the chip, in degrees Celsius.
    pub temperature: Option<f64>,
    /// Power drawn, in watts.
    pub power: Option<f64>,
}

impl Gpus {
    /// Loads the library.
    pub fn open() -> Self {
        match Nvml::init() {
            Ok(nvml) => Self { nvml: Some(nvml) },
            Err(NvmlError::LibloadingError(_)) => Self { nvml: None },
            Err(error) => {
                tracing::warn!(%error, "NVML is installed and does not work: there will be no figures of GPUs");
                Self { nvml: None }
            }
        }
    }

    /// Version of the driver.
    pub fn driver_version(&self) -> Option<String> {
        self.nvml.as_ref()?.sys_driver_version().ok()
    }

    /// What every GPU says now.
    pub fn read(&self) -> Vec<Gpu> {
        let Some(nvml) = &self.nvml else {
            return Vec::new();
        };
        let count = nvml.device_count().unwrap_or(0);
        (0..count).map(|index| Gpu::read(nvml, index)).collect()
    }
}

impl Gpu {
    fn read(nvml: &Nvml, index: u32) -> Self {
        // One that has fallen off the bus is listed with nothing to say.
        let device = nvml.device_by_index(index).ok();
        let device = device.as_ref();
        let memory = device.and_then(|device| device.memory_info().ok());
        let rates = device.and_then(|device| device.utilization_rates().ok());
        let temperature = device.and_then(|device| device.temperature(TemperatureSensor::Gpu).ok());
        let milliwatts = device.and_then(|device| device.power_usage().ok());
        Self {
            index,
            name: device.and_then(|device| device.name().ok()),
            utilization: rates.map(|rates| f64::from(rates.gpu) / 100.0),
            memory_used: memory.as_ref().map(|memory| memory.used),
            memory_total: memory.as_ref().map(|memory| memory.total),
            temperature: temperature.map(f64::from),
            power: milliwatts.map(|milliwatts| f64::from(milliwatts) / 1000.0),
        }
    }
}
