//! `apply` and `diff`: what is written, what is left alone, and what is said about it.

use std::os::unix::fs::MetadataExt;

use crate::place::{Place, Stands};

const NET_CONF: &str = "etc/mkinitcpio.net.conf";
const BESIDE: &str = "etc/mkinitcpio.net.conf.new-voidclust";
const NODE1: &str = "52:54:00:17:c7:e2";

#[test]
fn a_second_run_writes_nothing_and_says_so() {
    let place = Place::applied();
    let before = place.tree();
    let ran = place.run(&["apply"]).ended(0);
    assert!(ran.out.ends_with("in sync: nothing to do\n"), "{}", ran.out);
    // Modification times are part of what is compared.
    assert_eq!(place.tree(), before);
    assert!(place.run(&["diff"]).ended(0).out.ends_with("in sync\n"));
    place.run(&["apply", "--dry-run"]).ended(0);
}

#[test]
fn the_same_site_renders_the_same_bytes_on_another_root() {
    const IDENTITIES: &str = "var/lib/voidclust/identity";
    let (one, other) = (Place::applied(), Place::small());
    // Made once by chance, and from then on a part of what is rendered from.
    other.copy_tree(&one.at(IDENTITIES), IDENTITIES);
    other.run(&["apply"]).ended(0);
    let [one, other] = [one, other].map(|place| {
        let files = place.tree().into_iter().filter_map(|(path, stands)| match stands {
            Stands::File { mode, bytes, .. } if !path.starts_with(IDENTITIES) => Some((path, mode, bytes)),
            _ => None,
        });
        files.collect::<Vec<_>>()
    });
    assert_eq!(one, other);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let place = Place::small();
    let before = place.tree();
    for option in ["--dry-run", "-n"] {
        let ran = place.run(&["apply", option]).ended(3);
        assert!(ran.out.contains("create etc/mkinitcpio.net.conf\n"), "{}", ran.out);
        assert!(
            ran.out.contains(&format!("create var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar:hostname (node1)\n")),
            "{}",
            ran.out
        );
        assert!(!ran.out.contains("tell: "), "nothing runs from this tree: {}", ran.out);
    }
    assert_eq!(place.tree(), before);
}

#[test]
fn diff_shows_each_file_as_a_unified_diff() {
    let place = Place::applied();
    place.write("usr/share/voidclust/overlays/client/motd", "welcome\nto the cluster\n");
    place.append("etc/voidclust.conf", "services = [\"sshd\"]\n");
    let before = place.tree();
    let ran = place.run(&["diff"]).ended(3);
    let archive = format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar");
    let motd = format!(
        "diff {archive}:motd (node1)\n--- a/{archive}:motd\n+++ b/{archive}:motd\n@@ -1 +1,2 @@\n welcome\n+to the cluster\n"
    );
    assert!(ran.out.contains(&motd), "{}", ran.out);
    // The last node of the file is node3, so the service is its own.
    let link = "e4.00-voidclust.tar:runit/runsvdir/default/sshd\n@@ -0,0 +1 @@\n+-> /etc/sv/sshd\n";
    assert!(ran.out.contains(link), "{}", ran.out);
    assert!(ran.out.ends_with("1 to create, 4 to replace, 0 to remove, 0 images to build\n"), "{}", ran.out);
    assert_eq!(place.tree(), before);
}

#[test]
fn diff_names_the_modes_that_change() {
    let place = Place::applied();
    place.chmod("usr/share/voidclust/overlays/client/motd", 0o600);
    let ran = place.run(&["diff"]).ended(3);
    assert!(ran.out.contains("old mode 0644\nnew mode 0600\n"), "{}", ran.out);
}

#[test]
fn diff_as_json_has_what_the_text_has() {
    let place = Place::applied();
    assert_eq!(place.run(&["diff", "--json"]).ended(0).json()["in_sync"], true);
    place.append("etc/voidclust.conf", "services = [\"sshd\"]\n");
    let json = place.run(&["diff", "--json"]).ended(3).json();
    for field in ["in_sync", "problems", "changes", "lay", "tell", "images", "master_images", "prune", "notes"] {
        assert!(json.get(field).is_some(), "{field}");
    }
    let change = &json["changes"][0];
    assert_eq!((&change["action"], &change["node"]), (&"create".into(), &"node3".into()));
    assert_eq!(change["member"], "runit/runsvdir/default/sshd");
    assert!(change["path"].as_str().unwrap().ends_with(".tar") && change["diff"].as_str().unwrap().contains("+-> /etc/sv/sshd"));
}

