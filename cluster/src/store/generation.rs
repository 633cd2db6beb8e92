//! Generations of rows on disk: which one is current, making and opening them, and the redo file of a flush.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
};

use proto::store::Batch;

use super::{
    FORMAT, FORMAT_KEY, StoreError,
    frame::{FrameReader, FrameWriter},
    rows::{Change, Rows, SledRows},
};
use crate::file::{rename_durably, sync_dir, write_durably};

pub(super) fn generation_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("rows-{number}"))
}

pub(super) fn redo_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("redo-{number}"))
}

pub(super) fn current(dir: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(dir.join("CURRENT")) {
        Ok(text) => Ok(Some(text.trim().parse().unwrap_or_default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn set_current(dir: &Path, number: u64) -> io::Result<()> {
    write_durably(&dir.join("CURRENT"), number.to_string().as_bytes())
}

/// Makes an empty generation that is not the current one.
pub(super) fn begin_generation(
    dir: &Path,
    number: u64,
    cache: u64,
) -> Result<SledRows, StoreError> {
    let path = generation_path(dir, number);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    SledRows::open(&path, cache)
}

pub(super) fn create_generation(
    dir: &Path,
    number: u64,
    cache: u64,
) -> Result<SledRows, StoreError> {
    let rows = begin_generation(dir, number, cache)?;
    rows.write(&[(FORMAT_KEY, Some(FORMAT))])?;
    rows.sync()?;
    set_current(dir, number)?;
    Ok(rows)
}

pub(super) fn open_generation(dir: &Path, number: u64, cache: u64) -> Result<SledRows, StoreError> {
    let path = generation_path(dir, number);
    if !path.exists() {
        return Err(StoreError::Format);
    }
    let rows = SledRows::open(&path, cache)?;
    let redo = redo_path(dir, number);
    if redo.exists() {
        let (mut reader, ()) = FrameReader::begin(BufReader::new(File::open(&redo)?))?;
        while let Some(some) = reader.rows()? {
            let changes: Vec<Change<'_>> =
                some.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
            rows.write(&changes)?;
        }
        rows.sync()?;
        fs::remove_file(&redo)?;
    }
    if rows.get(FORMAT_KEY)?.as_deref() != Some(FORMAT) {
        return Err(StoreError::Format);
    }
    Ok(rows)
}

/// Keeps one damaged generation for whoever wants to look at it.
pub(super) fn put_aside(dir: &Path, number: u64) -> io::Result<()> {
    let aside = dir.join("damaged");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    let path = generation_path(dir, number);
    if path.exists() {
        fs::rename(&path, &aside)?;
    }
    let redo = redo_path(dir, number);
    if redo.exists() {
        fs::remove_file(&redo)?;
    }
    sync_dir(dir)
}

pub(super) fn write_redo(path: &Path, table: &Batch) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut writer = FrameWriter::begin(BufWriter::new(File::create(&temporary)?), &())?;
    for (key, value) in table.iter() {
        writer.row(key, value)?;
    }
    let (file, _) = writer.end()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    rename_durably(&temporary, path)
}
