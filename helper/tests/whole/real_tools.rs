//! The programs that will read what we render find no fault with it. One that is not here is a skip.

use std::path::Path;

use crate::place::{CRATE, Place, Stands, may_mount, program, skip, there_is, tool};

/// The rendered roots of all cases that render something.
fn rendered(test: &str) -> Vec<(String, Place)> {
    let mut roots = Vec::new();
    for case in Path::new(CRATE).join("tests/cases").read_dir().unwrap() {
        let case = case.unwrap();
        let place = Place::empty();
        place.copy_tree(&case.path().join("root"), "");
        if !place.add_packaged_overlays() {
            skip(test, "the packages' overlays are not in this tree");
            return Vec::new();
        }
        if place.run(&["apply"]).status == 0 {
            roots.push((case.file_name().into_string().unwrap(), place));
        }
    }
    assert!(roots.len() > 5, "only {} cases render", roots.len());
    roots
}

/// Every archive of the roots, with its case.
fn archives(roots: &[(String, Place)]) -> impl Iterator<Item = (&str, &Place, String)> {
    roots.iter().flat_map(|(case, place)| {
        let archives = place.tree().into_keys().filter(|path| path.ends_with(".00-voidclust.tar"));
        archives.map(move |archive| (case.as_str(), place, archive)).collect::<Vec<_>>()
    })
}

/// Unpacks each archive with GNU tar; hands over case, folder, and what is in it.
fn unpacked(test: &str, mut check: impl FnMut(&str, &Place)) {
    if !there_is("tar") {
        return skip(test, "tar is not installed");
    }
    let roots = rendered(test);
    for (case, place, archive) in archives(&roots) {
        let into = Place::empty();
        let tar = program("tar").args(["-x", "--warning=all", "-f"]).arg(place.at(&archive)).arg("-C").arg(into.root()).output();
        let tar = tar.unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{case}: {archive}: {}", String::from_utf8_lossy(&tar.stderr));
        check(&format!("{case}: {archive}"), &into);
    }
}

#[test]
fn every_tar_reads_the_archives() {
    let roots = rendered("every_tar_reads_the_archives");
    for tar in ["tar", "bsdtar"] {
        if !there_is(tar) {
            skip("every_tar_reads_the_archives", &format!("{tar} is not installed"));
            continue;
        }
        for (case, place, archive) in archives(&roots) {
            let output = program(tar).arg("-tvf").arg(place.at(&archive)).output().unwrap();
            let listing = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && output.stderr.is_empty(), "{case}: {archive}: {output:?}");
            assert!(listing.lines().any(|line| line.ends_with(" hostname")), "{case}: {archive}: {listing}");
        }
    }
}

#[test]
fn dnsmasq_reads_its_configuration() {
    if !there_is("dnsmasq") {
        return skip("dnsmasq_reads_its_configuration", "dnsmasq is not installed");
    }
    let mut read = 0;
    unpacked("dnsmasq_reads_its_configuration", |case, etc| {
        if !etc.at("dnsmasq.conf").exists() {
            return;
        }
        // The folder of additions is the machine's own.
        etc.write("additions/none.conf", "");
        let additions = etc.at("additions").display().to_string();
        etc.write("dnsmasq.conf", etc.read("dnsmasq.conf").replace("/etc/dnsmasq.d", &additions));
        let run = |config: &str| tool("dnsmasq").args(["--test", "-C"]).arg(etc.at(config)).output().unwrap();
        let output = run("dnsmasq.conf");
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        etc.write("broken", "no-such-option=1\n");
        assert!(!run("broken").status.success(), "this dnsmasq finds fault with nothing");
        read += 1;
    });
    let none = !there_is("tar") || rendered("dnsmasq_reads_its_configuration").is_empty();
    assert!(read > 5 || none, "only {read} configurations");
}

