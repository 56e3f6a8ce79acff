//! `voidclust hook`: for package scripts, which must never fail over a site that is not ready.

use crate::machine::Machine;
use crate::place::{CRATE, Place, Ran, Stands, skip};

const HOOKS: [&[&str]; 3] =
    [&["hook", "post-install"], &["hook", "kernel-install", "6.12.94_1"], &["hook", "kernel-remove", "6.12.94_1"]];

#[track_caller]
fn one_line(ran: Ran, says: &str) {
    let ran = ran.ended(0);
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (1, ""), "{}", ran.out);
    assert!(ran.out.starts_with("voidclust: ") && ran.out.contains(says), "{}", ran.out);
}

#[test]
fn a_site_that_is_not_configured_is_told_what_to_do() {
    let place = Place::small();
    place.write("etc/voidclust.conf", std::fs::read(format!("{CRATE}/voidclust.conf")).unwrap());
    let before = place.tree();
    for hook in HOOKS {
        one_line(place.run(hook), "edit ROOT/etc/voidclust.conf, then run: voidclust apply");
    }
    assert_eq!(place.tree(), before);
}

#[test]
fn a_broken_site_is_told_where() {
    let place = Place::small();
    place.append("etc/voidclust.conf", "[boot]\nkeep = 0\n[client]\ncmdline = \"\"\n");
    for hook in HOOKS {
        one_line(place.run(hook), "ROOT/etc/voidclust.conf:");
    }
    place.remove("etc/voidclust.conf");
    one_line(place.run(HOOKS[0]), "not found");
}

#[test]
fn a_failing_overlay_is_told_where() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/a.j2", "{{ nope }}");
    one_line(place.run(HOOKS[0]), "a.j2:1: a variable is not defined");
}

#[test]
fn without_proc_files_are_rendered_and_images_left_to_the_machine() {
    let place = Place::small();
    one_line(
        place.run(HOOKS[0]),
        "/proc or /dev is not mounted here, so no image was built; run on the machine: voidclust apply",
    );
    assert!(place.at("etc/mkinitcpio.net.conf").exists() && !place.at("srv/tftp/pxelinux.cfg/default").exists());
    one_line(place.run(HOOKS[1]), "/proc or /dev is not mounted here");
}

#[test]
fn a_kernel_that_goes_is_left_to_the_nodes_that_are_pinned_to_it() {
    let place = Place::empty();
    place.copy_tree(&std::path::Path::new(CRATE).join("tests/cases/images_are_named_newest_first/root"), "");
    if !place.add_packaged_overlays() {
        return skip("a_kernel_that_goes_is_left_to_the_nodes_that_are_pinned_to_it", "no packaged overlays here");
    }
    let config = place.read("etc/voidclust.conf");
    place.write(
        "etc/voidclust.conf",
        format!("{config}\n[[node]]\nname = \"held\"\nmac = \"52:54:00:00:00:77\"\nkernel = \"6.12.94_1\"\n"),
    );
    place.run(&["apply"]);
    let default = |file: &str| {
        let text = place.read(&format!("srv/tftp/pxelinux.cfg/{file}"));
        text.lines()
            .find_map(|line| line.strip_prefix("DEFAULT "))
            .map(|label| label.split('-').next().unwrap().to_owned())
            .unwrap()
    };
    assert_eq!((default("default").as_str(), default("01-52-54-00-00-00-77").as_str()), ("6.12.94_1", "6.12.94_1"));

    place.remove("boot/vmlinuz-6.12.94_1");
    place.remove("usr/lib/modules/6.12.94_1");
    one_line(place.run(HOOKS[2]), "a node is pinned to kernel 6.12.94_1: its image stays");
    assert_eq!((default("default").as_str(), default("01-52-54-00-00-00-77").as_str()), ("6.12.9_1", "6.12.94_1"));
}

