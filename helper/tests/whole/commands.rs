//! Every command and option: what it prints, and how it ends.

use crate::place::Place;

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let place = Place::small();
    for arguments in [
        &["frobnicate"][..],
        &["apply", "--colour"],
        &["show"],
        &["hook", "kernel-install"],
        &["check", "--color", "red"],
        &["image"],
    ] {
        place.run(arguments).ended(2);
    }
    let ran = place.run(&[]).ended(2);
    assert!(ran.out.is_empty() && ran.err.contains("\n  voidclust apply  "), "{}", ran.err);
    assert!(place.run(&["--help"]).ended(0).out.contains("Exit status: 0 done or in sync, 1 failed, 2 usage, 3 differs."));
    assert_eq!(place.run(&["--version"]).ended(0).out, format!("voidclust {}\n", env!("CARGO_PKG_VERSION")));
    place.run(&["show", "node1", "motd", "--json"]).ended(2);
}

#[test]
fn a_command_that_is_mistyped_is_told_its_neighbour() {
    let place = Place::small();
    for (typed, meant) in [
        (&["aply"][..], "'apply'"),
        (&["node", "lst"], "'list'"),
        (&["image", "biuld"], "'build'"),
        (&["diff", "--jsno"], "'--json'"),
        (&["hook", "kernel-instal", "6"], "'kernel-install'"),
    ] {
        let ran = place.run(typed).ended(2);
        assert!(ran.err.contains("similar") && ran.err.contains(meant), "{typed:?}: {}", ran.err);
    }
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let place = Place::empty();
    let ran = place.run(&["-r", "/nowhere", "check"]);
    // The option may be given once.
    assert_eq!(ran.status, 2);
    let mut command = crate::place::program(env!("CARGO_BIN_EXE_voidclust"));
    let ran = place.ran(command.args(["-r", "/nowhere/at/all", "check"])).ended(1);
    assert!(ran.err.starts_with("voidclust: /nowhere/at/all: cannot open the root folder"), "{}", ran.err);
}

#[test]
fn check_says_ok_or_every_problem() {
    let place = Place::small();
    let live = "note: node1, node2, node3 and machines that are not listed boot the live tree, so root there can read what is laid on all nodes, and what is the master's alone\n";
    let ok = "private: what is laid on node1, node2, node3 is served to the address of each alone\nok: master master.cluster, 3 nodes, 0 profiles\n";
    let identity = "note: the identity of 3 nodes is not made yet, or not all of it; run: voidclust apply\n";
    assert_eq!(place.run(&["check"]).ended(0).out, format!("{identity}{live}{ok}"));
    let json = place.run(&["check", "--json"]).ended(0).json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(0));
    assert!(json["private"].as_str().unwrap().ends_with("the address of each alone"), "{json}");

    place.append("etc/voidclust.conf", "[boot]\nkeep = 0\ntimeout = -1\n");
    let json = place.run(&["check", "--json"]).ended(1).json();
    assert_eq!(json["ok"], false);
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2);
    assert_eq!(problems[0]["problem"], "`keep` must be at least 1");
    for field in ["file", "line", "column", "problem", "remedy"] {
        assert!(problems[0].get(field).is_some(), "{field}");
    }
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.ends_with("\n2 problems\n") && ran.out.is_empty(), "{}", ran.err);
}

#[test]
fn check_reads_the_overlays_too_and_writes_nothing() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/motd.j2", "\n{{ node.nmae }}\n");
    let ran = place.run(&["check"]).ended(1);
    let place_of_it = "ROOT/etc/voidclust/overlays/client/motd.j2:2: a variable is not defined";
    assert!(ran.err.starts_with(place_of_it), "{}", ran.err);
    // Configuration and overlays are told in one shape, and every mistake of either is in the list.
    place.write("etc/voidclust/overlays/master/hosts.j2", "{% if %}\n");
    let before = place.tree();
    let report = place.run(&["check", "--json"]).ended(1).json();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{report}");
    assert!(problems[0]["file"].as_str().unwrap().ends_with("client/motd.j2") && problems[0]["line"] == 2, "{report}");
    assert_eq!(place.run(&["diff", "--json"]).ended(1).json()["problems"], report["problems"]);
    assert_eq!(place.tree(), before);
}

