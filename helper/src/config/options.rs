//! Mount options of the root and the home: what no NFS client takes, and what would leave a node without either.

use toml::Spanned;

use super::resolve::Check;
use super::source::Mistake;
use super::words::either;
use crate::types::{MountOptions, nearest, whole_number};

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mounted {
    /// The root, by the initramfs.
    Root,
    /// The home of the master.
    Home,
    /// A home of another NFS server.
    OtherNfs,
    /// What an NFS server has besides, and may be mounted by hand.
    Besides,
    /// A home of another kind.
    Other,
}

/// What an option takes.
enum Takes {
    /// No value, or any.
    Anything,
    /// A whole number between these.
    Number(u32, u32),
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// The options of nfs(5) and mount(8) that can be misspelt; the larger numbers are those that the kernel keeps in 32 bits.
const OPTIONS: &[(&str, Takes)] = &[
    ("nfsvers", Takes::OneOf(&["3", "4", "4.0", "4.1", "4.2"])),
    ("vers", Takes::OneOf(&["3", "4", "4.0", "4.1", "4.2"])),
    ("minorversion", Takes::Number(0, 2)),
    ("rsize", Takes::Number(1024, 1 << 20)),
    ("wsize", Takes::Number(1024, 1 << 20)),
    ("timeo", Takes::Number(1, u32::MAX)),
    ("retrans", Takes::Number(0, u32::MAX)),
    ("retry", Takes::Number(0, u32::MAX)),
    ("port", Takes::Number(0, 65535)),
    ("nconnect", Takes::Number(1, 16)),
    ("max_connect", Takes::Number(1, 16)),
    ("acregmin", Takes::Number(0, u32::MAX)),
    ("acregmax", Takes::Number(0, u32::MAX)),
    ("acdirmin", Takes::Number(0, u32::MAX)),
    ("acdirmax", Takes::Number(0, u32::MAX)),
    ("actimeo", Takes::Number(0, u32::MAX)),
    ("proto", Takes::OneOf(&["tcp", "tcp6", "rdma", "rdma6"])),
    ("sec", Takes::OneOf(&["sys", "none", "krb5", "krb5i", "krb5p"])),
    ("lookupcache", Takes::OneOf(&["all", "none", "pos", "positive"])),
    ("local_lock", Takes::OneOf(&["all", "none", "flock", "posix"])),
    ("write", Takes::OneOf(&["lazy", "eager", "wait"])),
    ("clientaddr", Takes::Anything),
    ("defaults", Takes::Anything),
    ("soft", Takes::Anything),
    ("softerr", Takes::Anything),
    ("hard", Takes::Anything),
    ("lock", Takes::Anything),
    ("nolock", Takes::Anything),
    ("intr", Takes::Anything),
    ("nointr", Takes::Anything),
    ("noac", Takes::Anything),
    ("noacl", Takes::Anything),
    ("nocto", Takes::Anything),
    ("cto", Takes::Anything),
    ("fsc", Takes::Anything),
    ("nofsc", Takes::Anything),
    ("tcp", Takes::Anything),
    ("rdma", Takes::Anything),
    ("sharecache", Takes::Anything),
    ("nosharecache", Takes::Anything),
    ("resvport", Takes::Anything),
    ("noresvport", Takes::Anything),
    ("migration", Takes::Anything),
    ("nomigration", Takes::Anything),
    ("rdirplus", Takes::Anything),
    ("nordirplus", Takes::Anything),
    ("atime", Takes::Anything),
    ("noatime", Takes::Anything),
    ("diratime", Takes::Anything),
    ("nodiratime", Takes::Anything),
    ("relatime", Takes::Anything),
    ("norelatime", Takes::Anything),
    ("strictatime", Takes::Anything),
    ("lazytime", Takes::Anything),
    ("nolazytime", Takes::Anything),
    ("async", Takes::Anything),
    ("sync", Takes::Anything),
    ("dirsync", Takes::Anything),
    ("exec", Takes::Anything),
    ("noexec", Takes::Anything),
    ("suid", Takes::Anything),
    ("nosuid", Takes::Anything),
    ("dev", Takes::Anything),
    ("nodev", Takes::Anything),
    ("auto", Takes::Anything),
    ("noauto", Takes::Anything),
    ("user", Takes::Anything),
    ("nouser", Takes::Anything),
    ("users", Takes::Anything),
    ("nofail", Takes::Anything),
    ("_netdev", Takes::Anything),
    ("bg", Takes::Anything),
    ("fg", Takes::Anything),
    ("ro", Takes::Anything),
    ("rw", Takes::Anything),
];

impl Check<'_> {
    /// Mount options that cannot work; one problem for one value.
    pub(super) fn mount_options(&mut self, options: Option<&Spanned<MountOptions>>, mounted: Mounted) {
        let Some(options) = options else { return };
        let wrong = options.get_ref().as_str().split(',').find_map(|option| wrong(option, mounted));
        if let Some((what, remedy)) = wrong {
            self.add(Mistake::at(options.span(), what).remedy(remedy));
        }
    }
}

