//! The table of mounts: `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS` a line (proc(5),
//! `/proc/PID/mountinfo`).

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    id: String,
    /// The mount that it is on; `None` when this process does not see that.
    parent: Option<String>,
    /// The device, as `MAJOR:MINOR`.
    pub device: String,
    /// What of the file system is seen here.
    pub root: PathBuf,
    /// Where it is seen.
    pub point: PathBuf,
    /// The type of the file system.
    pub kind: String,
    /// What is mounted: a device, a data set, `SERVER:/PATH`.
    pub source: String,
    /// Whether nothing can be written here.
    pub read_only: bool,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ');
        let mut next = || before.next().map(unescaped);
        let (id, parent, device, root, point, options) = (next()?, Some(next()?), next()?, next()?, next()?, next()?);
        let mut after = after.split(' ').map(unescaped);
        let (kind, source, all) = (after.next()?, after.next()?, after.next().unwrap_or_default());
        // The one belongs to the mount, the other to the file system.
        let read_only = [options, all].iter().any(|options| options.split(',').any(|option| option == "ro"));
        Some(Self { id, parent, device, root: root.into(), point: point.into(), kind, source, read_only })
    }

    /// Where a path below its point lies in the file system.
    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.point).map_or_else(|_| self.root.clone(), |rest| self.root.join(rest))
    }

    /// The server, when it is mounted from one by NFS.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        if !matches!(self.kind.as_str(), "nfs" | "nfs4") {
            return None;
        }
        self.source.split_once(":/").map(|(server, _)| server.trim_matches(['[', ']']))
    }
}

