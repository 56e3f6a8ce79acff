//! The disks of nodes: who has which, and what cannot be.

use crate::place::{Place, skip};

fn with_packages() -> Option<Place> {
    let place = Place::small();
    if !place.add_packaged_overlays() {
        skip("scratch", "a tree without the packages");
        return None;
    }
    Some(place)
}

/// What `check` says of these lines in a drop-in.
fn wrong(place: &Place, text: &str) -> String {
    place.write("etc/voidclust.d/1.conf", text);
    place.run(&["check"]).ended(1).err
}

#[test]
fn a_node_has_the_disks_that_it_or_its_profile_says() {
    let Some(place) = with_packages() else { return };
    place.write(
        "etc/voidclust.d/1.conf",
        "[profile.big]\nscratch = { device = \"/dev/nvme0n1\", path = \"/local\", swap = \"/dev/sdb\", wipe = true }\n\
         [[node]]\nname = \"a\"\nmac = \"52:54:00:00:00:91\"\nprofiles = [\"big\"]\n\
         [[node]]\nname = \"b\"\nmac = \"52:54:00:00:00:92\"\nprofiles = [\"big\"]\nscratch = \"/dev/sda\"\n",
    );
    let lines = |node: &str| {
        let text = place.run(&["show", node, "scratchtab"]).ended(0).out;
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(lines("a"), "/dev/nvme0n1\t/local\twipe\n/dev/sdb\tswap\twipe\n");
    assert_eq!(lines("b"), "/dev/sda\t/scratch\n");
    for node in ["node1", "default", "master"] {
        place.run(&["show", node, "scratchtab"]).ended(1);
    }
    let shown = place.run(&["node", "show", "a"]).ended(0).out;
    assert!(shown.contains("scratch   /dev/nvme0n1 on /local, wiped if need be\nscratch   /dev/sdb as swap"), "{shown}");
    let json = place.run(&["node", "show", "b", "--json"]).ended(0).json();
    assert_eq!(json["scratch"]["path"], "/scratch");
}

#[test]
fn what_cannot_be_is_told_with_its_place() {
    let place = Place::small();
    let node = "[[node]]\nname = \"a\"\nmac = \"52:54:00:00:00:91\"\n";
    for (key, told) in [
        ("scratch = \"sda\"", "1.conf:4:11: `sda` is not a disk"),
        ("scratch = { path = \"/x\" }", "1.conf:4:11: this scratch names no disk"),
        ("scratch = { device = \"/dev/sda\", swap = \"/dev/sda\" }", "1.conf:4:41: /dev/sda cannot be mounted and swapped to"),
        ("scratch = { device = \"/dev/sda\", path = \"/usr\" }", "1.conf:4:41: a node needs its own /usr"),
        ("scratch = { swap = \"/dev/sda\", path = \"/x\" }", "`path` is given, and no `device`"),
        ("scratch = { device = \"/dev/sda\", pth = \"/x\" }", "unknown key `pth` in this scratch"),
        ("scratch = { device = \"/dev/sda\", wipe = \"yes\" }", "`wipe` must be true or false"),
        ("scratch = { device = \"/dev/sda\", path = \"/home\" }", "node `a` mounts 172.23.199.225:/home on /home already"),
        ("scratch = \"/dev/sda\"\nmounts = [{ device = \"/dev/sda\", path = \"/d\" }]", "node `a` mounts /dev/sda on /d already"),
        ("scratch = 5", "`scratch` must be one text in quotes"),
        ("scrach = \"/dev/sda\"", "did you mean `scratch`?"),
    ] {
        let said = wrong(&place, &format!("{node}{key}\n"));
        assert!(said.contains(told), "{key}\n{said}");
        assert!(said.contains("1 problem"), "{said}");
    }
    let said = wrong(&place, "[client]\nscratch = \"/dev/sda\"\n");
    assert!(said.contains("it belongs under [profile.NAME] or [[node]]"), "{said}");
}
