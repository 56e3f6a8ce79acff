//! What nodes boot: generations of the live tree, published, taken back and removed.

use crate::machine::{LIVE_TREE, LOWER, Machine};
use crate::place::{skip, there_is};

const OLD: &str = "6.12.1_1";
const NEW: &str = "6.12.2_1";

/// A master with two kernels, whose overlay exports what there is; `None` without rsync.
pub(crate) fn master(test: &str) -> Option<Machine> {
    if !there_is("rsync") {
        skip(test, "needs rsync");
        return None;
    }
    let machine = Machine::master();
    let exports = "{% for generation in nfs.generations %}/root/{{ generation.number }} fsid={{ generation.fsid }}\n{% endfor %}\
        {% for client in nfs.head_clients %}/head {{ client }}\n{% endfor %}";
    machine.place.write(&machine.lower("usr/share/voidclust/overlays/master/exports.d/voidclust.exports.j2"), exports);
    machine.place.write(&machine.lower("usr/bin/program"), "first");
    machine.images(&[OLD, NEW]);
    machine.place.remove(&machine.lower(&format!("etc/voidclust.d/{LIVE_TREE}.conf")));
    Some(machine)
}

impl Machine {
    fn file(&self, path: &str) -> String {
        self.place.read(&self.lower(path))
    }

    pub(crate) fn menu(&self, card: &str) -> String {
        self.file(&format!("srv/tftp/pxelinux.cfg/{card}"))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.place.at(&self.lower(path)).exists()
    }

    /// Publishes something new.
    pub(crate) fn publish(&self) {
        let path = self.lower("usr/bin/news");
        let news = if self.has("usr/bin/news") { self.place.read(&path) } else { String::new() };
        self.place.write(&path, news + "x");
        self.run(&["publish"]).ended(0);
    }

    /// A client that has a file of a generation open, as the NFS server tells it.
    pub(crate) fn uses(&self, address: &str, generation: u32) {
        let folder = format!("proc/fs/nfsd/clients/{generation}");
        self.place.write(&format!("{folder}/info"), format!("clientid: 0x1\naddress: \"{address}:700\"\nname: \"x\"\n"));
        let state =
            format!("- 0x1: {{ type: open, superblock: \"08:01:7\", filename: \"{generation}/.generation-{generation}\" }}\n");
        self.place.write(&format!("{folder}/states"), state);
    }
}

#[test]
fn what_is_published_is_served_before_the_menus_name_it() {
    let Some(machine) = master("what_is_published_is_served_before_the_menus_name_it") else { return };
    assert!(machine.place.read("etc/exports.d/voidclust.exports").starts_with("/srv "));

    // The script of the site sees the generation, its export, and the menus without it.
    let root = machine.place.root().display().to_string();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = 1 ] && [ -e \"$2/usr/bin/program\" ] && grep -q fsid=1001 {root}/etc/exports.d/voidclust.exports &&\n\
         ! grep -q root/1 {root}/{LOWER}/srv/tftp/pxelinux.cfg/default && echo sent\n"
    );
    let hook = machine.lower("etc/voidclust/publish.d/50-send");
    machine.place.write(&hook, script);
    machine.place.chmod(&hook, 0o755);
    machine.place.write(&machine.lower("etc/voidclust/publish.d/60-forgotten"), "#!/bin/sh\n");
    machine.told();
    let ran = machine.run(&["publish", "-m", "the first"]).ended(0);
    assert!(ran.out.contains("60-forgotten: not run, since it is not executable; chmod +x it\n"), "{}", ran.out);
    assert!(ran.out.contains("sent\n") && ran.out.contains("published generation 1 for all\n"), "{}", ran.out);
    assert!(machine.told().contains(&"exportfs -ra".to_owned()));
    assert_eq!(machine.mounted_below("srv/nfs/root"), ["1"]);
    let menu = machine.menu("default");
    assert!(menu.contains("nfsroot=172.23.199.225:/root/1,") && !menu.contains("/head"), "{menu}");
    assert!(menu.contains("nocto,actimeo=3600") && menu.contains(&format!("LABEL {NEW}-000000000001-g1")), "{menu}");
    assert_eq!(machine.place.read("etc/exports.d/voidclust.exports"), "/root/1 fsid=1001\n");

    machine.place.remove(&hook);
    // What changes in the live tree is not in the generation, and the next one shares what did not.
    machine.place.write(&machine.lower("usr/bin/program"), "second");
    let ran = machine.run(&["publish", "--dry-run"]).ended(3);
    assert!(ran.out.contains("left out: /etc/voidclust.conf (") && ran.out.contains("this would be generation 2"), "{}", ran.out);
    machine.run(&["publish"]).ended(0);
    let program = |number: u32| machine.file(&format!("var/lib/voidclust/generations/{number}/usr/bin/program"));
    assert_eq!((program(1), program(2)), ("first".to_owned(), "second".to_owned()));
    let menu = machine.menu("default");
    assert!(
        menu.contains("DEFAULT 6.12.2_1-000000000001-g2") && menu.contains("/root/1,"),
        "the one before, to fall back: {menu}"
    );
    let list = machine.run(&["generation", "list", "--json"]).ended(0).json();
    assert_eq!(list[0]["text"], "the first");
    assert_eq!((list[0]["booted_by"].as_array().unwrap().len(), &list[1]["kernels"][1]), (0, &NEW.into()));
    machine.run(&["generation", "verify"]).ended(0);
}

