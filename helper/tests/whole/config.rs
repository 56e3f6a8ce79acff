//! What is checked of a configuration as a whole, and how it is said.

use crate::place::{CRATE, Place};

/// The kernel takes 2,047 bytes, what the loaders add included.
#[test]
fn a_kernel_command_line_that_is_too_long_as_a_whole_is_told_with_what_adds_up() {
    let place = Place::small();
    let words = |length: usize| "a".repeat(length);
    let parts = format!(
        "[client]\ncmdline = \"{}\"\n[profile.big]\ncmdline = \"{}\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"big\"]\ncmdline = \"{}\"\n",
        words(700),
        words(701),
        words(400)
    );
    place.write("etc/voidclust.d/1.conf", &parts);
    let json = place.run(&["check", "--json"]).ended(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    // The longest part.
    assert_eq!((problems[0]["line"].as_u64(), problems[0]["column"].as_u64()), (Some(4), Some(11)));
    let said = format!("{} {}", problems[0]["problem"], problems[0]["remedy"]);
    for words in [
        "of node `x` has ",
        "2046 arrive",
        "root_options 47",
        "[client] cmdline 700",
        "[profile.big] cmdline 701",
        "its own cmdline 400",
    ] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    place.write("etc/voidclust.d/1.conf", parts.replace(&words(400), &words(100)));
    place.run(&["check"]).ended(0);

    // Every client's, and said once for all of them.
    let options = format!("ro,{}", "x-a=b,".repeat(165) + "hard");
    place.write(
        "etc/voidclust.d/1.conf",
        format!("[client]\ncmdline = \"{}\"\n[nfs]\nroot_options = \"{options}\"\n", words(900)),
    );
    let json = place.run(&["check", "--json"]).ended(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0]["problem"].as_str().unwrap().contains("of every client has "), "{problems:?}");
    assert_eq!(problems[0]["line"].as_u64(), Some(4));
}

/// To the byte: what a loader writes before and behind counts, and the generation with the longest number.
#[test]
fn the_longest_command_line_that_passes_is_the_longest_that_arrives() {
    let place = Place::small();
    let version = "6.12.94_1-with-quite-a-long-name";
    place.write(&format!("usr/lib/modules/{version}/x"), "");
    place.write(&format!("boot/vmlinuz-{version}"), "");
    let node = "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\n";
    let passes = |length: usize| {
        let cmdline = format!("[client]\ncmdline = \"{}\"\n{node}cmdline = \"{}\"\n", "a".repeat(1000), "b".repeat(length));
        place.write("etc/voidclust.d/1.conf", cmdline);
        place.run(&["check"]).status == 0
    };
    let longest = || (0..1024).rev().find(|length| passes(*length)).unwrap();
    let by_tftp = longest();
    let line = format!(
        "BOOT_IMAGE=images/{version}-0123456789ab/vmlinuz nfsroot=172.23.199.225:/root/4294967295,ro,nfsvers=4,retrans=10,rsize=32768,wsize=32768,nocto,actimeo=3600 \
         nfsown=172.23.199.225:/node ip=::: rootdelay=0 panic=30 {} {} initrd=images/{version}-0123456789ab/initramfs.img BOOTIF=01-52-54-00-00-00-99",
        "a".repeat(1000),
        "b".repeat(by_tftp)
    );
    assert_eq!(line.len(), 2046, "{line}");
    // As URLs both names are longer; when they fail, the label of the entry stands behind the line: the longer counts.
    place.write("etc/sv/darkhttpd/run", "");
    place.write("etc/voidclust.d/2.conf", "[boot]\ntransfer = \"http\"\n");
    let urls = 2 * "http://172.23.199.225/".len();
    let label = format!(" {version}-0123456789ab-g4294967295").len();
    assert_eq!(by_tftp - longest(), urls.max(label));
}

#[test]
fn a_master_that_cannot_serve_by_http_says_so_unless_nobody_wants_it() {
    let place = Place::small();
    if !place.add_packaged_overlays() {
        return crate::place::skip("a_master_that_cannot_serve_by_http", "the packages' overlays are not here");
    }
    let check = || place.run(&["check"]).ended(0).out;
    place.write("etc/sv/acpid/run", "");
    assert!(!check().contains("darkhttpd"));
    place.write("etc/voidclust.d/1.conf", "[boot]\ntransfer = \"http\"\n");
    let out = check();
    assert!(out.contains("note: /etc/sv/darkhttpd of the lower tree: not there, so nodes load"), "{out}");
    place.write("etc/voidclust.d/1.conf", "[boot]\ntransfer = \"tftp\"\n");
    assert!(!check().contains("darkhttpd"));
    place.write("etc/voidclust.d/1.conf", "[boot]\ntransfer = \"http\"\n");
    place.write("etc/sv/darkhttpd/run", "");
    assert!(!check().contains("darkhttpd"));
    // A site that has pages of its own there.
    place.write("etc/sv/darkhttpd/conf", "WWWDIR=/srv/www\n");
    let out = check();
    assert!(
        out.contains("/etc/sv/darkhttpd/conf of the lower tree: the master does not have its line `WWWDIR=/srv/www`"),
        "{out}"
    );
}

#[test]
fn a_domain_that_is_too_long_even_for_the_name_of_a_master_that_has_none_is_named() {
    let place = Place::small();
    let domain = "d.".repeat(29);
    let master = "[network]\naddress = \"10.0.0.1/24\"\n[master]\nmac = \"52:54:00:00:00:01\"\n";
    let check = |domain: &str| {
        place.write("etc/voidclust.conf", format!("[cluster]\ndomain = \"{domain}\"\n{master}"));
        place.run(&["check"])
    };
    check(&domain[..57]).ended(0);
    let said = check(&format!("{}d", &domain[..57])).ended(1).err;
    assert!(said.starts_with("ROOT/etc/voidclust.conf:2:10: `master.d.") && said.contains(" has 65 characters"), "{said}");
}