fn wrong(option: &str, mounted: Mounted) -> Option<(String, String)> {
    let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
    let ours = matches!(mounted, Mounted::Root | Mounted::Home);
    let say = |why: &str, remedy: &str| Some((format!("the mount option `{option}` cannot work: {why}"), remedy.to_owned()));
    let v4 = matches!(value, Some("4" | "4.0" | "4.1" | "4.2"));
    match name {
        "bind" | "rbind" | "move" | "remount" | "loop" => return say("it is not for a network file system", "leave it out"),
        "noauto" if mounted != Mounted::Besides => {
            return say("then nobody would mount it", "leave it out, or set home = \"none\"");
        }
        "bg" | "noexec" if mounted == Mounted::Root => {
            return say("the initramfs waits for a root with programs", "leave it out");
        }
        "rw" if mounted == Mounted::Root => {
            return say(
                "all nodes share the root, and one would change it under the others",
                "write ro; what a node changes stays in its memory",
            );
        }
        "nfsvers" | "vers" if ours && !v4 => return say("it is served by NFSv4 alone", "write nfsvers=4, or nfsvers=4.2"),
        "v2" | "v3" if ours => return say("it is served by NFSv4 alone", "write nfsvers=4, or nfsvers=4.2"),
        "udp" | "proto" if ours && matches!(value, None | Some("udp" | "udp6")) => {
            return say("NFSv4 needs TCP", "write proto=tcp");
        }
        "sec" if ours && value != Some("sys") => return say("the exports have sec=sys", "leave it out"),
        _ if mounted == Mounted::Other => return None,
        _ => {}
    }
    match OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, takes)| takes) {
        None => {
            let meant = nearest(name, OPTIONS.iter().map(|(known, _)| *known))?;
            Some((format!("there is no mount option `{name}`"), format!("did you mean `{meant}`?")))
        }
        Some(Takes::Number(least, most))
            if !value.and_then(whole_number).is_some_and(|number| (*least..=*most).contains(&number)) =>
        {
            say(&format!("it must be a whole number from {least} to {most}"), "see nfs(5)")
        }
        Some(Takes::OneOf(choices)) if !value.is_some_and(|value| choices.contains(&value)) => {
            say(&format!("it takes {}", either(choices.iter().copied())), "see nfs(5)")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_leave_a_node_without_its_root_are_wrong() {
        for option in [
            "nfsvers=3",
            "vers=5",
            "nfsvers=four",
            "v3",
            "udp",
            "proto=udp",
            "sec=krb5",
            "port=99999",
            "port=x",
            "rsize=0",
            "timeo=",
            "retrans=-1",
            "nconnect=99",
            "bg",
            "noexec",
            "noauto",
            "remount",
            "nfsver=4",
            "retran=10",
            "lookupcache=no",
            "wsize=32k",
            "rw",
            "retrans=+10",
            "retrans=010",
            "retrans=-1",
            "timeo=1e3",
        ] {
            assert!(wrong(option, Mounted::Root).is_some(), "{option}");
        }
        for option in [
            "ro",
            "noatime",
            "nfsvers=4.2",
            "retrans=10",
            "rsize=32768",
            "nconnect=8",
            "x-mine=1",
            "soft",
            "proto=tcp",
            "port=2049",
        ] {
            assert!(wrong(option, Mounted::Root).is_none(), "{option}");
        }
    }

    #[test]
    fn another_server_may_serve_otherwise_and_another_kind_has_options_of_its_own() {
        assert!(wrong("nfsvers=3", Mounted::OtherNfs).is_none() && wrong("sec=krb5p", Mounted::OtherNfs).is_none());
        assert!(wrong("nfsvers=3", Mounted::Home).is_some() && wrong("nfsvers=9", Mounted::OtherNfs).is_some());
        assert!(wrong("name=admin", Mounted::Other).is_none() && wrong("noauto", Mounted::Other).is_some());
    }
}
