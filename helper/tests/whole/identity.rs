//! What makes each node itself: made once, kept on the master, and in its own archive.

use crate::place::{Place, Ran, skip, there_is};

const NODE1: &str = "52:54:00:17:c7:e2";
const NODE2: &str = "52:54:00:17:c7:e3";
const KEPT: &str = "var/lib/voidclust/identity";

/// A site whose nodes have an sshd, and a double of ssh-keygen that makes another key each time.
fn with_sshd() -> Place {
    let place = Place::small();
    place.write("etc/sv/sshd/run", "");
    place.write("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 MASTER root@m\n");
    let make = "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in -t) kind=$2;; -C) name=$2;; -f) file=$2;; esac; shift; done\n\
                key=$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')\n\
                umask 077; echo \"private-$key\" >\"$file\"; umask 022; echo \"ssh-$kind $key $name\" >\"$file.pub\"\n";
    place.write("bin/ssh-keygen", make);
    place.chmod("bin/ssh-keygen", 0o755);
    place
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", place.at("bin").display());
    place.ran(place.command(arguments).env("PATH", path))
}

fn member(place: &Place, node: &str, path: &str) -> String {
    place.member(node, path).unwrap_or_else(|| panic!("{node} has no {path}"))
}

#[test]
fn apply_makes_each_node_an_identity_once_and_all_know_its_keys() {
    let place = with_sshd();
    let said = run(&place, &["apply"]).ended(0).out;
    assert!(said.contains("making the identity of 3 nodes\n"), "{said}");
    let id = |node: &str| member(&place, node, "machine-id");
    assert!(id(NODE1).len() == 33 && id(NODE1) != id(NODE2), "{}", id(NODE1));
    let ed25519 = "ssh/ssh_host_ed25519_key";
    assert_ne!(member(&place, NODE1, ed25519), member(&place, NODE2, ed25519));
    assert_eq!(member(&place, NODE1, ed25519), place.read(&format!("{KEPT}/node1/ssh_host_ed25519_key")));
    let shown = run(&place, &["show", "node1"]).ended(0).out;
    for line in ["0600  0:0  ssh/ssh_host_rsa_key ", "0644  0:0  ssh/ssh_host_rsa_key.pub ", "0644  0:0  hostid "] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let known = member(&place, NODE2, "ssh/ssh_known_hosts");
    let public = place.read(&format!("{KEPT}/node1/ssh_host_rsa_key.pub"));
    let key = public.split_whitespace().nth(1).unwrap();
    assert!(known.contains(&format!("172.23.199.226 ssh-rsa {key}\n")), "{known}");
    assert!(known.contains("172.23.199.225 ssh-ed25519 MASTER\n") && !known.contains("root@"), "{known}");
    for other in [NODE1, "default", "52:54:00:17:c7:e1"] {
        assert_eq!(member(&place, other, "ssh/ssh_known_hosts"), known, "{other}");
    }
    assert_eq!(place.member("default", ed25519), None);
    let before = place.tree();
    assert!(run(&place, &["apply"]).ended(0).out.contains("in sync"));
    run(&place, &["diff"]).ended(0);
    assert_eq!(place.tree(), before);
}

#[test]
fn check_and_diff_make_nothing_and_say_what_apply_would_make() {
    let place = with_sshd();
    let before = place.tree();
    let said = run(&place, &["check"]).ended(0).out;
    assert!(said.contains("note: the identity of 3 nodes is not made yet, or not all of it; run: voidclust apply\n"), "{said}");
    let said = run(&place, &["diff"]).ended(3).out;
    assert!(said.contains("identity: node1\n"), "{said}");
    assert!(said.contains(", the identity of 3 nodes to make"), "{said}");
    let json = run(&place, &["diff", "--json"]).ended(3).json();
    assert_eq!(json["identities"], serde_json::json!(["node1", "node2", "node3"]));
    assert_eq!(place.tree(), before);
}