#[test]
fn with_proc_a_hook_applies() {
    let place = Place::small();
    place.write("proc/self/status", "");
    place.link("/dev/null", "dev/null");
    place.run(HOOKS[0]).ended(0);
    assert!(place.at("srv/tftp/pxelinux.cfg/default").exists());
    // Nobody's keys and ids change because a package came: that is for apply to do.
    let left = place.run(&["diff"]).ended(3).out;
    assert!(left.starts_with("identity: node1\nidentity: node2\nidentity: node3\n"), "{left}");
}

#[test]
fn a_hook_tells_what_its_run_has_come_upon_and_a_kernel_no_more_than_that() {
    // An upgrade in the lower tree of a running master, where no image can be built.
    let machine = Machine::master();
    machine.configure("1", "[master]\nname = \"head\"\n");
    let out = machine.run(HOOKS[0]).ended(0).out;
    assert!(out.contains("note: reboot the master for: hostname"), "{out}");
    assert!(!out.contains("syslinux"), "apply, which is advised, tells that: {out}");

    let place = Place::small();
    place.write("proc/self/status", "");
    place.link("/dev/null", "dev/null");
    for version in ["6.12.94_1", "6.1.1_1"] {
        place.write(&format!("boot/vmlinuz-{version}"), "");
        place.write(&format!("usr/lib/modules/{version}/modules.dep"), "");
        let out = place.run(&["hook", "kernel-install", version]).ended(0).out;
        let notes: Vec<&str> = out.lines().filter(|line| line.starts_with("note: ")).collect();
        assert!(matches!(notes[..], [note] if note.contains("mkinitcpio")), "{out}");
    }
    assert!(place.run(HOOKS[0]).ended(0).out.contains("install syslinux"));
}

/// The database of xbps with these states of cluster-master and cluster-overlays.
fn transaction(place: &Place, master: &str, overlays: &str) {
    let entry = |name: &str, state: &str| {
        format!("\t<key>{name}</key>\n\t<dict>\n\t\t<key>state</key>\n\t\t<string>{state}</string>\n\t</dict>\n")
    };
    let entries = entry("cluster-master", master) + &entry("cluster-overlays", overlays);
    place.write("var/db/xbps/pkgdb-0.38.plist", format!("<plist version=\"1.0\">\n<dict>\n{entries}</dict>\n</plist>\n"));
}

#[test]
fn of_several_packages_in_a_transaction_one_has_the_work_done() {
    let place = Place::small();
    let hook = |package: &str| place.run(&["hook", "post-install", package]);
    transaction(&place, "unpacked", "unpacked");
    for another in ["cluster-client-initcpio", "cluster-overlays"] {
        let ran = hook(another).ended(0);
        assert_eq!((ran.out, ran.err), (String::new(), String::new()), "{another}");
    }
    assert!(!place.at("etc/mkinitcpio.net.conf").exists());
    one_line(hook("cluster-master"), "no image was built");
    assert!(place.at("etc/mkinitcpio.net.conf").exists());

    // Without cluster-master, the next in turn.
    place.remove("etc/mkinitcpio.net.conf");
    transaction(&place, "installed", "unpacked");
    assert_eq!(hook("cluster-client-initcpio").ended(0).out, "");
    one_line(hook("cluster-overlays"), "no image was built");
    assert!(place.at("etc/mkinitcpio.net.conf").exists());

    // What is configured again is in no transaction.
    transaction(&place, "installed", "installed");
    one_line(hook("cluster-overlays"), "no image was built");
}

#[test]
fn what_nodes_boot_of_a_new_kernel_is_left_to_a_package_in_the_same_transaction() {
    let place = Place::small();
    place.write("boot/vmlinuz-6.12.94_1", "");
    place.write("usr/lib/modules/6.12.94_1/modules.dep", "");
    transaction(&place, "unpacked", "installed");
    assert_eq!(place.run(HOOKS[1]).ended(0).out, "");
    one_line(place.run(&["hook", "kernel-install", "6.1.1_1"]), "no image was built");
    transaction(&place, "installed", "installed");
    one_line(place.run(HOOKS[1]), "no image was built");
}

