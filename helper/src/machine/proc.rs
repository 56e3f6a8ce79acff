//! Whether a system runs under a root: what is built without the kernel's own file systems lacks what it could not see.

use std::os::unix::fs::FileTypeExt;

use crate::disk::root::Root;
use crate::paths;

/// What is wrong where [`is_mounted`] is not so.
pub const NOT_MOUNTED: &str = "/proc or /dev is not mounted here";

/// Whether /proc and /dev are mounted under the root. A package that is installed into a folder finds neither.
#[must_use]
pub fn is_mounted(root: &Root) -> bool {
    let null = root.path().join(paths::NULL).metadata();
    root.path().join(paths::OWN_PROCESS).exists() && null.is_ok_and(|null| null.file_type().is_char_device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::create_dir_all;
    use std::path::Path;

    #[test]
    fn a_folder_of_files_is_no_running_system() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        create_dir_all(dir.path().join("proc/self")).unwrap();
        assert!(!is_mounted(&root), "no /dev");
        create_dir_all(dir.path().join("dev")).unwrap();
        std::fs::File::create(dir.path().join("dev/null")).unwrap();
        assert!(!is_mounted(&root), "a file that a careless redirection made");
        assert!(!Path::new("/proc/self").exists() || is_mounted(&Root::open(Path::new("/")).unwrap()));
    }
}