/// What is built is not the clients' image only.
#[test]
fn diff_says_that_the_masters_own_image_will_be_made_again() {
    const KERNEL: &str = "6.12.94_1";
    let place = Place::applied();
    place.write(&format!("boot/vmlinuz-{KERNEL}"), "kernel");
    place.write(&format!("usr/lib/modules/{KERNEL}/modules.dep"), "");
    place.write("etc/mkinitcpio.conf", "HOOKS=(base)\n");
    place.write("usr/bin/mkinitcpio", "");
    let own = || place.run(&["diff", "--json"]).ended(3).json()["master_images"].clone();
    assert_eq!(own(), serde_json::json!([KERNEL]));
    std::thread::sleep(std::time::Duration::from_millis(20));
    place.write(&format!("boot/initramfs-{KERNEL}.img"), "image");
    assert_eq!(own(), serde_json::json!([]));
    place.write("etc/voidclust.d/1.conf", "[master]\nmodules = [\"amdgpu\"]\n");
    assert_eq!(own(), serde_json::json!([KERNEL]));
    let said = place.run(&["apply", "-n"]).ended(3).out;
    assert!(said.contains(&format!("\nimage: {KERNEL}, the master's own\n")) && said.contains(", 2 images to build\n"), "{said}");
}

#[test]
fn modes_of_an_overlay_reach_the_node() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/ssl/private/key", "secret\n");
    place.chmod("etc/voidclust/overlays/client/ssl/private/key", 0o400);
    place.chmod("etc/voidclust/overlays/client/ssl/private", 0o700);
    place.run(&["apply"]).ended(0);
    let listing = place.run(&["show", "node1"]).out;
    let me = place.root().metadata().unwrap();
    let owner = format!("{}:{}", me.uid(), me.gid());
    let listed = |mode: &str, path: &str| listing.contains(&format!("{mode}  {owner}  {path} "));
    assert!(listed("0700", "ssl/private/") && listed("0400", "ssl/private/key"), "{listing}");
    let archive = std::fs::File::open(place.at(&format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar"))).unwrap();
    let modes: Vec<_> = tar::Archive::new(archive)
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap()))
        .filter(|(path, _)| path.starts_with("ssl"))
        .collect();
    assert_eq!(modes, [("ssl/private/".to_owned(), 0o700), ("ssl/private/key".to_owned(), 0o400)]);
}

#[test]
fn what_somebody_edited_stays_and_the_new_text_is_put_beside_it() {
    let place = Place::applied();
    place.append(NET_CONF, "# mine\n");
    let edited = place.read(NET_CONF);
    let ran = place.run(&["apply"]).ended(0);
    assert!(ran.out.contains(&format!("edited by hand, new text beside it: {NET_CONF}\n")), "{}", ran.out);
    assert_eq!(place.read(NET_CONF), edited);
    assert_eq!(format!("{}# mine\n", place.read(BESIDE)), edited);

    // Nothing is left to do, and yet the file is not what the site wants.
    for command in [&["diff"][..], &["apply", "--dry-run"]] {
        let ran = place.run(command).ended(3);
        let counted = "0 to create, 0 to replace, 0 to remove, 1 edited by hand, 0 images to build\n";
        assert!(ran.out.ends_with(counted), "{}", ran.out);
    }
    assert_eq!(place.run(&["diff", "--json"]).ended(3).json()["in_sync"], false);

    // It is still known as edited when the text that we want changes, and said in every run.
    place.write("etc/voidclust.d/1.conf", "[client]\ndrivers = \"autodetect\"\n");
    assert!(place.run(&["diff"]).ended(3).out.contains(&format!("edited by hand, kept: {NET_CONF}\n")));
    place.run(&["apply"]).ended(0);
    assert_eq!(place.read(NET_CONF), edited);
    assert!(place.read(BESIDE).contains("netroot_drivers=autodetect"), "{}", place.read(BESIDE));

    // Once the edit is gone, so is the text beside it.
    place.write(NET_CONF, place.read(BESIDE));
    place.run(&["apply"]).ended(0);
    assert!(!place.at(BESIDE).exists());
    place.run(&["diff"]).ended(0);
}