#[test]
fn a_new_master_is_told_what_to_do_by_its_package() {
    let place = Place::small();
    place.write("etc/voidclust.conf", std::fs::read(format!("{CRATE}/voidclust.conf")).unwrap());
    transaction(&place, "unpacked", "unpacked");
    assert_eq!(place.run(&["hook", "post-install", "cluster-master"]).ended(0).out, "");
}

#[test]
fn remove_takes_away_what_nobody_edited_and_its_own_state() {
    let place = Place::applied();
    place.append("etc/mkinitcpio.net.conf", "# mine\n");
    place.write("srv/tftp/images/6.1_1-0123456789ab/vmlinuz", "kernel");
    place.write("etc/mkinitcpio.conf.d/voidclust.conf", "mine\n");
    let ran = place.run(&["hook", "remove"]).ended(0);
    let left = |path| format!("voidclust: edited by hand, and left: ROOT/{path}\n");
    assert_eq!(ran.out, left("etc/mkinitcpio.conf.d/voidclust.conf") + &left("etc/mkinitcpio.net.conf"));
    for gone in ["var/lib/voidclust/nodes/default.00-voidclust.tar", "srv/tftp/pxelinux.cfg/default"] {
        assert!(!place.at(gone).exists(), "{gone}");
    }
    for kept in ["etc/voidclust.conf", "etc/mkinitcpio.net.conf", "srv/tftp/images/6.1_1-0123456789ab/vmlinuz"] {
        assert!(place.at(kept).exists(), "{kept}");
    }
    // What was edited stays known, so that a reinstallation does not take it for somebody else's.
    let manifest = place.read("var/lib/voidclust/manifest.toml");
    assert_eq!(manifest.matches(" = ").count(), 2, "{manifest}");
    place.run(&["apply"]).ended(0);
    assert!(place.at("etc/mkinitcpio.net.conf.new-voidclust").exists());
}

#[test]
fn remove_leaves_no_trace_where_nobody_edited_anything() {
    let place = Place::small();
    let before = place.tree();
    place.run(&["apply"]).ended(0);
    assert_eq!(place.run(&["hook", "remove"]).ended(0).out, "");
    let mut after = place.tree();
    let is_identity = |path: &str| path.starts_with("var/lib/voidclust/identity/");
    assert!(after.keys().any(|path| is_identity(path)), "as the host keys of a machine outlive its sshd");
    let is_empty = |stands: &Stands| matches!(stands, Stands::Folder(_));
    after.retain(|path, stands| before.contains_key(path) || !(is_identity(path) || is_empty(stands)));
    assert_eq!(after, before, "but for empty folders");
    // A second time there is nothing to take away, as in a package that is removed in two steps.
    assert_eq!(place.run(&["hook", "remove"]).ended(0).out, "");
}

#[test]
fn generations_stay_until_somebody_removes_them_and_it_is_told_how() {
    let place = Place::applied();
    let record = "number = 3\nmade = 1764547200\nstorage = \"copy\"\nkernels = []\n";
    place.write("var/lib/voidclust/generations/3.toml", record);
    place.write("var/lib/voidclust/generations/3/usr/bin/x", "");
    let out = place.run(&["hook", "remove"]).ended(0).out;
    assert!(out.contains("1 generation left") && out.contains("rm -r ROOT/var/lib/voidclust/generations\n"), "{out}");
    assert!(place.at("var/lib/voidclust/generations/3/usr/bin/x").exists());
}

#[test]
fn after_a_removal_and_reinstallation_an_edited_file_is_known_as_edited() {
    let place = Place::applied();
    place.write("etc/mkinitcpio.net.conf", "mine\n");
    assert!(place.run(&["hook", "remove"]).ended(0).out.contains("left: ROOT/etc/mkinitcpio.net.conf"));
    let ran = place.run(&["hook", "post-install"]).ended(0);
    assert!(ran.out.contains("edited by hand, new text beside it: etc/mkinitcpio.net.conf"), "{}", ran.out);
    assert_eq!(place.read("etc/mkinitcpio.net.conf"), "mine\n");
    assert!(place.read("etc/mkinitcpio.net.conf.new-voidclust").contains("netroot_drivers"));
}