#[test]
fn shells_read_the_scripts() {
    unpacked("shells_read_the_scripts", |case, etc| {
        for script in ["runit/voidclust-master", "sv/nfs-server/conf", "sv/nfsdcld/conf", "sv/netmount/conf", "sv/dnsmasq/conf"] {
            if etc.at(script).exists() {
                let output = program("sh").arg("-n").arg(etc.at(script)).output().unwrap();
                assert!(output.status.success(), "{case}: {script}: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    });
    if !there_is("bash") {
        return skip("shells_read_the_scripts", "bash, which reads those of mkinitcpio, is not installed");
    }
    for (case, place) in rendered("shells_read_the_scripts") {
        for script in ["etc/mkinitcpio.net.conf", "etc/mkinitcpio.conf.d/voidclust.conf"] {
            // As mkinitcpio reads it, after the machine's own.
            let source = "set -eu; HOOKS=(base udev zfs); MODULES=(); . \"$1\"; echo \"${HOOKS[*]}\"";
            let output = program("bash").args(["-c", source, "bash"]).arg(place.at(script)).output().unwrap();
            let hooks = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && hooks.trim_end().ends_with(" overlayfs"), "{case}: {script}: {output:?}");
            assert_eq!(hooks.matches("zfs").count(), usize::from(script.contains("conf.d")), "{case}: {script}: {hooks}");
        }
    }
}

/// Whether exportfs can be tried here, with an /etc and a table of exports that only a test sees; else it is said why not.
fn may_export(test: &str) -> bool {
    let over_etc = "mount -t tmpfs none /mnt; mkdir /mnt/u /mnt/w; mount -t overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w none /etc";
    let why = if !there_is("exportfs") {
        "exportfs is not installed"
    } else if !may_mount() {
        "no mounts allowed here"
    } else if !Path::new("/var/lib/nfs").is_dir() {
        "no /var/lib/nfs to mount over"
    } else if Place::empty().unshared(over_etc).status != 0 {
        "no overlays can be mounted here"
    } else if Path::new("/proc/fs/nfsd/threads").exists() {
        "an NFS server runs here, and would be told"
    } else {
        return true;
    };
    skip(test, why);
    false
}

/// An /etc with the exports, a table of them and a /srv/nfs that only this process sees.
const ALONE: &str = r#"
        mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc
        rm -rf /etc/exports /etc/exports.d; touch /etc/exports; cp -R "$1/exports.d" /etc
        mount -t tmpfs none /var/lib/nfs; touch /var/lib/nfs/etab /var/lib/nfs/rmtab
        mount -t tmpfs none /srv; mkdir /srv/nfs
        PATH="$PATH:/usr/sbin""#;

#[test]
fn exportfs_reads_the_exports() {
    const TEST: &str = "exportfs_reads_the_exports";
    let script = r#"
        for place in $(sed -n 's|^\(/srv/nfs[^ ]*\) .*|\1|p' "$1/exports.d/voidclust.exports"); do
            mkdir -p "$place"; mount -t tmpfs none "$place"
        done
        exportfs -ar 2>&1; exportfs -v"#;
    if !may_export(TEST) {
        return;
    }
    unpacked(TEST, |case, etc| {
        if !etc.at("exports.d").exists() {
            return;
        }
        let ran = etc.unshared(&[ALONE, script].concat()).ended(0);
        let lines = ran.out.lines().filter(|line| line.contains("exportfs:")).collect::<Vec<_>>();
        assert!(lines.is_empty(), "{case}: {lines:?}");
        let exports = etc.read("exports.d/voidclust.exports");
        let wanted: usize =
            exports.lines().filter(|line| line.starts_with('/')).map(|line| line.split_whitespace().count() - 1).sum();
        assert_eq!(ran.out.matches("sec=sys").count(), wanted, "{case}: {}", ran.out);

        etc.write("exports.d/broken.exports", "/srv/nfs *(no_such_option)\n");
        assert!(etc.unshared(&[ALONE, script].concat()).out.contains("exportfs:"), "this exportfs finds fault with nothing");
    });
}

/// Void's service begins with `exportfs -ra`, and ends when that is not content.
#[test]
fn what_cannot_be_served_keeps_nobody_else_from_being_served() {
    const TEST: &str = "what_cannot_be_served_keeps_nobody_else_from_being_served";
    let script = r#"
        . "$1/sv/nfs-server/conf"
        exportfs -ra 2>&1"#;
    if !may_export(TEST) {
        return;
    }
    unpacked(TEST, |case, etc| {
        // A site may have a conf of its own.
        if etc.at("exports.d").exists() && etc.read("sv/nfs-server/conf").contains("by voidclust") {
            let ran = etc.unshared(&[ALONE, script].concat());
            assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{case}");
        }
    });
}

#[test]
fn grub_reads_its_configurations() {
    if !there_is("grub-script-check") {
        return skip("grub_reads_its_configurations", "grub-script-check is not installed");
    }
    for (case, place) in rendered("grub_reads_its_configurations") {
        for path in place.tree().into_keys().filter(|path| path.starts_with("srv/tftp/grub/grub.cfg")) {
            let output = program("grub-script-check").arg(place.at(&path)).output().unwrap();
            assert!(output.status.success(), "{case}: {path}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn fstab_has_six_fields_a_line() {
    unpacked("fstab_has_six_fields_a_line", |case, etc| {
        if let Some(Stands::File { bytes, .. }) = etc.tree().get("fstab") {
            for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.starts_with('#')) {
                assert_eq!(line.split_whitespace().count(), 6, "{case}: {line}");
            }
        }
    });
}

#[test]
fn mount_makes_the_mount_point_of_a_home_that_the_root_has_none_for() {
    const TEST: &str = "mount_makes_the_mount_point_of_a_home_that_the_root_has_none_for";
    if !may_mount() {
        return skip(TEST, "no mounts allowed here");
    }
    let place = Place::small();
    if !place.add_packaged_overlays() {
        return skip(TEST, "the packages' overlays are not in this tree");
    }
    let there = place.root().display().to_string();
    let config = place.read("etc/voidclust.conf").replace("\nhome = \"/home\"", "\nhome = \"/data/deep/home\"");
    place.write("etc/voidclust.conf", config.replace("\nhome_options = ", "\nhome_options = \"rw\" # "));
    let fstab = place.run(&["show", "node1", "fstab"]).ended(0).out;
    // No server is here: a tmpfs stands in for it, below the place.
    let line = fstab.lines().find(|line| line.contains("/data/deep/home")).unwrap();
    let line = line.replace("nfs4", "tmpfs").replace("/data/", &format!("{there}/data/"));
    place.write("fstab", line);
    let mounted = "mount -a -O _netdev -T \"$1/fstab\" && mountpoint -q \"$1/data/deep/home\"";
    place.unshared(mounted).ended(0);
}
