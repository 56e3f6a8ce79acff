//! Killed at any moment, each file is the old one or the new one, and the next run finishes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::place::{Place, Stands};

/// Enough nodes for a run to be caught in the middle.
const NODES: usize = 200;

fn site(motd: &str) -> Place {
    let place = Place::small();
    let nodes: String = (0..NODES).map(|n| format!("[[node]]\nname = \"m{n}\"\nmac = \"52:54:00:00:01:{n:02x}\"\n")).collect();
    place.write("etc/voidclust.d/1.conf", nodes);
    place.write("etc/voidclust/overlays/client/motd", motd);
    place
}

/// The rendered files, without what a run keeps for itself.
fn rendered(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let files = place.tree().into_iter().filter_map(|(path, stands)| match stands {
        Stands::File { bytes, .. } if !path.starts_with("etc/voidclust") && !path.starts_with("var/") => Some((path, bytes)),
        _ => None,
    });
    files.collect()
}

#[test]
fn a_killed_run_leaves_whole_files_and_the_next_one_finishes() {
    let place = site("old\n");
    let fresh = site("new\n");
    place.run(&["apply"]).ended(0);
    fresh.run(&["apply"]).ended(0);
    let (old, new) = (rendered(&place), rendered(&fresh));
    let mut caught = 0;
    // From a run that has hardly begun to one that has ended: the moments are spread by the time that a whole run takes.
    for moment in 0..24 {
        let (text, want) = if moment % 2 == 0 { ("new\n", &new) } else { ("old\n", &old) };
        place.write("etc/voidclust/overlays/client/motd", text);
        let begin = std::time::Instant::now();
        let mut child = place.command(&["apply"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * moment));
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        caught += usize::from(killed);
        for (path, bytes) in rendered(&place) {
            if path.contains("/.voidclust-") {
                continue;
            }
            let whole = old.get(&path) == Some(&bytes) || new.get(&path) == Some(&bytes);
            assert!(whole, "{path} is neither old nor new, killed after {:?}", begin.elapsed());
        }
        place.run(&["apply"]).ended(0);
        let found = rendered(&place);
        assert!(
            found == *want,
            "not what was wanted: {:?}",
            found.keys().filter(|path| !want.contains_key(*path)).collect::<Vec<_>>()
        );
        // Nothing was taken for known that is not as it should be.
        let ran = place.run(&["apply", "--force"]).ended(0);
        assert!(ran.out.contains("in sync"), "{}", ran.out);
        assert!(!place.at("var/lib/voidclust/pending.toml").exists());
        let litter: Vec<_> = place.tree().into_keys().filter(|path| path.contains("/.voidclust-")).collect();
        assert!(litter.is_empty(), "{litter:?}");
    }
    assert!(caught > 0, "no run was caught in the middle");
}

#[test]
fn one_run_at_a_time() {
    let place = Place::applied();
    let lock = std::fs::File::open(place.at("var/lib/voidclust/lock")).unwrap();
    lock.lock().unwrap();
    let ran = place.run(&["apply"]).ended(1);
    assert!(ran.err.contains("another voidclust is at work on this root; wait for it to end"), "{}", ran.err);
    place.run(&["diff"]).ended(0);
    drop(lock);
    place.run(&["apply"]).ended(0);
}

#[test]
fn leftovers_of_a_killed_run_are_swept() {
    let place = Place::applied();
    let leftovers = [
        "etc/.voidclust-mkinitcpio.net.conf",
        "var/lib/voidclust/nodes/.voidclust-x",
        "var/lib/voidclust/.voidclust-manifest.toml",
    ];
    for path in leftovers {
        place.write(path, "half");
    }
    place.run(&["apply"]).ended(0);
    for path in leftovers {
        assert!(!place.at(path).exists(), "{path}");
    }
}