/// `\040` and the like, which stand for what would end a field.
fn unescaped(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All mounts that a process sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the table.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut mounts: Vec<Mount> = text.lines().filter_map(Mount::parse).collect();
        let ids: HashSet<String> = mounts.iter().map(|mount| mount.id.clone()).collect();
        for mount in &mut mounts {
            mount.parent.take_if(|parent| *parent == mount.id || !ids.contains(parent));
        }
        Self(mounts)
    }

    /// The mount that a path is on. One that another mount hides is none; that its line comes later says nothing, for a
    /// mount may have been moved.
    #[must_use]
    pub fn holding(&self, path: &Path) -> Option<&Mount> {
        let mut found: Option<&Mount> = None;
        loop {
            let is_on_it = |mount: &&Mount| mount.parent.as_ref() == found.map(|found| &found.id);
            let next = self.0.iter().filter(is_on_it).filter(|mount| path.starts_with(&mount.point));
            // Of two mounts on one mount the upper one is come to first, and hides the other.
            match next.min_by_key(|mount| mount.point.components().count()) {
                Some(next) => found = Some(next),
                None => return found,
            }
        }
    }

    /// The mount that begins at a path.
    #[must_use]
    pub fn at(&self, point: &Path) -> Option<&Mount> {
        self.holding(point).filter(|mount| mount.point == point)
    }

    /// All mounts, those that others hide among them.
    pub fn all(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// Whether a mount can be seen by its point. It takes a look at all others: with ten thousand nodes that are served,
    /// nobody can ask it of each.
    #[must_use]
    pub fn is_visible(&self, mount: &Mount) -> bool {
        self.holding(&mount.point).is_some_and(|seen| seen.id == mount.id)
    }

    /// Where whole file systems begin that have nothing but whole ones below: what is exported there shares no file system with
    /// anything else. A folder of one is bound, and so are the subvolumes of btrfs, whose handles lead to each other.
    /// The mounts in the folders `but` are left out.
    #[must_use]
    pub fn apart(&self, but: &[&str]) -> BTreeSet<PathBuf> {
        let theirs = |mount: &&Mount| !but.iter().any(|folder| mount.point.starts_with(folder));
        let seen: Vec<&Mount> = self.0.iter().filter(theirs).filter(|mount| self.is_visible(mount)).collect();
        let whole = |mount: &Mount| mount.root == Path::new("/");
        let apart = seen.iter().filter(|top| seen.iter().all(|mount| whole(mount) || !mount.point.starts_with(&top.point)));
        apart.map(|mount| mount.point.clone()).collect()
    }

    /// Whether two paths are the same folder of the same file system.
    #[must_use]
    pub fn are_one(&self, left: &Path, right: &Path) -> bool {
        let place = |path: &Path| self.holding(path).map(|mount| (mount.device.clone(), mount.inside(path)));
        place(left).is_some_and(|left| place(right).is_some_and(|right| left == right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A master: the lower tree and /run were mounted in the initramfs and moved, so their lines come first.
    const MASTER: &str = "21 30 0:19 / /proc rw - proc proc rw\n\
        22 30 0:20 / /run rw - tmpfs run rw\n\
        23 22 8:2 /@ /run/rootfs/lower ro,noatime shared:1 master:2 - btrfs /dev/sda2 rw,subvol=/@\n\
        30 1 0:30 / / rw - overlay overlay rw,lowerdir=/x\n\
        31 30 8:3 / /srv rw - xfs /dev/sda3 rw\n\
        32 31 8:4 / /srv/tftp rw - xfs /dev/sda4 rw\n\
        34 30 8:6 / /a\\040b\\134 rw - ext4 /dev/sda6 rw\n\
        35 23 8:6 /c /run/rootfs/lower/d rw - ext4 /dev/sda6 rw\n\
        36 30 0:40 / /net rw - nfs4 [fd00::1]:/x rw";

    fn at<'mounts>(mounts: &'mounts Mounts, path: &str) -> &'mounts str {
        mounts.holding(Path::new(path)).map_or("", |mount| &mount.source)
    }

    #[test]
    fn a_path_is_on_the_mount_that_can_be_seen() {
        let mounts = Mounts::parse(MASTER);
        for (path, source) in [
            ("/", "overlay"),
            ("/etc", "overlay"),
            ("/run/x", "run"),
            ("/run/rootfs/lower/etc", "/dev/sda2"),
            ("/a b\\/c", "/dev/sda6"),
            ("/srv/tftp/x", "/dev/sda4"),
            ("/srvx", "overlay"),
        ] {
            assert_eq!(at(&mounts, path), source, "{path}");
        }
        assert!(mounts.at(Path::new("/etc")).is_none() && mounts.at(Path::new("/run")).is_some());
        let lower = mounts.at(Path::new("/run/rootfs/lower")).unwrap();
        assert!(lower.read_only && lower.root == Path::new("/@") && lower.server().is_none());
        assert_eq!(mounts.at(Path::new("/net")).unwrap().server(), Some("fd00::1"));
    }

    #[test]
    fn what_is_mounted_over_is_hidden() {
        let over = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /a/b rw - ext4 /dev/b rw\n3 1 8:3 / /a rw - ext4 /dev/c rw\n\
            4 3 8:4 / /a rw - ext4 /dev/d rw";
        let mounts = Mounts::parse(over);
        assert_eq!((at(&mounts, "/a/b/c"), at(&mounts, "/a"), at(&mounts, "/b")), ("/dev/d", "/dev/d", "/dev/a"));
        let visible = mounts.all().filter(|mount| mounts.is_visible(mount));
        assert_eq!(visible.map(|mount| mount.source.as_str()).collect::<Vec<_>>(), ["/dev/a", "/dev/d"]);
    }

    #[test]
    fn a_file_system_of_its_own_is_no_part_of_another() {
        let table = "1 0 0:30 / / rw - overlay overlay rw\n2 1 0:31 / /home rw - zfs z/home rw\n\
            3 2 0:32 / /home/bob rw - zfs z/home/bob rw\n4 1 0:33 /@data /data rw - btrfs /dev/a rw\n\
            5 1 8:1 /x /bound rw - ext4 /dev/b rw\n6 1 8:2 / /mixed rw - ext4 /dev/c rw\n\
            7 6 8:1 /y /mixed/part rw - ext4 /dev/b rw\n8 1 0:34 / /run rw - tmpfs run rw\n\
            9 1 0:35 / /scratch rw - tmpfs none rw\n10 1 8:3 / /hidden rw - ext4 /dev/d rw\n\
            11 10 8:1 /z /hidden rw - ext4 /dev/b rw\n";
        let apart = Mounts::parse(table).apart(&["/run"]);
        assert_eq!(apart.iter().map(|point| point.display().to_string()).collect::<Vec<_>>(), ["/home", "/home/bob", "/scratch"]);
    }

    #[test]
    fn two_ways_to_one_folder_are_known() {
        let mounts = Mounts::parse(MASTER);
        let one = |left: &str, right: &str| mounts.are_one(Path::new(left), Path::new(right));
        assert!(one("/run/rootfs/lower/d/e", "/a b\\/c/e") && !one("/run/rootfs/lower/d", "/a b\\"));
        assert!(!one("/etc", "/run/rootfs/lower/etc"));
        assert!(!Mounts::default().are_one(Path::new("/a"), Path::new("/a")), "nothing is known");
    }
}
