//! The master's rc.local, run in a chroot whose root is an overlay, among the file systems that stage 1 has mounted.

use crate::overlay_root;
use crate::place::Place;

/// Mounts with `mounts`, runs rc.local, and returns what it said and then the first line of each file in `look`.
fn master(test: &str, home: &str, mounts: &str, look: &[&str]) -> Option<String> {
    let place = Place::small();
    if overlay_root::skipped(test, &place) {
        return None;
    }
    let config = place.read("etc/voidclust.conf");
    place.write("etc/voidclust.conf", config.replace("\nhome = \"/home\"", &format!("\nhome = \"{home}\"")));
    place.write("etc/rc.local", place.run(&["show", "master", "rc.local"]).ended(0).out);
    place.write("home/bob/file", "of bob\n");
    let look: String = look.iter().map(|path| format!("head -n 1 root{path} 2>&1 || :\n")).collect();
    let ran = overlay_root::run(&place, &format!("{mounts}\ninside 'sh /etc/rc.local'\n{look}")).ended(0);
    assert_eq!(ran.err, "");
    Some(ran.out)
}

#[test]
fn a_home_of_the_root_is_exported_with_what_is_mounted_below_it() {
    let mounts = "mkdir root/home/alice; mount -t tmpfs none root/home/alice; echo 'of alice' >root/home/alice/file
        mkdir root/home/alice/deep; mount -t tmpfs none root/home/alice/deep; echo deep >root/home/alice/deep/file";
    let look = ["bob", "alice", "alice/deep"].map(|who| [format!("/home/{who}/file"), format!("/srv/nfs/home/{who}/file")]);
    let look: Vec<&str> = look.iter().flatten().map(String::as_str).collect();
    let test = "a_home_of_the_root_is_exported_with_what_is_mounted_below_it";
    let Some(said) = master(test, "/home", mounts, &look) else { return };
    assert_eq!(said, "of bob\nof bob\nof alice\nof alice\ndeep\ndeep\n");
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
    let look = ["/boot/vmlinuz", "/run/rootfs/lower/boot/vmlinuz", "/srv/nfs/root/boot/vmlinuz"];
    let Some(said) = master("a_boot_of_its_own_is_there_in_the_lower_tree", "/home", mounts, &look) else { return };
    assert_eq!(said, "kernel\nkernel\nkernel\n");
}