#[test]
fn a_loader_that_cannot_be_made_stays_as_it_is() {
    let place = Place::small();
    for name in ["lpxelinux.0", "ldlinux.c32"] {
        place.write(&format!("usr/lib/syslinux/{name}"), name);
    }
    place.run(&["apply"]).ended(0);
    assert_eq!(place.read("srv/tftp/lpxelinux.0"), "lpxelinux.0");

    // A menu needs more than is there.
    place.write("etc/voidclust.d/1.conf", "[boot]\ntimeout = 5\n");
    let said = place.run(&["apply"]).ended(0).out;
    assert!(said.contains("libutil.c32: not there; install syslinux, the loader of BIOS machines stays as it is"), "{said}");
    place.remove("usr/lib/syslinux");
    place.run(&["apply"]).ended(0);
    assert_eq!(place.read("srv/tftp/lpxelinux.0"), "lpxelinux.0");
    assert_eq!(place.read("srv/tftp/ldlinux.c32"), "ldlinux.c32");

    place.write("etc/voidclust.d/1.conf", "[boot]\nfirmware = [\"uefi\"]\n");
    place.run(&["apply"]).ended(0);
    assert!(!place.at("srv/tftp/lpxelinux.0").exists(), "nobody wants it any more");
}

#[test]
fn another_root_is_never_taken_for_what_a_machine_has_told() {
    let place = Place::small();
    let config = place.read("etc/voidclust.conf").replace("\nstorage = \"zfs\"", "");
    assert!(!config.contains("storage ="), "{config}");
    place.write("etc/voidclust.conf", config);
    place.run(&["apply"]).ended(0);
    assert!(!place.at("var/lib/voidclust/master.toml").exists());
    // That something of ZFS is installed says nothing about the file system that the tree lies on.
    place.write("usr/lib/initcpio/hooks/zfs", "");
    let ran = place.run(&["apply"]).ended(0);
    assert!(!place.read("etc/mkinitcpio.conf.d/voidclust.conf").contains("zfs"));
    assert!(ran.out.contains("ROOT/: does not lie on ZFS"), "{}", ran.out);
}

#[test]
fn a_file_whose_new_text_was_taken_over_is_ours_again() {
    for looked_at_between in [true, false] {
        let place = Place::applied();
        place.append(NET_CONF, "# mine\n");
        place.write("etc/voidclust.d/1.conf", "[client]\ndrivers = \"autodetect\"\n");
        place.run(&["apply"]).ended(0);
        place.write(NET_CONF, place.read(BESIDE));
        place.remove(BESIDE);
        if looked_at_between {
            assert!(place.run(&["apply"]).ended(0).out.ends_with("in sync: nothing to do\n"));
        }
        place.write("etc/voidclust.d/1.conf", "[client]\ndrivers = \"all\"\n");
        let ran = place.run(&["apply"]).ended(0);
        assert!(ran.out.contains(&format!("replace {NET_CONF}\n")), "{}", ran.out);
        assert!(place.read(NET_CONF).contains("netroot_drivers=all") && !place.at(BESIDE).exists());
    }
}

#[test]
fn force_replaces_what_was_edited() {
    let place = Place::applied();
    let ours = place.read(NET_CONF);
    for option in ["--force", "-f"] {
        place.write(NET_CONF, "mine\n");
        place.run(&["apply", option]).ended(0);
        assert_eq!(place.read(NET_CONF), ours);
        assert!(!place.at(BESIDE).exists());
    }
}

#[test]
fn a_file_that_is_not_ours_stops_the_run_before_anything_is_written() {
    let place = Place::small();
    place.write(NET_CONF, "foreign\n");
    place.write("srv/tftp/pxelinux.cfg/default", "foreign\n");
    let before = place.tree();
    let ran = place.run(&["apply"]).ended(1);
    for path in [NET_CONF, "srv/tftp/pxelinux.cfg/default"] {
        assert!(ran.err.contains(&format!("ROOT/{path}: a file that voidclust did not write is in the way\n")), "{}", ran.err);
    }
    assert!(ran.err.contains("nothing was changed; move what is in the way, or replace files with: voidclust apply --force"));
    assert!(place.run(&["diff"]).ended(3).out.contains(&format!("not ours, in the way: {NET_CONF}\n")));
    let mut after = place.tree();
    after.retain(|path, _| !path.starts_with("var"));
    assert_eq!(after, before, "but for the lock");
    place.run(&["apply", "--force"]).ended(0);
    assert_ne!(place.read(NET_CONF), "foreign\n");
}

