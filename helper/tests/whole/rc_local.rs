//! What the master does at the end of stage 1, in a chroot whose root is an overlay, among the file systems that stage 1
//! has mounted; and the rc.local of the site, which comes after it.

use std::path::Path;

use crate::overlay_root;
use crate::place::{CRATE, Place};

/// Where the overlay `master` has the master's script.
const SCRIPT: &str = "runit/voidclust-master";

/// Mounts with `mounts`, runs the script, and returns what it said and then the first line of each file in `look`.
fn master(test: &str, home: &str, mounts: &str, look: &[&str]) -> Option<String> {
    let place = Place::live();
    if overlay_root::skipped(test, &place) {
        return None;
    }
    let config = place.read("etc/voidclust.conf");
    place.write("etc/voidclust.conf", config.replace("\nhome = \"/home\"", &format!("\nhome = \"{home}\"")));
    lay(&place, SCRIPT);
    place.write("home/bob/file", "of bob\n");
    let look: String = look.iter().map(|path| format!("head -n 1 root{path} 2>&1 || :\n")).collect();
    let ran = overlay_root::run(&place, &format!("{mounts}\ninside /etc/{SCRIPT}\n{look}")).ended(0);
    assert_eq!(ran.err, "");
    Some(ran.out)
}

/// Puts a file of the master's layout where it is laid.
fn lay(place: &Place, path: &str) {
    place.write(&format!("etc/{path}"), place.run(&["show", "master", path]).ended(0).out);
    place.chmod(&format!("etc/{path}"), 0o755);
}

#[test]
fn the_rc_local_of_the_site_runs_once_beside_what_the_master_needs() {
    const TEST: &str = "the_rc_local_of_the_site_runs_once_beside_what_the_master_needs";
    // The handbook's static address, here for all nodes or, as the guide says, for the master alone.
    for overlay in [None, Some("etc/voidclust/overlays/master/rc.local")] {
        let place = Place::live();
        if overlay_root::skipped(TEST, &place) {
            return;
        }
        place.write("etc/rc.local", "#!/bin/sh\necho lower\n");
        if let Some(path) = overlay {
            place.write(path, "#!/bin/sh\necho site\n");
            place.chmod(path, 0o755);
            lay(&place, "rc.local");
        }
        place.chmod("etc/rc.local", 0o755);
        lay(&place, SCRIPT);
        let service = Path::new(CRATE).join("../srcpkgs/cluster-master/files/core-services/20-voidclust-master.sh");
        place.write("etc/runit/core-services/20-voidclust-master.sh", std::fs::read_to_string(service).unwrap());
        // Stages 1 and 2 of runit, as far as they matter here.
        let stages = "inside '. /etc/runit/functions; . /etc/runit/core-services/20-voidclust-master.sh; /etc/rc.local'
            inside 'mountpoint -q /srv/nfs/head && mountpoint -q /srv/nfs/home && echo exported'";
        let ran = overlay_root::run(&place, stages).ended(0);
        let said = if overlay.is_some() { "site" } else { "lower" };
        assert_eq!((ran.out, ran.err), (format!("{said}\nexported\n"), String::new()));
    }
}

#[test]
fn a_home_of_the_root_is_exported_with_what_is_mounted_below_it() {
    let mounts =
        "mkdir root/home/alice 'root/home/a c'; mount -t tmpfs none root/home/alice; echo 'of alice' >root/home/alice/file
        mount -t tmpfs none 'root/home/a c'; echo 'of ac' >'root/home/a c/file'
        mkdir root/home/alice/deep; mount -t tmpfs none root/home/alice/deep; echo deep >root/home/alice/deep/file";
    let look =
        ["bob", "alice", "alice/deep", "a?c"].map(|who| [format!("/home/{who}/file"), format!("/srv/nfs/home/{who}/file")]);
    let look: Vec<&str> = look.iter().flatten().map(String::as_str).collect();
    let test = "a_home_of_the_root_is_exported_with_what_is_mounted_below_it";
    let Some(said) = master(test, "/home", mounts, &look) else { return };
    assert_eq!(said, "of bob\nof bob\nof alice\nof alice\ndeep\ndeep\nof ac\nof ac\n");
}

#[test]
fn a_home_that_lies_in_another_file_system_is_exported_from_there() {
    let mounts = "mkdir -p root/data lower/data/home; echo stale >lower/data/home/file
        mount -t tmpfs none root/data; mkdir root/data/home; echo true >root/data/home/file
        rm -r root/home; ln -s data/home root/home";
    for home in ["/data/home", "/home"] {
        let look = ["/data/home/file", "/srv/nfs/home/file", "/home/file"];
        let test = "a_home_that_lies_in_another_file_system_is_exported_from_there";
        let Some(said) = master(test, home, mounts, &look) else { return };
        assert_eq!(said, "true\ntrue\ntrue\n", "{home}");
    }
}

#[test]
fn a_boot_of_its_own_is_there_in_the_lower_tree() {
    let mounts = "mount -t tmpfs none root/boot; echo kernel >root/boot/vmlinuz";
    let look = ["/boot/vmlinuz", "/run/rootfs/lower/boot/vmlinuz", "/srv/nfs/head/boot/vmlinuz"];
    let Some(said) = master("a_boot_of_its_own_is_there_in_the_lower_tree", "/home", mounts, &look) else { return };
    assert_eq!(said, "kernel\nkernel\nkernel\n");
}
