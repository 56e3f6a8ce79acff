//! Names in overlays that mean nothing: what nodes would refuse, and what nobody put there on purpose.

use crate::lay::{self, WHITEOUT};
use crate::paths;

/// Why nothing of this name can be laid over /etc, and what to do: a node refuses the whole archive that holds one such
/// name, and comes up as nobody.
pub(super) fn unsound(name: &str, is_folder: bool) -> Option<(&'static str, &'static str)> {
    match name {
        // A template's, without its suffix.
        "." | ".." => Some(("without .j2 this is not the name of a file", "rename it")),
        _ => lay::unsound(name.as_bytes(), is_folder),
    }
}

/// Whether editors, version control and the like leave files or folders of this name behind.
pub(crate) fn is_litter(name: &str) -> bool {
    const WHOLE: &[&str] = &[
        // git, Mercurial, Subversion, Bazaar, CVS, RCS.
        ".git",
        ".gitignore",
        ".gitattributes",
        ".gitmodules",
        ".gitkeep",
        ".keep",
        ".hg",
        ".hgignore",
        ".hgtags",
        ".svn",
        ".bzr",
        ".bzrignore",
        "CVS",
        ".cvsignore",
        "RCS",
        // With this name vim tries whether it may write, and these are what file managers know of a folder.
        "4913",
        ".DS_Store",
        ".directory",
    ];
    const BEGINS: &[&str] = &[
        // Emacs' locks, LibreOffice's locks, GLib's and our own files that have no name yet, removed files in use of NFS and FUSE.
        ".#",
        ".~lock.",
        ".goutputstream-",
        paths::TEMP_PREFIX,
        ".nfs0000",
        ".fuse_hidden",
    ];
    const ENDS: &[&str] = &["~", ".orig", ".rej", ".bak", ".kate-swp", paths::NEW_SUFFIX];
    // vim: .NAME.swp, and .swo, .swn … when that is taken.
    let is_swap = |name: &str| {
        let hidden = name.strip_prefix('.').and_then(|name| name.rsplit_once('.'));
        hidden.is_some_and(|(_, end)| end.len() == 3 && end.starts_with("sw") && end.as_bytes()[2].is_ascii_lowercase())
    };
    let is_autosave = |name: &str| name.len() > 2 && name.starts_with('#') && name.ends_with('#');
    // What removes a file of the lower tree may remove litter.
    !name.starts_with(WHITEOUT)
        && (WHOLE.contains(&name)
            || BEGINS.iter().any(|begin| name.starts_with(begin))
            || ENDS.iter().any(|end| name.ends_with(end))
            || is_swap(name)
            || is_autosave(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_known_and_nothing_else_is_taken_for_it() {
        for name in [
            "job~",
            ".motd.swp",
            ".motd.j2.swo",
            ".git",
            ".gitignore",
            "motd.orig",
            "motd.j2.rej",
            "#motd#",
            ".#motd",
            "motd.j2~",
            ".hg",
            ".svn",
            "4913",
            ".gitkeep",
            ".voidclust-motd",
            "motd.new-voidclust",
            "a.bak",
            ".nfs000000000123",
            ".DS_Store",
        ] {
            assert!(is_litter(name), "{name}");
        }
        for name in [
            "motd",
            "motd.j2",
            ".bashrc",
            ".swp",
            "orig",
            "swap.swp",
            ".profile",
            "#",
            "##",
            "job~.j2",
            "a.orig.j2",
            ".wh.job~",
            ".wh..git",
            "git",
            "original",
            ".gitconfig",
            "rules.save",
            ".pwd.lock",
            "x.sw",
            ".a.swpx",
            ".a.sw1",
        ] {
            assert!(!is_litter(name), "{name}");
        }
    }
}
