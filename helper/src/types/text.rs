//! Names, paths and options: texts that can stand where they are put.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A file name that is safe everywhere: one component, no leading dot or dash.
pub(super) fn is_file_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-@".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

checked_text!(
    /// The name of an overlay or a profile: one folder name.
    OverlayName,
    is_file_name,
    "is not a name; begin with a letter or digit, go on with letters, digits, `.`, `_`, `+`, `-`, `@`"
);

checked_text!(
    /// Options of mount(8) or exports(5): comma-separated, no blanks.
    MountOptions,
    |text| text.split(',').all(|option| option.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=,._:/+-%@".contains(&b)),
    "is not a list of mount options; write them as \"ro,nfsvers=4\" without blanks"
);

checked_text!(
    /// An absolute path that stands as it is, unquoted, in a shell script, in fstab(5) and on a kernel command line, where
    /// a comma ends it.
    AbsolutePath,
    path
);

checked_text!(
    /// What of the master's tree is in no generation: an absolute path, of which `*` stands for any part of one name and `?`
    /// for one sign of it.
    PrivatePath,
    |text| {
        let like = text.replace(['*', '?'], "x");
        path(&like).map_err(|told| if like == text { told } else {
            format!("`{}` is no pattern of a path; begin with `/`, and use `*` and `?` within a name, as in /etc/*.key", super::shown(text))
        })?;
        match NEEDED.iter().find(|folder| text == **folder || text.trim_end_matches("/*") == **folder || text == "/*") {
            Some(folder) => Err(format!("without {folder} no node boots; name what in there is private, as in {folder}/NAME")),
            None => Ok(()),
        }
    }
);

/// Folders that a node boots from.
const NEEDED: [&str; 8] = ["/usr", "/etc", "/bin", "/lib", "/lib64", "/sbin", "/usr/lib", "/usr/bin"];

/// What is wrong with a path, and what would be right: the same path without the slip, where there is one.
fn path(text: &str) -> Result<(), String> {
    let shown = super::shown(text);
    let Some(rest) = text.strip_prefix('/') else {
        return Err(format!("`{shown}` is not an absolute path; begin with `/`, as in /home"));
    };
    if text.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"/._+-@".contains(&b))) {
        return Err(format!(
            "`{shown}` has signs that cannot stand in scripts, fstab(5) and a kernel command line; use letters, digits, `/`, `.`, `_`, `+`, `-`, `@`"
        ));
    }
    let mut parts = Vec::new();
    for part in rest.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let without = if parts.is_empty() {
        "name a folder below the root, such as /home".to_owned()
    } else {
        format!("write /{}", parts.join("/"))
    };
    let has = |wrong: &str| rest.split('/').any(|part| part == wrong);
    let fault = if has("..") {
        "goes back by `..`"
    } else if has(".") {
        "has a `.` between its slashes"
    } else if text.contains("//") {
        "has two slashes in a row"
    } else if rest.is_empty() {
        "is the root itself"
    } else if rest.ends_with('/') {
        "has a slash at its end"
    } else if parts.iter().any(|part| part.len() > 255) {
        return Err(format!("`{shown}` has a name of more than 255 bytes; no file system takes it, so shorten it"));
    } else {
        return Ok(());
    };
    Err(format!("the path `{shown}` {fault}; {without}"))
}

checked_text!(
    /// The type of a network file system as mount(8) takes it. Those of disks and of the kernel itself come from no server, and
    /// `none`, `swap` and `ignore` are words of fstab(5).
    FileSystemType,
    |text| {
        let from_a_server = is_type(text) && !OF_NO_SERVER.contains(&text);
        if from_a_server {
            return super::mount::misspelt(text);
        }
        Err(format!("`{}` is not a file system type that a server has; write for example nfs4, ceph or lustre", super::shown(text)))
    }
);

/// Whether a text can be the type of a file system.
pub(super) fn is_type(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

const OF_NO_SERVER: [&str; 22] = [
    "auto", "bind", "btrfs", "devpts", "devtmpfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "ignore", "iso9660", "none", "ntfs",
    "overlay", "proc", "swap", "sysfs", "tmpfs", "vfat", "xfs", "zfs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_options_are_words_between_commas() {
        for text in ["ro", "ro,nfsvers=4.2,_netdev,x-y=a:/b%c"] {
            assert!(text.parse::<MountOptions>().is_ok(), "{text}");
        }
        for text in ["", ",", "ro,", ",ro", "ro,,nfsvers=4", "-o,ro", "ro,-x", "ro nosuid", "ro#", "=4"] {
            assert!(text.parse::<MountOptions>().is_err(), "{text}");
        }
    }

    #[test]
    fn types_are_those_of_network_file_systems() {
        for text in ["nfs4", "ceph", "lustre", "fuse.sshfs", "9p"] {
            assert!(text.parse::<FileSystemType>().is_ok(), "{text}");
        }
        for text in ["", "-t", "swap", "none", "tmpfs", "ext4", "nfs 4", "nfs,ext4", "nfs#", "nfs5", "NFS", "lustr", "cephs"] {
            assert!(text.parse::<FileSystemType>().is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_absolute_and_stay_where_they_are() {
        for text in ["/home", "/data/R-D_1.2+3@x", "/.a/-b/...", "/a..b"] {
            assert!(text.parse::<AbsolutePath>().is_ok(), "{text}");
        }
        for text in ["", "home", "~/x", "-/a"] {
            assert!(text.parse::<AbsolutePath>().unwrap_err().contains("is not an absolute path; begin with `/`"), "{text}");
        }
        for (text, wrong, right) in [
            ("/", "is the root itself", "such as /home"),
            ("//", "two slashes", "such as /home"),
            ("/a/../b", "goes back", "write /b"),
            ("/..", "goes back", "such as /home"),
            ("/a/", "a slash at its end", "write /a"),
            ("/a//b", "two slashes", "write /a/b"),
            ("/./a", "a `.` between", "write /a"),
            ("/a/.", "a `.` between", "write /a"),
            (&format!("/{}", "a".repeat(256)), "more than 255 bytes", "shorten"),
        ] {
            let told = text.parse::<AbsolutePath>().unwrap_err();
            let (cause, remedy) = told.rsplit_once("; ").unwrap();
            assert!(cause.contains(wrong) && remedy.contains(right), "{told}");
        }
        for c in "\0\t\n \"#$%&'()*,:;<=>?[\\]^`{|}~\u{7f}\u{e4}".chars() {
            assert!(format!("/a{c}b").parse::<AbsolutePath>().is_err(), "{c:?}");
        }
    }
}