#[test]
fn config_takes_another_file_without_drop_ins() {
    let place = Place::small();
    place.write("etc/voidclust.d/10.conf", "broken");
    place.write("other.conf", place.read("etc/voidclust.conf").replace("master.cluster", "other"));
    place.run(&["check"]).ended(1);
    let other = place.at("other.conf").display().to_string();
    for option in ["-c", "--config"] {
        assert!(place.run(&["check", option, &other]).ended(0).out.contains("\nok: master other,"));
    }
    let ran = place.run(&["-c", "/nowhere.conf", "check"]).ended(1);
    assert!(ran.err.starts_with("voidclust: /nowhere.conf: cannot read"), "{}", ran.err);
    place.remove("etc/voidclust.conf");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.contains("ROOT/etc/voidclust.conf: not found; install the package voidclust"), "{}", ran.err);
}

#[test]
fn show_finds_a_node_by_every_name_it_has() {
    let place = Place::small();
    let expected = place.run(&["show", "node1"]).ended(0).out;
    for name in ["NODE1", "node1.cluster", "52:54:00:17:c7:e2", "52-54-00-17-C7-E2", "172.23.199.226"] {
        assert_eq!(place.run(&["show", name]).ended(0).out, expected, "{name}");
    }
    for name in ["master", "master.cluster", "52:54:00:17:c7:e1"] {
        assert!(place.run(&["show", name]).ended(0).out.contains("dnsmasq.conf"), "{name}");
    }
    assert_eq!(place.run(&["show", "default", "hostname"]).ended(0).out, "unlisted\n");
    let ran = place.run(&["show", "node9"]).ended(1);
    assert_eq!(ran.err, "voidclust: there is no node `node9`; there are master, default, node1, node2, node3\n");
}

#[test]
fn values_of_the_site_reach_files_and_listing_and_one_that_is_missing_is_told() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/motd.j2", "{{ vars.rack }} {{ vars.cores }}\n");
    place.write(
        "etc/voidclust.d/1.conf",
        "[vars]\nrack = \"?\"\ncores = 8\nntp = [\"a\", \"b\"]\n[profile.big.vars]\ncores = 64\n[[node]]\nname = \"x\"\n\
         mac = \"52:54:00:00:00:99\"\nprofiles = [\"big\"]\n[node.vars]\nrack = \"a1\"\n",
    );
    assert_eq!(place.run(&["show", "x", "motd"]).ended(0).out, "a1 64\n");
    assert_eq!(place.run(&["show", "default", "motd"]).ended(0).out, "? 8\n");
    let listing = place.run(&["show", "x"]).ended(0).out;
    let end = "vars.cores = 64  profile big\nvars.ntp = [\"a\", \"b\"]  [vars]\nvars.rack = \"a1\"  node\n";
    assert!(listing.ends_with(end), "{listing}");
    // A later file sets one value, and leaves the others.
    place.write("etc/voidclust.d/2.conf", "[vars]\ncores = 9\n");
    assert_eq!(place.run(&["show", "node1", "motd"]).ended(0).out, "? 9\n");

    place.write("etc/voidclust/overlays/client/motd.j2", "\n{{ vars.row }}\n");
    let ran = place.run(&["check"]).ended(1);
    let told = "ROOT/etc/voidclust/overlays/client/motd.j2:2: `vars.row` is not set for every machine of this overlay";
    assert!(ran.err.starts_with(told) && ran.err.contains("write `row = …` under [vars]"), "{}", ran.err);
}