#[test]
fn no_diff_shows_a_secret() {
    let place = with_sshd();
    run(&place, &["apply"]).ended(0);
    let old = place.read(&format!("{KEPT}/node1/ssh_host_rsa_key"));
    place.write(&format!("{KEPT}/node1/ssh_host_rsa_key"), "private-new\n");
    place.write("etc/voidclust/overlays/client/munge.key", "munge-secret\n");
    place.chmod("etc/voidclust/overlays/client/munge.key", 0o400);
    // The folder is shut, and that is as good.
    place.write("etc/voidclust/overlays/client/wg/peers/wg0.conf", "wg-secret\n");
    place.chmod("etc/voidclust/overlays/client/wg", 0o700);
    for arguments in [&["diff"][..], &["diff", "--json"]] {
        let said = run(&place, arguments).ended(3).out;
        let name = format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar:ssh/ssh_host_rsa_key");
        assert!(said.contains(&format!("Secret files a/{name} and b/{name} differ")), "{said}");
        assert!(!said.contains(old.trim()) && !said.contains("private-") && !said.contains("munge-secret"), "{said}");
        assert!(said.contains("wg/peers/wg0.conf differ") && !said.contains("wg-secret"), "{said}");
    }
}

#[test]
fn what_is_forgotten_is_made_anew_and_of_who_left_it_stays_until_then() {
    let place = with_sshd();
    run(&place, &["apply"]).ended(0);
    let ids = || [NODE1, NODE2].map(|node| member(&place, node, "machine-id"));
    let before = ids();
    let would = run(&place, &["node", "forget-keys", "node1", "--dry-run"]).ended(3).out;
    let listed = |file: &str| would.contains(&format!("remove {KEPT}/node1/{file}\n"));
    assert!(
        listed("machine-id") && listed("ssh_host_ed25519_key") && would.ends_with("host keys and ids of 1 node\n"),
        "{would}"
    );
    assert_eq!(ids(), before);
    let said = run(&place, &["node", "forget-keys", "node1"]).ended(0).out;
    assert_eq!(said, "forgot the host keys and ids of 1 node; now run: voidclust apply\n");
    run(&place, &["apply"]).ended(0);
    assert!(ids()[0] != before[0] && ids()[1] == before[1]);
    run(&place, &["node", "remove", "node2"]).ended(0);
    run(&place, &["apply"]).ended(0);
    assert_eq!(place.read(&format!("{KEPT}/node2/machine-id")), before[1]);
    run(&place, &["node", "forget-keys", "node2"]).ended(0);
    assert!(!place.at(&format!("{KEPT}/node2")).exists());
    let error = run(&place, &["node", "forget-keys", "node[1-2]"]).ended(1).err;
    assert!(error.contains("node2: has no identity; those that do have a folder in ROOT/var/lib/voidclust/identity"), "{error}");
    run(&place, &["node", "forget-keys", "node2", "-n"]).ended(1);
    let error = run(&place, &["node", "forget-keys", "noed1"]).ended(1).err;
    assert!(error.contains("noed1: has no identity; did you mean `node1`? those"), "{error}");
    assert!(place.at(&format!("{KEPT}/node1")).exists(), "none is forgotten then");
}

#[test]
fn what_stays_with_the_old_name_of_a_node_is_told() {
    let place = with_sshd();
    run(&place, &["apply"]).ended(0);
    place.write("var/lib/voidclust/generations/published.toml", "last = 2\nall = 1\n[nodes]\nnode2 = 2\n");
    let said = run(&place, &["node", "set", "node[1-2]", "--name", "a,node2", "-n"]).ended(3).out;
    let note = format!(
        "note: host keys and ids are of a name: a will have others; to keep those of node1, \
         rename what is called so in ROOT/{KEPT} before apply\n"
    );
    assert!(said.starts_with(&note) && !said.contains("published"), "{said}");
    let said = run(&place, &["node", "set", "node2", "--name", "b", "-n"]).ended(3).out;
    assert!(said.contains("b boots it after: voidclust rollback 2 --only b\n"), "{said}");
    place.write("etc/voidclust.d/1.conf", "[client]\nidentity = false\n");
    let said = run(&place, &["node", "set", "node1", "--name", "a", "-n"]).ended(3).out;
    assert!(!said.contains("note: "), "{said}");
}

