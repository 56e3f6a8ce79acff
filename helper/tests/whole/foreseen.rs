//! What `diff` says of the running machine is what `apply` does to it.

use std::collections::BTreeSet;

use crate::machine::{LOWER, Machine};
use crate::place::{may_mount, skip};

const OWN: &str = "etc/overlays/52:54:00:17:c7:e1";

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// What lines with this word in front say of which paths, the last thing of each.
fn told(out: &str, prefix: &str) -> BTreeSet<(String, String)> {
    let mut last = std::collections::BTreeMap::new();
    for line in out.lines().filter_map(|line| line.strip_prefix(prefix)) {
        if let Some((what @ ("changed" | "removed"), path)) = line.split_once(' ') {
            last.insert(path.to_owned(), what.to_owned());
        }
    }
    last.into_iter().map(|(path, what)| (what, path)).collect()
}

/// Insists that `diff` says what `apply` then does, which are these lines, and that it changes nothing itself.
#[track_caller]
fn foretold(machine: &Machine, lay: &[&str], tell: &[&str]) {
    let before = machine.place.tree();
    let diff = machine.run(&["diff"]).ended(3).out;
    let json = machine.run(&["diff", "--json"]).ended(3).json();
    assert_eq!(machine.place.tree(), before, "diff changed something");
    machine.told();
    let said: Vec<String> = told(&diff, "lay: ").into_iter().map(|(what, path)| format!("{what} {path}")).collect();
    assert_eq!(said, lay, "{diff}");
    let pruned: Vec<&str> = diff.lines().filter_map(|line| line.strip_prefix("prune: ")).collect();
    assert_eq!(json["prune"], serde_json::json!(pruned), "{diff}");
    let announced: Vec<&str> = diff.lines().filter_map(|line| line.strip_prefix("tell: ")).collect();
    assert_eq!(announced, tell, "{diff}");
    let both = ["changed", "removed"].map(|what| json["lay"][what].as_array().unwrap().len());
    assert_eq!(both.iter().sum::<usize>(), lay.len(), "{json}");
    let applied = machine.run(&["apply"]).ended(0).out;
    assert_eq!(told(&applied, ""), told(&diff, "lay: "), "{applied}");
    assert_eq!(machine.told(), tell);
    let gone: Vec<&str> = applied.lines().filter_map(|line| line.strip_prefix("pruned ")).collect();
    assert_eq!(gone, pruned, "{applied}");
    assert!(machine.run(&["diff"]).ended(0).out.ends_with("in sync\n"));
}

#[test]
fn what_a_killed_run_left_for_its_last_stage() {
    let machine = Machine::master();
    machine.configure("1", "[network]\ndhcp = \"off\"\n");
    machine.double("mount", "kill -9 $PPID; exit");
    machine.run(&["apply"]);
    machine.double("mount", "");
    machine.told();
    foretold(&machine, &["changed dnsmasq.conf"], &["sv restart dnsmasq"]);
}

#[test]
fn what_the_administrator_lays_on_the_master_comes_and_goes() {
    let machine = Machine::master();
    let place = &machine.place;
    place.write(&machine.lower("etc/motd"), "shared\n");
    place.write("etc/motd", "shared\n");
    let folder = machine.lower(OWN);
    place.write(&format!("{folder}/motd"), "mine\n");
    place.write(&format!("{folder}/ssh/sshd_config.d/own.conf"), "x\n");
    place.write(&format!("{folder}/.wh.issue"), "");
    place.write("etc/issue", "x");
    let come =
        ["changed motd", "changed ssh", "changed ssh/sshd_config.d", "changed ssh/sshd_config.d/own.conf", "removed issue"];
    foretold(&machine, &come, &[]);
    place.remove(&folder);
    let go = ["changed motd", "removed ssh", "removed ssh/sshd_config.d", "removed ssh/sshd_config.d/own.conf"];
    foretold(&machine, &go, &[]);
    assert_eq!(place.read("etc/motd"), "shared\n");

    let archive = machine.lower(&format!("{OWN}.50-site.tar"));
    place.write(&archive, tar(&[("exports.d/own.exports", "/data *\n"), ("dnsmasq.d/own.conf", "x\n")]));
    let lay = ["changed dnsmasq.d", "changed dnsmasq.d/own.conf", "changed exports.d/own.exports"];
    foretold(&machine, &lay, &["exportfs -ra", "sv restart dnsmasq"]);
    // Over that, nobody hears of what the site says.
    place.write(&archive, tar(&[("dnsmasq.conf", "mine\n")]));
    foretold(
        &machine,
        &["changed dnsmasq.conf", "removed dnsmasq.d", "removed dnsmasq.d/own.conf", "removed exports.d/own.exports"],
        &["exportfs -ra", "sv restart dnsmasq"],
    );
}