#[test]
fn force_never_replaces_a_folder() {
    let place = Place::small();
    place.write("etc/mkinitcpio.net.conf/inside", "");
    let ran = place.run(&["apply", "--force"]).ended(1);
    assert!(ran.err.contains(&format!("ROOT/{NET_CONF}: a folder is in the way")), "{}", ran.err);
    assert!(place.at("etc/mkinitcpio.net.conf/inside").exists());
}

#[test]
fn what_is_no_longer_wanted_goes_and_nothing_else() {
    let place = Place::applied();
    let others = [
        format!("etc/overlays/{NODE1}/motd"),
        format!("etc/overlays/{NODE1}.10-mine.tar"),
        "var/lib/voidclust/nodes/52:54:00:ff:ff:ff.00-voidclust.tar".to_owned(),
        "srv/tftp/pxelinux.cfg/01-52-54-00-ff-ff-ff".to_owned(),
        "srv/tftp/memtest".to_owned(),
    ];
    for path in &others {
        place.write(path, "the administrator's\n");
    }
    let config = place.read("etc/voidclust.conf");
    place.write("etc/voidclust.conf", config.split("[[node]]").next().unwrap());
    let ran = place.run(&["apply"]).ended(0);
    assert!(ran.out.contains(&format!("remove var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar")), "{}", ran.out);
    assert!(ran.out.contains("remove srv/tftp/grub/grub.cfg-01-52-54-00-17-c7-e2"), "{}", ran.out);
    assert!(!place.at(&format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar")).exists());
    for path in &others {
        assert_eq!(place.read(path), "the administrator's\n", "{path}");
    }
    assert!(place.at("var/lib/voidclust/nodes/default.00-voidclust.tar").exists());
}

#[test]
fn an_edited_file_that_is_no_longer_wanted_stays() {
    let place = Place::applied();
    let file = "srv/tftp/pxelinux.cfg/01-52-54-00-17-c7-e4";
    place.append(file, "# mine\n");
    place.write("etc/voidclust.d/1.conf", "[boot]\nfirmware = [\"uefi\"]\n");
    for end in ["done: ", "in sync, but for 1 file edited by hand\n", "in sync, but for 1 file edited by hand\n"] {
        let ran = place.run(&["apply"]).ended(0);
        // Or a machine would go on with it, and nobody would know why.
        let told = format!("edited by hand, wanted no longer, and stays; remove it unless you need it: {file}\n");
        assert!(ran.out.contains(&told) && ran.out.contains(end), "{}", ran.out);
    }
    assert!(place.read(file).ends_with("# mine\n"));
    assert!(!place.at("srv/tftp/pxelinux.cfg/default").exists());
    let said = place.run(&["diff"]).ended(3).out;
    assert!(
        said.contains(&format!("edited by hand, wanted no longer: {file}\n")) && said.contains(", 1 edited by hand, "),
        "{said}"
    );
    place.remove(file);
    place.run(&["apply"]).ended(0);
    place.run(&["diff"]).ended(0);
}

#[test]
fn a_damaged_archive_counts_as_edited() {
    let place = Place::applied();
    let archive = format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar");
    place.write(&archive, "torn");
    let ran = place.run(&["apply"]).ended(0);
    assert!(ran.out.contains("edited by hand"), "{}", ran.out);
    place.run(&["apply", "--force"]).ended(0);
    assert_eq!(place.member(NODE1, "hostname").as_deref(), Some("node1.cluster\n"));
}

#[test]
fn long_lists_are_counted_unless_verbose() {
    let place = Place::small();
    let nodes: String = (0..60).map(|n| format!("[[node]]\nname = \"m{n}\"\nmac = \"52:54:00:00:01:{n:02x}\"\n")).collect();
    place.write("etc/voidclust.d/1.conf", nodes);
    let ran = place.run(&["apply", "--dry-run"]).ended(3);
    assert!(ran.out.contains(" changes (list them with --verbose)\n") && !ran.out.contains("create "), "{}", ran.out);
    for option in ["-v", "--verbose"] {
        assert!(place.run(&["apply", "-n", option]).ended(3).out.contains("(m59)\n"));
    }
}
