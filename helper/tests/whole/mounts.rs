//! Mounts and exports of a site's own: what is refused, whose word counts, and what is bound for clients.

use crate::machine::Machine;
use crate::overlay_root;
use crate::place::Place;

/// A drop-in over the example, the line and column where it is wrong, words of the message and of its remedy.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (
        "[client]\nmounts = [\"nas:/data\"]",
        "2:11",
        "\"nas:/data\" is no mount",
        "write { device = \"nas:/data\", path = \"/data\" }",
    ),
    ("[client]\nmounts = [{ path = \"/data\" }]", "2:11", "this mount has no `device`", "write { device = "),
    ("[client]\nmounts = [{ device = \"nas:/data\" }]", "2:11", "this mount has no `path`", "path = \"/data\""),
    (
        "[client]\nmounts = [{ device = 5, path = \"/data\" }]",
        "2:22",
        "`device` must be one text in quotes, not 5",
        "write device = ",
    ),
    ("[client]\nmounts = [{ device = \"a b\", path = \"/data\" }]", "2:22", "`a b` is not a device", "LABEL=scratch"),
    (
        "[client]\nmounts = [{ device = \"nas:/data\", path = \"data\" }]",
        "2:42",
        "`data` is not an absolute path",
        "begin with `/`",
    ),
    (
        "[client]\nmounts = [{ device = \"nas:/data\", path = \"/data\", option = \"ro\" }]",
        "2:51",
        "unknown key `option` in this mount",
        "did you mean `options`?",
    ),
    (
        "[client]\nmounts = [{ device = \"nas:/data\", path = \"/data\", options = \"ro, soft\" }]",
        "2:61",
        "`ro, soft` is not a list of mount options",
        "without blanks",
    ),
    (
        "[client]\nmounts = [{ device = \"nas:/data\", path = \"/data\", type = \"nfs 4\" }]",
        "2:58",
        "`nfs 4` is not a file system type",
        "nfs4",
    ),
    ("[client]\nmounts = [{ device = \"nas:/data\", path = \"/usr\" }]", "2:42", "a node needs its own /usr", "elsewhere"),
    ("[client]\nmounts = [{ device = \"nas:/data\", path = \"/run/x\" }]", "2:42", "a node needs its own /run/x", "elsewhere"),
    (
        "[profile.a]\nmounts = [{ device = \"nas:/a\", path = \"/data\" }, { device = \"nas:/b\", path = \"/data\" }]",
        "2:78",
        "/data is mounted twice here",
        "keep one of them",
    ),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nmounts = [{ device = \"172.23.199.225:/data\", path = \"/data\" }]",
        "4:22",
        "the master does not export /data",
        "add { path = \"/data\" } to `exports` under [nfs]",
    ),
    ("[nfs]\nexports = [\"/data\"]", "2:12", "\"/data\" is no export", "write { path = "),
    ("[nfs]\nexports = [{ path = \"/data\", readonly = true }]", "2:30", "unknown key `readonly` in this export", "`read_only`"),
    (
        "[nfs]\nexports = [{ path = \"/data\", read_only = \"yes\" }]",
        "2:42",
        "`read_only` must be true or false",
        "read_only = true",
    ),
    ("[nfs]\nexports = [{ path = \"/home/a\" }]", "2:21", "/home/a is exported as the home already", "another folder"),
    ("[nfs]\nhome = \"none\"\nexports = [{ path = \"/home/a\" }]", "3:21", "/home/a cannot be told from", "another folder"),
    ("[nfs]\nexports = [{ path = \"/srv/nfs\" }]", "2:21", "/srv/nfs belongs to the system", "another folder"),
    ("[nfs]\nexports = [{ path = \"/d\" }, { path = \"/d/x\" }]", "2:38", "/d/x and /d lie in each other", "another folder"),
];