#[test]
fn apply_makes_the_first_one_and_no_other() {
    let Some(machine) = master("apply_makes_the_first_one_and_no_other") else { return };
    let diff = machine.run(&["diff"]).ended(3);
    assert!(diff.out.contains("generation 1 would be made, and nodes boot it: what"), "{}", diff.out);
    let ran = machine.run(&["apply"]).ended(0);
    assert!(ran.out.contains("published generation 1 for all\n"), "{}", ran.out);
    assert!(machine.menu("default").contains("/root/1,"));
    machine.run(&["diff"]).ended(0);
    machine.place.write(&machine.lower("usr/bin/program"), "second");
    machine.run(&["apply"]).ended(0);
    crate::shell::enters(&machine);
    let ran = machine.run(&["shell", "--", "true"]).ended(0);
    assert!(ran.out.ends_with("nodes have generation 1; they get what was changed by: voidclust publish\n"), "{}", ran.out);
    assert!(!machine.has("var/lib/voidclust/generations/2"));

    // A master that boots without any makes it before it serves.
    machine.place.remove(&machine.lower("var/lib/voidclust/generations"));
    let ran = machine.run(&["hook", "serve"]).ended(0);
    assert!(
        ran.out.contains("published generation 1 for all\n") && machine.has("var/lib/voidclust/generations/1"),
        "{}",
        ran.out
    );
    let again = machine.run(&["hook", "serve"]).ended(0);
    assert_eq!(again.out, "");
}

#[test]
fn a_generation_that_cannot_be_served_keeps_no_node_from_what_can() {
    let Some(machine) = master("a_generation_that_cannot_be_served_keeps_no_node_from_what_can") else { return };
    machine.publish();
    machine.publish();
    // A boot of the master.
    machine.place.remove("srv/nfs");
    machine.mounts("");
    // The first was a clone, as it says, whose pool is not there; the second cannot be bound.
    let record = machine.lower("var/lib/voidclust/generations/1.toml");
    machine.place.write(&record, machine.place.read(&record).replace("\"copy\"", "{ zfs = \"tank/voidclust/1\" }"));
    let mount = machine.place.read("bin/mount");
    machine.double("mount", &format!("case $* in *zfs*|*generations/2*) echo no such >&2; exit 1 ;; esac\n{mount}"));
    let ran = machine.run(&["hook", "serve"]).ended(1);
    assert!(ran.err.contains("generation 1: cannot be mounted") && ran.err.contains("generations/2"), "{}", ran.err);
    assert_eq!(machine.mounted_below("srv/nfs/node").len(), 4, "{}", ran.err);
}

#[test]
fn the_first_one_replaces_what_was_edited_when_it_is_told_to() {
    let Some(machine) = master("the_first_one_replaces_what_was_edited_when_it_is_told_to") else { return };
    let before = machine.file("etc/mkinitcpio.net.conf");
    machine.place.write(&machine.lower("etc/mkinitcpio.net.conf"), "by hand");
    machine.run(&["apply", "--force"]).ended(0);
    assert!(machine.has("var/lib/voidclust/generations/1"));
    assert_eq!(machine.file("etc/mkinitcpio.net.conf"), before);
}

