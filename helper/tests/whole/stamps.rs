//! What looks as it did is neither read nor made again, and everything else is.

use std::path::Path;

use crate::place::{CRATE, Place, STAMPS};

const NODE1: &str = "52:54:00:17:c7:e2";

#[test]
fn archives_that_stand_as_they_were_made_of_the_same_are_not_made_again_and_all_others_are() {
    let place = Place::applied();
    let archive = format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar");
    let said = |what: &str| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let ran = place.run(&["apply"]).ended(0);
        assert!(ran.out.contains(what), "{what} in {}", ran.out);
    };
    let made = std::fs::read(place.at(&archive)).unwrap();
    let is_right = || assert!(std::fs::read(place.at(&archive)).unwrap() == made);
    // The second run knows all that the first wrote, but for what was written in the same moment; the third knows all.
    said("in sync");
    said("in sync");
    place.remove(&archive);
    said("done: 1 file");
    is_right();
    said("in sync");
    // Of the same size.
    place.write("etc/voidclust/overlays/client/motd", "old\n");
    said("done: ");
    place.write("etc/voidclust/overlays/client/motd", "new\n");
    said("done: ");
    assert_eq!(place.member(NODE1, "motd").as_deref(), Some("new\n"));
    place.remove("etc/voidclust/overlays/client/motd");
    said("done: ");
    is_right();
    said("in sync");
    let last = made.len() - 1;
    let edited: Vec<u8> = made.iter().enumerate().map(|(at, byte)| if at == last { 1 } else { *byte }).collect();
    place.write(&archive, &edited);
    said("edited by hand");
    said("edited by hand");
    assert_eq!(place.run(&["apply", "--force"]).ended(0).status, 0);
    is_right();
}

#[test]
fn menus_that_stand_as_they_were_made_of_the_same_are_right_and_all_others_are_made() {
    let place = Place::empty();
    place.copy_tree(&Path::new(CRATE).join("tests/cases/images_are_named_newest_first/root"), "");
    ["client", "master"].iter().for_each(|overlay| place.write(&format!("etc/voidclust/overlays/{overlay}/motd"), "x\n"));
    place.run(&["apply"]).ended(0);
    let menus = ["srv/tftp/pxelinux.cfg/default", "srv/tftp/grub/grub.cfg", "srv/tftp/pxelinux.cfg/01-52-54-00-00-00-0a"];
    let made = menus.map(|menu| place.read(menu));
    let is_right_when = |what: &str| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let ran = place.run(&["apply"]).ended(0);
        assert!(ran.out.contains(what), "{what} in {}", ran.out);
        menus.map(|menu| place.read(menu)) == made
    };
    assert!(is_right_when("in sync"));
    assert!(place.read(STAMPS).lines().any(|line| line.ends_with(" /")), "it is noted of what they are made");
    assert!(is_right_when("in sync"));
    place.remove(menus[2]);
    assert!(is_right_when("done: 1 file"));
    place.append(menus[1], "# mine\n");
    assert!(!is_right_when("edited by hand"));
    assert!(!is_right_when("edited by hand"));
    place.run(&["apply", "--force"]).ended(0);
    assert!(is_right_when("in sync"));
    place.write("etc/voidclust.d/x.conf", "[client]\ncmdline = \"quiet\"\n");
    assert!(!is_right_when("done: "));
    assert!(place.read(menus[2]).contains(" quiet"));
    place.remove("etc/voidclust.d/x.conf");
    assert!(is_right_when("done: "));
    place.rename("srv/tftp/images/6.12.94_1-00000000000c", "gone");
    assert!(!is_right_when("done: "));
    assert!(!place.read(menus[2]).contains("00000000000c"));
    place.rename("gone", "srv/tftp/images/6.12.94_1-00000000000c");
    assert!(is_right_when("done: ") && is_right_when("in sync"));
}

#[test]
fn without_stamps_or_with_those_of_another_root_all_is_read() {
    let (place, other) = (Place::applied(), Place::applied());
    let menu = "srv/tftp/pxelinux.cfg/default";
    place.append(menu, "# mine\n");
    for stamps in ["", "garbage\n", &other.read(STAMPS)] {
        place.write(STAMPS, stamps);
        let ran = place.run(&["apply"]).ended(0);
        assert!(ran.out.contains(&format!("edited by hand, new text beside it: {menu}\n")), "{}", ran.out);
    }
    place.remove(STAMPS);
    assert!(place.run(&["apply"]).ended(0).out.contains("edited by hand"));
}

#[test]
fn of_torn_stamps_nothing_is_believed() {
    let place = Place::applied();
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert!(place.run(&["apply"]).ended(0).out.contains("in sync"));
    let (whole, tree) = (place.read(STAMPS), place.tree());
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        for torn in [lines[..at].concat(), [&lines[..at], &lines[at + 1..]].concat().concat()] {
            place.write(STAMPS, &torn);
            assert!(place.run(&["apply"]).ended(0).out.contains("in sync"), "{torn}");
            assert!(place.tree() == tree, "{torn}");
        }
    }
}