#[test]
fn every_mistake_in_mounts_and_exports_is_named_once_with_its_remedy() {
    let place = Place::small();
    for (text, at, words, remedy) in MISTAKES {
        place.write("etc/voidclust.d/1.conf", text);
        let ran = place.run(&["check"]).ended(1);
        let lines: Vec<_> = ran.err.lines().filter(|line| line.starts_with("ROOT/")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("ROOT/etc/voidclust.d/1.conf:{at}: ")), "{text}\n{}", ran.err);
        assert!(lines[0].contains(words) && ran.err.contains(remedy), "{text}\n{}", ran.err);
    }
}

#[test]
fn a_node_with_more_cards_than_a_line_of_dnsmasq_holds_is_refused() {
    let place = Place::small();
    let node = |cards: usize| {
        let cards: Vec<String> = (0..cards).map(|card| format!("\"52:54:00:00:01:{card:02x}\"")).collect();
        place.write("etc/voidclust.d/1.conf", format!("[[node]]\nname = \"many\"\nmac = [{}]\n", cards.join(", ")));
        place.run(&["check"])
    };
    node(crate::boot_server::MAX_CARDS).ended(0);
    let said = node(crate::boot_server::MAX_CARDS + 1).ended(1).err;
    assert!(said.starts_with("ROOT/etc/voidclust.d/1.conf:3:7: node `many` has 51 network cards"), "{said}");
}

#[test]
fn the_later_word_on_a_mount_point_counts_and_parents_come_first() {
    let place = Place::small();
    if !place.add_packaged_overlays() {
        return crate::place::skip("the_later_word_on_a_mount_point_counts", "the packages' overlays are not in this tree");
    }
    let mount = |device: &str, path: &str| format!("mounts = [{{ device = \"{device}\", path = \"{path}\" }}]\n");
    let client = mount("nas:/all", "/data/deep").replace("}]", "}, { device = \"nas:/d\", path = \"/data\" }]");
    place.write(
        "etc/voidclust.d/1.conf",
        format!(
            "[nfs]\nhome = \"none\"\n[client]\n{client}[profile.a]\n{}[profile.b]\n{}[[node]]\nname = \"own\"\nmac = \"52:54:00:00:00:91\"\nprofiles = [\"a\"]\n{}[[node]]\nname = \"two\"\nmac = \"52:54:00:00:00:92\"\nprofiles = [\"a\", \"b\"]\n",
            mount("nas:/a", "/data/deep"),
            mount("nas:/b", "/data/deep"),
            mount("LABEL=own", "/data/deep"),
        ),
    );
    for (node, device) in [("own", "LABEL=own"), ("two", "nas:/b"), ("node1", "nas:/all")] {
        let fstab = place.run(&["show", node, "fstab"]).ended(0).out;
        let lines: Vec<_> = fstab.lines().skip(1).map(|line| line.split('\t').take(2).collect::<Vec<_>>()).collect();
        assert_eq!(lines, [["nas:/d", "/data"], [device, "/data/deep"], ["tmpfs", "/tmp"]], "{node}");
    }
    // Without a home, it is the mounts that want the service.
    assert!(place.run(&["show", "node1"]).ended(0).out.contains("default/netmount"));
}

#[test]
fn exports_are_bound_below_the_nfs_root_from_wherever_they_lie() {
    let place = Place::live();
    if overlay_root::skipped("exports_are_bound_below_the_nfs_root_from_wherever_they_lie", &place) {
        return;
    }
    place.write("etc/voidclust.d/1.conf", "[nfs]\nhome = \"none\"\nexports = [{ path = \"/opt/apps\" }, { path = \"/data\" }]\n");
    place.write("etc/master", place.run(&["show", "master", "runit/voidclust-master"]).ended(0).out);
    place.write("opt/apps/file", "of the root\n");
    let script = "mkdir root/data; mount -t tmpfs none root/data; echo 'of its own' >root/data/file
        inside 'sh /etc/master'; cat root/srv/nfs/opt/apps/file root/srv/nfs/data/file; echo new >root/opt/apps/new; cat lower/opt/apps/new
        inside 'mountpoint -q /srv/nfs/data && mountpoint -q /srv/nfs/opt/apps'";
    let ran = overlay_root::run(&place, script).ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("of the root\nof its own\nnew\n", ""));
}