#[test]
fn the_kinds_of_keys_are_those_of_the_lower_tree_and_only_what_is_missing_is_made() {
    let place = with_sshd();
    place.write("etc/ssh/sshd_config", "#HostKey /etc/ssh/ssh_host_rsa_key\nHostKey /etc/ssh/ssh_host_ed25519_key\n");
    run(&place, &["apply"]).ended(0);
    let kept = |file: &str| place.at(&format!("{KEPT}/node1/{file}"));
    let before = place.read(&format!("{KEPT}/node1/ssh_host_ed25519_key"));
    assert!(!kept("ssh_host_rsa_key").exists());
    place.remove("etc/ssh/sshd_config");
    // As a killed run leaves it.
    place.write(&format!("{KEPT}/node1/.voidclust-ssh_host_rsa_key"), "half");
    run(&place, &["apply"]).ended(0);
    assert!(kept("ssh_host_rsa_key").exists() && !kept(".voidclust-ssh_host_rsa_key").exists());
    assert_eq!(place.read(&format!("{KEPT}/node1/ssh_host_ed25519_key")), before);
}

#[test]
fn without_a_generator_there_are_ids_and_a_note_and_without_the_key_nothing() {
    let place = with_sshd();
    let bare = |arguments: &[&str]| place.ran(place.command(arguments).env("PATH", "/nowhere"));
    let said = bare(&["apply"]).ended(0).out;
    assert!(said.contains("note: ssh-keygen: not found here, so nodes get no host keys of their own; install openssh"), "{said}");
    assert_eq!(place.member(NODE1, "ssh/ssh_host_rsa_key"), None);
    assert_eq!(member(&place, NODE1, "machine-id").len(), 33);
    place.write("etc/voidclust.d/x.conf", "[client]\nidentity = false\n");
    assert!(!bare(&["apply"]).ended(0).out.contains("ssh-keygen"));
    for path in ["machine-id", "hostid", "ssh/ssh_known_hosts"] {
        assert_eq!(place.member(NODE1, path), None);
    }
    assert!(place.at(&format!("{KEPT}/node1/machine-id")).exists(), "kept for who thinks better of it");
}

#[test]
fn what_is_rendered_before_anything_is_made_is_what_is_written_and_a_mistake_makes_nothing() {
    let place = Place::small();
    let is_kept = |name: &str, mac: &str| {
        let id = place.read(&format!("{KEPT}/{name}/machine-id"));
        assert!(id.len() == 33 && id == member(&place, mac, "machine-id"), "{name}: {id}");
    };
    let mistake = "etc/voidclust/overlays/client/wrong.j2";
    let is_refused = |before: &dyn Fn()| {
        place.write(mistake, "{{ nope }}");
        before();
        let tree = place.tree();
        assert!(place.run(&["apply"]).ended(1).err.contains("wrong.j2:1: a variable is not defined"));
        assert_eq!(place.tree(), tree);
        place.remove(mistake);
    };
    is_refused(&|| {});
    place.run(&["apply"]).ended(0);
    is_kept("node1", NODE1);
    assert!(place.run(&["apply"]).ended(0).out.contains("in sync"));
    let new = "52:54:00:17:c7:f9";
    is_refused(&|| place.write("etc/voidclust.d/x.conf", format!("[[node]]\nname = \"new\"\nmac = \"{new}\"\n")));
    assert!(!place.at(&format!("{KEPT}/new")).exists());
    let said = place.run(&["apply"]).ended(0).out;
    assert!(said.contains("making the identity of 1 node\n"), "{said}");
    is_kept("new", new);
    is_kept("node1", NODE1);
    assert!(place.run(&["apply"]).ended(0).out.contains("in sync"));
}

#[test]
fn the_real_generator_makes_what_ssh_reads() {
    if !there_is("ssh-keygen") {
        return skip("the_real_generator_makes_what_ssh_reads", "there is no ssh-keygen");
    }
    let place = with_sshd();
    place.remove("bin");
    run(&place, &["apply"]).ended(0);
    for (kind, name) in [("ed25519", "ssh-ed25519 "), ("rsa", "ssh-rsa ")] {
        let public = place.read(&format!("{KEPT}/node1/ssh_host_{kind}_key.pub"));
        assert!(public.starts_with(name) && public.ends_with(" root@node1\n"), "{public}");
        let known = member(&place, NODE1, "ssh/ssh_known_hosts");
        assert!(known.contains(public.trim_end_matches(" root@node1\n")), "{known}");
        assert!(member(&place, NODE1, &format!("ssh/ssh_host_{kind}_key")).contains("OPENSSH PRIVATE KEY"));
    }
}