#[test]
fn all_problems_of_all_files_are_reported_in_one_run_in_order() {
    let place = Place::small();
    place.write("etc/voidclust.d/20.conf", "[boot]\nkeep = 0\n\n[nfs]\nthreads = 0\nhome = \"x\"\n");
    place.write("etc/voidclust.d/10.conf", "[client]\ncmdline = \"'\"\nkernel = \"6.1_1\"\nnonsense = 1\n");
    // Whose name is that of node1, which comes after it.
    place.write("etc/voidclust.conf", place.read("etc/voidclust.conf").replace("master.cluster", "node1"));
    let ran = place.run(&["check"]).ended(1);
    let places: Vec<_> = ran.err.lines().filter_map(|line| line.strip_prefix("ROOT/etc/")?.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "voidclust.conf:26:8",
            "voidclust.d/10.conf:2:11",
            "voidclust.d/10.conf:3:10",
            "voidclust.d/10.conf:4:1",
            "voidclust.d/20.conf:2:8",
            "voidclust.d/20.conf:5:11",
            "voidclust.d/20.conf:6:8",
        ],
        "{}",
        ran.err
    );
    assert!(ran.err.ends_with("\n7 problems\n"), "{}", ran.err);
}

#[test]
fn every_wrong_element_of_a_list_is_named_with_its_own_place() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", "[master]\nmodules = [\"a b\", \"ok\", \"c d\"]\n[network]\ndns = [7, \"x\"]\n");
    let ran = place.run(&["check"]).ended(1);
    let places: Vec<_> = ran.err.lines().filter_map(|line| line.strip_prefix("ROOT/etc/voidclust.d/1.conf:")).collect();
    let columns: Vec<_> = places.iter().filter_map(|place| place.split(": ").next()).collect();
    assert_eq!(columns, ["2:12", "2:25", "4:8", "4:11"], "{}", ran.err);
}

#[test]
fn a_message_has_the_line_a_caret_and_what_would_be_right() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", "[network]\n\tdhcp = \"off\"\n\trange = \"172.23.199.1 - 172.23.199.9\"\n");
    let message = "ROOT/etc/voidclust.d/1.conf:3:10: `range` is given, but the master gives out no addresses\n  \
        | \trange = \"172.23.199.1 - 172.23.199.9\"\n  \
        | \t        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  \
        = set dhcp = \"server\", or remove `range`\n1 problem\n";
    assert_eq!(place.run(&["check"]).ended(1).err, message);
}

#[test]
fn what_is_missing_altogether_is_named() {
    let place = Place::small();
    place.write("etc/voidclust.conf", "[master]\nmac = \"52:54:00:00:00:01\"\n");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.starts_with("ROOT/etc/voidclust.conf: the master's address is missing; set it under"), "{}", ran.err);
    place.write("etc/voidclust.conf", "[network]\naddress = \"10.0.0.1/8\"\n");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.contains("the master's MAC cannot be read") && ran.err.contains("; set `mac` under [master]"), "{}", ran.err);
}

/// The mistake is where the second of two equals is written.
#[test]
fn what_clashes_with_the_master_is_named_at_the_node() {
    let place = Place::small();
    for (drop_in, message) in [
        ("mac = \"52:54:00:17:c7:e4\"", "37:7: 52:54:00:17:c7:e4 belongs to the master already"),
        ("name = \"node1\"", "26:8: the master is called `node1` already"),
    ] {
        place.write("etc/voidclust.d/1.conf", format!("[master]\n{drop_in}\n"));
        let ran = place.run(&["check"]).ended(1);
        assert!(ran.err.starts_with(&format!("ROOT/etc/voidclust.conf:{message}\n")), "{}", ran.err);
    }
}

#[test]
fn the_shipped_configuration_is_right_once_its_keys_are_uncommented() {
    let shipped = std::fs::read_to_string(format!("{CRATE}/voidclust.conf")).unwrap();
    let is_key = |line: &str| {
        line.starts_with("#[")
            || line.split(" = ").next().is_some_and(|key| key[1..].bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let mut keys = 0;
    let mut text = String::new();
    for line in shipped.lines() {
        match line.strip_prefix('#') {
            Some(bare) if line.contains(" = ") && is_key(line) || line.starts_with("#[") => {
                keys += 1;
                text.push_str(bare);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    assert!(keys > 40, "only {keys} keys found");
    // What cannot be on every machine, and what excludes another key that is shown.
    for (shown, instead) in [
        ("mac = \"auto\"", "mac = \"52:54:00:00:00:01\""),
        ("dhcp = \"proxy\"", "dhcp = \"server\""),
        ("root_squash_home = true", ""),
    ] {
        assert_eq!(text.matches(shown).count(), 1, "{shown}");
        text = text.replace(shown, instead);
    }
    let place = Place::small();
    place.write("etc/voidclust/overlays/compute/motd", "");
    place.write("etc/voidclust.conf", &text);
    place.run(&["apply"]).ended(0);
    let private = "private: what is laid on node1 is served to its address alone\n";
    assert_eq!(place.run(&["check"]).ended(0).out, format!("{private}ok: master master, 1 node, 1 profile\n"));
}

#[test]
fn tables_alone_configure_nothing() {
    let place = Place::small();
    place.write("etc/voidclust.conf", "[network]\n[nfs]\n");
    assert!(place.run(&["check"]).ended(1).err.contains("not configured yet"));
}