#[test]
fn images_that_are_not_needed_any_more() {
    let machine = Machine::master();
    machine.images(&["6.12.1_1", "6.12.2_1", "6.12.3_1"]);
    let own = machine.lower("srv/tftp/pxelinux.cfg/own");
    machine.place.write(&own, "KERNEL images/6.12.1_1-000000000000/vmlinuz\n");
    let diff = machine.run(&["diff"]).ended(3).out;
    assert!(!diff.contains("prune: "), "a menu of the site names it: {diff}");
    machine.run(&["apply"]).ended(0);
    machine.place.remove(&own);
    let diff = machine.run(&["diff"]).ended(3).out;
    assert!(diff.contains("prune: images/6.12.1_1-000000000000\n") && diff.contains(", 1 image to prune\n"), "{diff}");
    foretold(&machine, &[], &[]);
    assert!(!machine.place.at(&machine.lower("srv/tftp/images/6.12.1_1-000000000000")).exists());
}

#[test]
fn what_was_edited_in_memory_is_laid_anew() {
    let machine = Machine::master();
    machine.place.write("etc/dnsmasq.hosts", "nobody\n");
    foretold(&machine, &["changed dnsmasq.hosts"], &["sv hup dnsmasq"]);
}

#[test]
fn what_the_site_changes_counts_as_there_already() {
    let machine = Machine::master();
    // The administrator's own file stays over the new one of the site; a service that goes is told by its new file.
    machine.place.write(&machine.lower(&format!("{OWN}/rc.local")), "mine\n");
    foretold(&machine, &["changed rc.local"], &[]);
    machine.configure("1", "[nfs]\nthreads = 9\nhome = \"/data/home\"\n[master]\nservices = [\"!acpid\"]\n");
    foretold(&machine, &["changed sv/acpid/down", "changed sv/nfs-server/conf"], &["rpc.nfsd 9", "sv down acpid"]);
    machine.configure("1", "[master]\nservices = [\"acpid\"]\n[nfs]\nthreads = 9\n");
    let out = machine.run(&["diff"]).ended(3).out;
    assert!(out.contains("lay: removed sv/acpid/down\n") && out.contains("tell: sv up acpid\n"), "{out}");
}

#[test]
fn what_cannot_be_laid_is_a_difference() {
    let machine = Machine::master();
    machine.place.write(&machine.lower(&format!("{OWN}.50-site.tar")), "garbage");
    let diff = machine.run(&["diff"]).ended(3).out;
    let said = diff.lines().find_map(|line| line.strip_prefix("lay: nothing of ")).unwrap();
    assert!(said.contains("50-site.tar was used: "), "{diff}");
    let json = machine.run(&["diff", "--json"]).ended(3).json();
    assert!(json["lay"]["left_out"][0].as_str().unwrap().ends_with(said), "{json}");
    assert!(machine.run(&["apply"]).ended(1).err.contains(said));
}

#[test]
fn a_machine_that_cannot_be_written_can_be_asked() {
    if !may_mount() {
        return skip("a_machine_that_cannot_be_written_can_be_asked", "no mounts allowed here");
    }
    let machine = Machine::master();
    machine.place.write(&machine.lower(&format!("{OWN}/motd")), "mine\n");
    let ran = machine.place.unshared(
        "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; ! touch \"$1/x\" 2>/dev/null; \"$2\" --machine \"$1\" diff",
    );
    assert!(ran.ended(3).out.contains("lay: changed motd\n"));
    assert!(!machine.place.at(&format!("{LOWER}/etc/motd")).exists());
}
