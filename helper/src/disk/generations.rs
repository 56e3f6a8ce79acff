//! What is recorded of generations: a file for each, and one that says who boots which.

use anyhow::{Context, Result, bail};

use super::aside::Aside;
use super::lock::Lock;
use super::root::{Root, split};
use crate::paths;
use crate::types::generation::{Generation, Generations, Number, Published};
use crate::types::whole_number;

/// Reads all records. A tree without a record is none: it was not finished, or is half removed.
///
/// # Errors
/// When one cannot be read or understood: nothing may then be taken for unused.
pub fn load(root: &Root) -> Result<Generations> {
    let mut generations = Generations::default();
    for name in root.list(paths::GENERATIONS)?.unwrap_or_default() {
        let Some(number) = name.strip_suffix(".toml").and_then(whole_number::<Number>) else { continue };
        let path = paths::generation_record(number);
        let Some(generation) = read::<Generation>(root, &path)? else { continue };
        if generation.number != number {
            bail!("{}: is the record of generation {}; give it its name again", root.display(&path), generation.number);
        }
        generations.made.insert(number, generation);
    }
    generations.published = read(root, paths::PUBLISHED)?.unwrap_or_default();
    Ok(generations)
}

pub(super) fn read<T: serde::de::DeserializeOwned>(root: &Root, path: &str) -> Result<Option<T>> {
    let Some(text) = root.read_text(path)? else { return Ok(None) };
    let record = toml::from_str(&text);
    record.map(Some).with_context(|| format!("{}: cannot be understood; put back what it was, or remove it", root.display(path)))
}

impl Lock<'_> {
    /// Records a generation: from now on it is one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record_generation(&self, generation: &Generation) -> Result<()> {
        self.write_record(&paths::generation_record(generation.number), "What a generation is", generation)
    }

    /// Takes the record of a generation away: from now on it is none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_generation(&self, number: Number) -> Result<()> {
        let path = paths::generation_record(number);
        Aside::new(self.root).remove(&path)?;
        let folder = self.root.folder(split(&path).0)?;
        rustix::fs::fsync(folder).with_context(|| format!("{}: cannot sync", self.root.display(&path)))
    }

    /// Records who boots which generation.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn publish(&self, published: &Published) -> Result<()> {
        self.write_record(paths::PUBLISHED, "Who boots which generation", published)
    }

    pub(super) fn write_record(&self, path: &str, what: &str, record: &impl serde::Serialize) -> Result<()> {
        let text = toml::to_string(record).with_context(|| format!("{}: cannot note it", self.root.display(path)))?;
        self.save(path, format!("# {what}. Kept by voidclust(8); do not edit.\n{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::generation::Storage;
    use std::collections::BTreeMap;

    fn generation(number: Number) -> Generation {
        Generation {
            number,
            made: 7,
            text: "a \"text\"".to_owned(),
            storage: Storage::Copy,
            kernels: vec!["6.12.1_1".to_owned()],
        }
    }

    #[test]
    fn what_is_recorded_is_read_and_what_is_not_understood_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let lock = Lock::take(&root).unwrap();
        assert_eq!(load(&root).unwrap(), Generations::default());
        let zfs = Generation { storage: Storage::Zfs("tank/voidclust/2".to_owned()), ..generation(2) };
        lock.record_generation(&generation(1)).unwrap();
        lock.record_generation(&zfs).unwrap();
        root.folder("var/lib/voidclust/generations/3").unwrap();
        let published = Published { last: 2, all: 1, nodes: BTreeMap::from([("n1".to_owned(), 2)]), ..Published::default() };
        lock.publish(&published).unwrap();
        let made = BTreeMap::from([(1, generation(1)), (2, zfs)]);
        assert_eq!(load(&root).unwrap(), Generations { made, published });
        lock.forget_generation(1).unwrap();
        lock.forget_generation(1).unwrap();
        assert_eq!(load(&root).unwrap().made.into_keys().collect::<Vec<_>>(), [2]);
        lock.save(&paths::generation_record(2), "number = ".to_owned()).unwrap();
        assert!(format!("{:#}", load(&root).unwrap_err()).contains("2.toml: cannot be understood"));
        lock.record_generation(&Generation { number: 5, ..generation(2) }).unwrap();
        lock.save(&paths::generation_record(2), toml::to_string(&generation(4)).unwrap()).unwrap();
        assert!(format!("{:#}", load(&root).unwrap_err()).contains("is the record of generation 4"));
    }
}
