//! Stores one file with what the environment says of S3: `splade-storage-copy FILE LOCATION KEY`.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use splade_storage::{Location, S3Settings, open};

fn copy() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, location, key] = arguments.as_slice() else {
        return Err("give FILE LOCATION KEY".into());
    };
    let location: Location = location.parse()?;
    let storage = open(&location, &S3Settings::from_environment()?)?;
    let stored = storage.put_file(key, Path::new(file))?;
    println!("{} {}", stored.bytes, stored.sha256);
    Ok(())
}

fn main() -> ExitCode {
    match copy() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