#[test]
fn some_try_it_first_and_all_can_go_back() {
    let Some(machine) = master("some_try_it_first_and_all_can_go_back") else { return };
    machine.run(&["publish"]).ended(0);
    let first = machine.menu("default");
    let wrong = machine.run(&["publish", "--only", "node9"]).ended(1);
    assert!(wrong.err.contains("--only node9: there is no such node or profile"), "{}", wrong.err);
    let node = machine.run(&["show", "default", "--json"]).ended(0);
    assert!(node.err.is_empty());
    machine.place.write(&machine.lower("usr/bin/program"), "second");
    machine.run(&["publish", "--only", "node1", "-m", "try"]).ended(0);
    let told = machine.run(&["check"]).ended(0).out;
    let note = "note: generation 2 for node1 only; give it to all with `voidclust publish`, \
                or take it back with `voidclust rollback 1 --only node1`\n";
    assert!(told.contains(note), "{told}");
    let site = machine.run(&["status", "--json"]).json()["site"]["generations"].clone();
    assert_eq!((&site["made"], &site["published"]["nodes"]), (&serde_json::json!([1, 2]), &serde_json::json!({ "node1": 2 })));
    let own = machine.menu("01-52-54-00-17-c7-e2");
    assert!(own.contains("DEFAULT 6.12.2_1-000000000001-g2") && machine.menu("default") == first, "{own}");
    let list = machine.run(&["generation", "list"]).ended(0);
    assert!(list.out.contains("boots on node1\n") && list.out.contains("  try\n"), "{}", list.out);
    let one = machine.run(&["generation", "show", "2", "--diff", "--json"]).ended(0).json();
    assert_eq!(one["differs_from"]["number"], 1);

    // Named, it stays with its node whatever is published. What the command writes is a number.
    let ran = machine.run(&["node", "set", "node1", "--generation", "2"]).ended(0);
    assert!(ran.out.contains("\n+generation = 2\n"), "{}", ran.out);
    assert_eq!(machine.run(&["node", "show", "node1", "--json"]).ended(0).json()["generation"], 2);
    machine.run(&["node", "set", "node1", "--unset", "generation"]).ended(0);

    // What was tried is what all get, and no third one is made.
    machine.run(&["publish"]).ended(0);
    assert!(
        machine.menu("default").contains("DEFAULT 6.12.2_1-000000000001-g2") && !machine.has("var/lib/voidclust/generations/3")
    );
    machine.uses("172.23.199.227", 2);
    let back = machine.run(&["rollback"]).ended(0);
    assert!(back.out.contains("generation 1 is booted by all from now on\n"), "{}", back.out);
    assert!(back.out.contains("node2 runs generation 2; a reboot brings 1\n"), "{}", back.out);
    assert_eq!(machine.menu("default"), first);
    let none = machine.run(&["rollback"]).ended(1);
    assert!(none.err.contains("there is no generation before"), "{}", none.err);
    let wrong = machine.run(&["rollback", "newest"]).ended(2);
    assert!(wrong.err.contains("this is not the number of a generation; list them with"), "{}", wrong.err);
    assert!(machine.run(&["rollback", "7"]).ended(1).err.contains("there is no generation 7"));
    // What was taken back is not published again by the next word.
    machine.run(&["publish"]).ended(0);
    assert!(machine.menu("default").contains("/root/3,"));
}

#[test]
fn what_did_not_change_is_not_published_again() {
    let Some(machine) = master("what_did_not_change_is_not_published_again") else { return };
    let first = machine.run(&["publish", "--dry-run"]).ended(3).out;
    assert!(first.contains("it would take ") && first.contains("this would be generation 1, the first\n"), "{first}");
    machine.run(&["publish"]).ended(0);
    let said = machine.run(&["publish", "--dry-run"]).ended(0).out;
    assert!(said.contains("nothing changed since generation 1, and no other one would be made\n"), "{said}");
    // The configuration is private, and its menus follow.
    machine.configure("9", "[client]\ncmdline = \"quiet\"\n");
    let said = machine.run(&["publish", "-m", "again"]).ended(0).out;
    assert!(said.contains("nothing changed since generation 1, and no other one is made, so what you say of it is"), "{said}");
    assert!(machine.menu("default").contains(" quiet") && !machine.has("var/lib/voidclust/generations/2"));

    machine.publish();
    let some = machine.run(&["publish", "--only", "node1"]).ended(0).out;
    assert!(some.contains("nothing changed since generation 2,"), "{some}");
    // What is private by now is taken out of the next one.
    machine.configure("9", "[root]\nprivate = [\"/usr/bin/news\"]\n");
    machine.run(&["publish"]).ended(0);
    assert!(machine.has("var/lib/voidclust/generations/2/usr/bin/news"));
    assert!(!machine.has("var/lib/voidclust/generations/3/usr/bin/news") && machine.menu("default").contains("/root/3,"));
}