#[test]
fn show_prints_one_file_as_the_node_gets_it() {
    let place = Place::small();
    for path in ["hostname", "/etc/hostname", "etc/hostname"] {
        assert_eq!(place.run(&["show", "node2", path]).ended(0).out, "node2.cluster\n");
    }
    let link = place.run(&["show", "node2", "runit/runsvdir/default/netmount"]).ended(0);
    assert_eq!(link.out, "-> /etc/sv/netmount\n");
    let ran = place.run(&["show", "node2", "nothing"]).ended(1);
    assert_eq!(ran.err, "voidclust: node2 lays no file `nothing` over /etc; see voidclust show node2\n");
    let ran = place.run(&["show", "node2", "hostnam"]).ended(1);
    assert!(ran.err.contains("lays no file `hostnam` over /etc; did you mean `hostname`? see"), "{}", ran.err);
}

#[test]
fn show_as_json_tells_where_each_file_comes_from() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/motd", "ours\n");
    place.write("etc/voidclust.d/1.conf", "[client]\nservices = [\"!acpid\"]\n");
    let json = place.run(&["show", "node1", "--json"]).ended(0).json();
    let entry = |path: &str| json.as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap().clone();
    let motd = entry("motd");
    assert_eq!((&motd["type"], &motd["origin"], &motd["mode"]), (&"file".into(), &"site".into(), &"0644".into()));
    assert_eq!(motd["size"], 5);
    assert_eq!(motd["reason"]["by"], "base");
    assert_eq!(entry("hostname")["origin"], "package");
    assert_eq!(entry("runit/runsvdir/default/netmount")["target"], "/etc/sv/netmount");
    let down = entry("sv/acpid/down");
    assert_eq!((&down["origin"], &down["reason"]["name"]), (&"configuration".into(), &"client".into()));
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Place::empty();
    for shell in ["bash", "fish", "zsh"] {
        let out = place.run(&["completions", shell]).ended(0).out;
        assert!(out.contains("voidclust") && out.contains("dry-run"), "{shell}");
    }
    place.run(&["completions", "csh"]).ended(2);
}

#[test]
fn output_is_coloured_only_where_it_is_wanted() {
    let place = Place::applied();
    place.write("usr/share/voidclust/overlays/client/motd", "welcome back\n");
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.command(arguments);
        command.envs(variables.iter().copied());
        place.ran(&mut command).ended(3).out.contains('\u{1b}')
    };
    assert!(!coloured(&["diff"], &[]), "no terminal");
    assert!(coloured(&["--color", "always", "diff"], &[]));
    assert!(coloured(&["diff", "--color=always"], &[("NO_COLOR", "1")]), "what is asked for wins");
    assert!(!coloured(&["--color", "never", "diff"], &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["diff"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["diff"], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
}

#[test]
fn refresh_is_for_nodes_that_run_from_their_overlay() {
    let place = Place::applied();
    let ran = place.run(&["refresh"]).ended(1);
    assert!(ran.err.contains("does not run from an overlay"), "{}", ran.err);
}

#[test]
fn image_commands_say_what_is_missing() {
    let place = Place::applied();
    assert!(place.run(&["image", "list"]).ended(0).out.starts_with("no image yet"));
    assert_eq!(place.run(&["image", "verify"]).ended(0).out, "0 images sound\n");
    assert_eq!(place.run(&["image", "prune"]).ended(0).out, "0 images pruned\n");
    let ran = place.run(&["image", "build", "--kernel", "6.12.94_1"]).ended(1);
    assert!(ran.err.contains("install mkinitcpio to build images"), "{}", ran.err);
}

#[test]
fn what_cannot_be_printed_stops_no_work_and_is_said() {
    if !std::path::Path::new("/dev/full").exists() {
        return crate::place::skip("what_cannot_be_printed_stops_no_work_and_is_said", "no /dev/full here");
    }
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let place = Place::small();
    for arguments in [&["apply"][..], &["check"], &["diff"], &["image", "list"], &["show", "default"]] {
        let ran = place.command(arguments).stdout(full()).output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.ends_with("voidclust: not all of this could be printed: No space left on device (os error 28)\n"), "{err}");
        place.run(&["diff"]).ended(0);
    }
    let ran = place.command(&["check", "--config", "/nonexistent"]).stderr(full()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
}