/// A disk that is not there after a power cut, as `nofail` in fstab or a pool that is not imported leaves it.
#[test]
fn a_file_system_that_is_missing_is_not_served_by_what_lies_below_it() {
    let place = Place::live();
    if overlay_root::skipped("a_file_system_that_is_missing_is_not_served_by_what_lies_below_it", &place) {
        return;
    }
    place.write("etc/voidclust.d/1.conf", "[nfs]\nexports = [{ path = \"/data\" }]\n");
    place.write("var/lib/voidclust/master.toml", "mac = \"52:54:00:17:c7:e1\"\napart = [\"/home\", \"/data\"]\n");
    place.write("etc/master", place.run(&["show", "master", "runit/voidclust-master"]).ended(0).out);
    place.write("data/file", "of the root\n");
    let script = "mount -t tmpfs none root/home
        inside 'sh /etc/master'; inside 'mountpoint -q /srv/nfs/home && ! mountpoint -q /srv/nfs/data'
        mount -t tmpfs none root/data; echo 'of its own' >root/data/file
        inside 'sh /etc/master'; cat root/srv/nfs/data/file";
    let ran = overlay_root::run(&place, script).ended(0);
    let told = "WARNING: voidclust: /data is no file system of its own, as it was by the last apply; clients will not have it; \
                mount it, then run: /etc/runit/voidclust-master\nof its own\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (told, ""));
}

#[test]
fn a_file_where_nodes_are_to_mount_something_is_told() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", "[client]\nmounts = [{ device = \"nas:/d\", path = \"/data\" }]\n");
    place.write("home", "x");
    place.write("data/x", "x");
    let out = place.run(&["check"]).ended(0).out;
    assert!(out.contains("note: ROOT/home: a file, and nodes cannot mount /home on it;"), "{out}");
    assert!(!out.contains("ROOT/data"), "{out}");
}

#[test]
fn what_shares_its_file_system_with_other_things_is_exported_with_a_check_of_the_path() {
    let machine = Machine::master();
    let exports = "{{ nfs.home.apart }}{% for export in nfs.exports %} {{ export.apart }}{% endfor %}\n";
    machine.place.write("run/rootfs/lower/usr/share/voidclust/overlays/master/exports.d/voidclust.exports.j2", exports);
    machine.place.write("run/rootfs/lower/etc/voidclust.d/50-exports.conf", "[nfs]\nexports = [{ path = \"/data\" }]\n");
    let table = machine.place.read("proc/self/mountinfo");
    let seen = |lines: &str| {
        machine.place.write("proc/self/mountinfo", format!("{table}{lines}"));
        let told = machine.run(&["check"]).ended(0).out;
        let told = ["/home", "/data"].map(|path| told.contains(&format!("{path}: no file system of its own, so it is exported")));
        (machine.run(&["show", "master", "exports.d/voidclust.exports"]).ended(0).out, told)
    };
    // In the lower tree; a subvolume of btrfs and a folder of another disk; each of its own.
    assert_eq!(seen(""), ("False False".to_owned(), [true, true]));
    let parts = "50 30 0:60 /@home /home rw - btrfs /dev/sda2 rw\n51 30 8:9 /d /data rw - ext4 /dev/sdb1 rw\n";
    assert_eq!(seen(parts), ("False False".to_owned(), [true, true]));
    let whole = "50 30 0:60 / /home rw - zfs z/home rw\n51 30 0:61 / /data rw - tmpfs none rw\n";
    assert_eq!(seen(whole), ("True True".to_owned(), [false, false]));
    // A chroot, in which an update is made, sees no mounts; the master told.
    machine.run(&["apply"]).ended(0);
    let told = machine.place.read("run/rootfs/lower/var/lib/voidclust/master.toml");
    assert!(told.ends_with("\napart = [\"/home\", \"/data\"]\n"), "{told}");
}