#[test]
fn a_script_that_fails_leaves_all_as_it_was() {
    let Some(machine) = master("a_script_that_fails_leaves_all_as_it_was") else { return };
    machine.run(&["publish"]).ended(0);
    let (menu, exports) = (machine.menu("default"), machine.place.read("etc/exports.d/voidclust.exports"));
    let hook = machine.lower("etc/voidclust/publish.d/50-send");
    machine.place.write(&hook, "#!/bin/sh\necho no route; exit 1\n");
    machine.place.write(&machine.lower("usr/bin/program"), "second");
    machine.place.chmod(&hook, 0o755);
    let ran = machine.run(&["publish"]).ended(1);
    assert!(ran.err.contains("generation 2 was not published: nodes boot what they did"), "{}", ran.err);
    assert!(ran.err.contains("50-send: failed") && ran.err.contains("no route"), "{}", ran.err);
    assert_eq!((machine.menu("default"), machine.place.read("etc/exports.d/voidclust.exports")), (menu, exports));
    assert!(!machine.has("var/lib/voidclust/generations/2") && machine.mounted_below("srv/nfs/root") == ["1"]);
    // A server may have got it before the script failed for another one, and that number stands for it there.
    machine.place.remove(&hook);
    assert!(machine.run(&["publish"]).ended(0).out.contains("published generation 3 for all\n"));
}

#[test]
fn what_nobody_needs_goes_and_what_somebody_uses_stays() {
    let Some(machine) = master("what_nobody_needs_goes_and_what_somebody_uses_stays") else { return };
    machine.configure("9", "[root]\nkeep = 1\n");
    let there = || -> Vec<String> {
        (1..6)
            .map(|number| number.to_string())
            .filter(|number| machine.has(&format!("var/lib/voidclust/generations/{number}")))
            .collect()
    };
    machine.publish();
    machine.uses("172.23.199.226", 1);
    machine.publish();
    machine.publish();
    assert_eq!(there(), ["1", "2", "3"], "one is used, one is to fall back to");
    let used = machine.run(&["generation", "remove", "1"]).ended(1);
    assert!(used.err.contains("generation 1: in use by node1"), "{}", used.err);
    let named = machine.run(&["generation", "remove", "2"]).ended(1);
    assert!(named.err.contains("the one to fall back to"), "{}", named.err);
    machine.place.remove("proc/fs/nfsd/clients/1");
    let diff = machine.run(&["diff"]).ended(3);
    assert!(diff.out.contains("prune: generation 1\n") && diff.out.contains("tell: exportfs -ra\n"), "{}", diff.out);
    let ran = machine.run(&["apply"]).ended(0);
    assert!(ran.out.contains("removed generation 1\n"), "{}", ran.out);
    assert_eq!(
        (there(), machine.mounted_below("srv/nfs/root")),
        (vec!["2".to_owned(), "3".to_owned()], vec!["2".to_owned(), "3".to_owned()])
    );
    assert!(!machine.place.read("etc/exports.d/voidclust.exports").contains("/root/1 "));
    machine.run(&["apply"]).ended(0);
    machine.publish();
    assert_eq!(there(), ["3", "4"]);
}

#[test]
fn a_kernel_that_the_live_tree_has_lost_boots_with_its_modules() {
    let Some(machine) = master("a_kernel_that_the_live_tree_has_lost_boots_with_its_modules") else { return };
    machine.run(&["publish"]).ended(0);
    machine.place.remove(&machine.lower(&format!("usr/lib/modules/{OLD}")));
    machine.place.remove(&machine.lower(&format!("boot/vmlinuz-{OLD}")));
    machine.configure("9", &format!("[client]\nkernel = \"{OLD}\"\n[boot]\nkeep = 1\n"));
    machine.run(&["publish"]).ended(0);
    let menu = machine.menu("default");
    assert!(menu.contains(&format!("DEFAULT {OLD}-000000000000-g1")) && menu.contains("/root/1,"), "{menu}");
    assert!(machine.has(&format!("srv/tftp/images/{OLD}-000000000000")));
    machine.configure("9", &format!("[client]\nkernel = \"{OLD}\"\ngeneration = 2\n"));
    let wrong = machine.run(&["check"]).ended(1);
    assert!(
        wrong.err.contains("generation 2 has no modules of kernel")
            || wrong.out.contains("generation 2 has no modules of kernel")
    );
}

#[test]
fn what_looks_private_and_is_not_listed_is_told() {
    let machine = Machine::master();
    let key = machine.lower("etc/backup.pem");
    machine.place.write(&key, "-----BEGIN PRIVATE KEY-----\n");
    let told = || machine.run(&["check"]).ended(0).out;
    assert!(told().contains("note: not for everybody, and yet read by every node: /etc/backup.pem; list"), "{}", told());
    machine.configure("9", "[root]\nprivate = [\"/etc/*.pem\"]\n");
    assert!(!told().contains("backup.pem"), "{}", told());
}
