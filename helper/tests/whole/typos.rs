//! The slips of administrators: each is one problem, at its place, with its cause and the way out.

use crate::place::Place;

/// What somebody wrote, the line and column that is shown, words of the cause, words of the remedy.
const TYPOS: &[(&str, &str, &str, &str)] = &[
    // The notation.
    ("[node]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"", "1:2", "`node` is not a list", "write [[node]], with two brackets"),
    ("[node]\nname = \"x\"\n[node]\nname = \"y\"\n[node]\nname = \"z\"", "1:2", "`node` is not a list", "here and in line 3, 5"),
    (
        "[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\n[node]\nname = \"y\"",
        "4:2",
        "`node` is not a list",
        "write [[node]]",
    ),
    ("[[node]\nname = \"x\"", "1:8", "brackets of this table", "write [[node]]"),
    ("[node]]\nname = \"x\"", "1:7", "brackets of this table", "write [[node]]"),
    ("[network\ndhcp = \"off\"", "1:9", "brackets of this table", "write [network]"),
    ("[network]\naddress = 172.23.199.225/24", "2:11", "`address` has no quotes", "address = \"172.23.199.225/24\""),
    ("[network]\ngateway = 172.23.199.1", "2:11", "`gateway` has no quotes", "gateway = \"172.23.199.1\""),
    ("[network]\nrange = 172.23.199.100 - 172.23.199.199", "2:9", "no quotes", "range = \"172.23.199.100 - 172.23.199.199\""),
    (
        "[network]\ndns = [172.23.199.1, 1.1.1.1]",
        "2:7",
        "the list of `dns` have no quotes",
        "dns = [\"172.23.199.1\", \"1.1.1.1\"]",
    ),
    ("[network]\ndns = 172.23.199.1", "2:7", "`dns` has no quotes", "dns = [\"172.23.199.1\"]"),
    ("[master]\nmac = 52:54:00:17:c7:e1 # card", "2:7", "`mac` has no quotes", "mac = \"52:54:00:17:c7:e1\""),
    ("[[node]]\nname = \"x\"\nmac = 52:54:00:00:00:99", "3:7", "`mac` has no quotes", "mac = \"52:54:00:00:00:99\""),
    ("[network]\ndhcp = off", "2:8", "`dhcp` has no quotes", "dhcp = \"off\""),
    ("[nfs]\nhome = /home", "2:8", "`home` has no quotes", "home = \"/home\""),
    ("[nfs]\nhome = none", "2:8", "`home` has no quotes", "home = \"none\""),
    ("[network]\ninterface = “eth0”", "2:13", "not those of a keyboard", "interface = \"eth0\""),
    ("[network]\ninterface = \"eth0\ndhcp = \"off\"", "2:13", "quotes of `interface` are not closed", "interface = \"eth0\""),
    ("[network]\ninterface = 'eth0\"", "2:13", "quotes of `interface` are not closed", "interface = \"eth0\""),
    (
        "[network]\ndns = [\"1.1.1.1\", \"9.9.9.9\"\ndhcp = \"off\"\n[boot]\nkeep = 1",
        "2:7",
        "list of `dns` is not closed",
        "write `]`",
    ),
    ("[client]\nservices = [\"sshd\" \"cronie\"]", "2:12", "missing comma", "write a comma"),
    ("[network]\ninterface: \"eth0\"", "2:1", "no `=` behind `interface`", "interface = \"eth0\""),
    ("[network]\ninterface eth0", "2:1", "no `=` behind `interface`", "interface = \"eth0\""),
    ("[network]\ninterface == \"eth0\"", "2:12", "two `=`", "interface = \"eth0\""),
    (
        "[network]\ndhcp = \"Server\"\nrange = \"172.23.199.100 - 172.23.199.199\"",
        "2:8",
        "`dhcp` takes",
        "did you mean \"server\"?",
    ),
    ("[boot]\nkeep = 2;", "2:8", "`keep` must be a whole number, and nothing behind it", "keep = 2"),
    ("[boot]\nkeep = two", "2:8", "`keep` must be a whole number", "keep = "),
    ("[nfs]\nthreads = 08", "2:11", "`threads` must be a whole number", "threads = 8"),
    ("[nfs]\nroot_squash_home = True", "2:20", "must be true or false", "root_squash_home = true"),
    ("[nfs]\nroot_squash_home = no", "2:20", "must be true or false", "root_squash_home = false"),
    (
        "[boot]\nfirmware = \"bios\", \"uefi\"",
        "2:12",
        "several values of `firmware` are a list",
        "firmware = [\"bios\", \"uefi\"]",
    ),
    ("[[node]]\nname = \"x\", mac = \"52:54:00:00:00:99\"", "2:8", "stands another key", "on a line of its own"),
    ("; my cluster", "1:1", "a comment begins with `#`", "write `#`"),
    ("[client]\ncmdline = \"a\\d\"", "2:11", "a backslash", "single quotes"),
    ("[boot]\nkeep = 1\nkeep = 2", "3:1", "duplicate key `keep`", "line 2"),
    ("[boot]\nkeep = 1\n[nfs]\nthreads = 2\n[boot]\ntimeout = 2", "5:2", "duplicate table [boot]", "line 1"),
    ("[profile.big nodes]\nkernel = \"newest\"", "1:13", "a name in brackets", "write [profile.big-nodes]"),
    ("[profile big]\nkernel = \"newest\"", "1:9", "stands a dot", "write [profile.big]"),
    ("[network]\ndns = [\n  1.1.1.1,\n  \"9.9.9.9\",\n]", "3:3", "a value of this list has no quotes", "write \"1.1.1.1\""),
    ("network.gateway = 172.23.199.1", "1:19", "`gateway` has no quotes", "gateway = \"172.23.199.1\""),
    ("[network.dhcp]\nrange = \"x\"", "1:10", "`dhcp` takes \"proxy\", \"server\" or \"off\", not a table", "dhcp = "),
    // Keys and tables.
    ("[[nodes]]\nname = \"x\"", "1:3", "unknown table `nodes`", "did you mean [[node]]?"),
    ("[netwrok]\ndhcp = \"off\"", "1:2", "unknown table `netwrok`", "did you mean [network]?"),
    ("[Boot]\nkeep = 2", "1:2", "unknown table `Boot`", "did you mean [boot]?"),
    (
        "[profiles.big]\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"big\"]",
        "1:2",
        "unknown table `profiles`",
        "did you mean [profile.NAME]?",
    ),
    ("[profile]\nservices = []\ncmdline = \"\"", "1:2", "this profile has no name", "write [profile.NAME]"),
    ("dhcp = \"off\"", "1:1", "`dhcp` stands in no table", "put it under [network]"),
    ("[master]\ngateway = \"172.23.199.1\"", "2:1", "unknown key `gateway` in [master]", "it belongs under [network]"),
    ("[client]\nthreads = 8", "2:1", "unknown key `threads` in [client]", "it belongs under [nfs]"),
    ("[network]\nadress = \"172.23.199.225/24\"", "2:1", "unknown key `adress` in [network]", "did you mean `address`?"),
    ("[network]\nnameserver = [\"1.1.1.1\"]", "2:1", "unknown key `nameserver`", "did you mean `dns`?"),
    ("[[node]]\nhostname = \"x\"\nmac = \"52:54:00:00:00:99\"", "2:1", "unknown key `hostname`", "did you mean `name`?"),
    (
        "[boot]\nhome_sever = \"nas:/home\"",
        "2:1",
        "unknown key `home_sever` in [boot]",
        "did you mean `home_server`, under [nfs]?",
    ),
    // Values.
    ("[boot]\nfirmware = [\"efi\"]", "2:13", "`firmware` takes \"bios\" or \"uefi\", not \"efi\"", "did you mean \"uefi\"?"),
    ("[boot]\nfirmware = \"uefi\"", "2:12", "`firmware` must be a list", "firmware = [\"uefi\"]"),
    ("[network]\ndhcp = \"sever\"", "2:8", "not \"sever\"", "did you mean \"server\"?"),
    ("[network]\ndhcp = true", "2:8", "`dhcp` takes \"proxy\", \"server\" or \"off\", not true", "dhcp = \"proxy\""),
    ("[client]\ncmdline = [\"quiet\"]", "2:11", "`cmdline` must be one text in quotes", "cmdline = \"quiet\""),
    ("[client]\nservices = \"sshd\"", "2:12", "`services` must be a list", "services = [\"sshd\"]"),
    ("[nfs]\nthreads = \"16\"", "2:11", "`threads` must be a whole number", "threads = 16"),
    ("[client]\noverlays = [\"knwon\"]", "2:13", "there is no overlay `knwon`", "did you mean `known`?"),
    ("[client]\nservices = [\"chronnyd\"]", "2:13", "there is no service `chronnyd`", "did you mean `chronyd`?"),
    ("[master]\nservices = [\"!sshhd\"]", "2:13", "there is no service `sshhd`", "did you mean `sshd`?"),
    (
        "[profile.big]\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"bgi\"]",
        "5:13",
        "there is no profile `bgi`",
        "did you mean `big`?",
    ),
    ("[nfs]\nroot_options = \"ro,nfsver=4\"", "2:16", "there is no mount option `nfsver`", "did you mean `nfsvers`?"),
    ("[client]\ncmdline = \"overlay.sise=2g\"", "2:11", "`overlay.sise=2g`", "did you mean overlay.size?"),
    // One mistake with many consequences.
    ("[network]\naddress = \"172.23.198.225/24\"", "2:11", "none of the other 3 addresses is in its subnet", "correct it"),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.198.1 - 172.23.198.9\"",
        "3:9",
        "first address, 172.23.198.1, is outside",
        "between 172.23.199.1 and 172.23.199.254",
    ),
    (
        "[network]\ndhcp = \"server\"\nrange = \"172.23.199.226 - 172.23.199.240\"",
        "3:9",
        "the range holds the addresses of 3 nodes",
        "choose a range",
    ),
    (
        "[[node]]\nname = \"node1\"\nmac = \"52:54:00:17:c7:e2\"\naddress = \"172.23.199.226\"",
        "2:8",
        "is called `node1` already; this node has the same MAC and address",
        "remove the copy",
    ),
    (
        "[client]\noverlays = [\"x\"]\n[master]\noverlays = [\"x\"]\n[profile.p]\noverlays = [\"x\"]",
        "2:13",
        "there is no overlay `x`, which is named in 3 places",
        "make the folder",
    ),
    (
        "[network]\ndhcp = \"server\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:98\"\n[[node]]\nname = \"y\"\nmac = \"52:54:00:00:00:99\"",
        "2:8",
        "2 nodes have no address, and the master has no range",
        "set `range`",
    ),
];

/// The example, with services that are installed and an overlay of the site.
fn place() -> Place {
    let place = Place::small();
    place.write("etc/voidclust/overlays/known/x", "");
    for service in ["sshd", "chronyd", "cronie"] {
        place.write(&format!("etc/sv/{service}/run"), "");
    }
    place
}

#[test]
fn every_slip_is_one_problem_with_place_cause_and_remedy() {
    let place = place();
    assert!(TYPOS.len() >= 40);
    let mut failures = String::new();
    for (text, at, cause, remedy) in TYPOS {
        place.write("etc/voidclust.d/1.conf", text);
        let json = place.run(&["check", "--json"]).ended(1).json();
        let found: Vec<_> = json["problems"].as_array().unwrap().iter().collect();
        let told = |problem: &serde_json::Value| {
            let words = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
            words("file") == "ROOT/etc/voidclust.d/1.conf"
                && format!("{}:{}", problem["line"], problem["column"]) == *at
                && words("problem").contains(cause)
                && words("remedy").contains(remedy)
        };
        if !matches!(found[..], [problem] if told(problem)) {
            failures.push_str(&format!("{text}\nwanted: {at} {cause} = {remedy}\ngot: {found:#?}\n\n"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// A block for each: the lines of the configuration, then place and cause, then the remedy, behind `> `.
const FRESH: &str = include_str!("../typos.txt");

#[test]
fn slips_in_lists_small_tables_and_values_are_told_word_by_word() {
    let place = place();
    let blocks: Vec<&str> = FRESH.split("\n\n").skip(1).collect();
    assert!(blocks.len() >= 40);
    let mut failures = String::new();
    for block in blocks {
        let (told, lines): (Vec<&str>, Vec<&str>) = block.trim_end().split('\n').partition(|line| line.starts_with("> "));
        place.write("etc/voidclust.d/1.conf", lines.join("\n"));
        let json = place.run(&["check", "--json"]).ended(1).json();
        let found = json["problems"].as_array().unwrap().iter().flat_map(|problem| {
            let text = |key: &str| problem[key].as_str().unwrap_or_default();
            [format!("> {}:{}: {}", problem["line"], problem["column"], text("problem")), format!("> {}", text("remedy"))]
        });
        let found: Vec<String> = found.collect();
        if found != told {
            failures.push_str(&format!("{}\nwanted: {told:#?}\ngot: {found:#?}\n\n", lines.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn several_nodes_in_single_brackets_and_lists_in_layers_are_told_once_or_not_at_all() {
    let place = place();
    for (text, problems) in [
        ("[node.x]\nmac = \"52:54:00:00:00:99\"\n[node.y]\nmac = \"52:54:00:00:00:98\"", 1),
        ("[[client.mounts]]\ndevice = \"nas:/d\"\npath = \"/d\"", 0),
        // Between the layers, the later word counts.
        ("[client]\nservices = [\"sshd\"]\n[profile.a]\nservices = [\"!sshd\"]", 0),
        // A node that mounts a home of its own is not its own client.
        (
            "[nfs]\nhome_server = \"x:/h\"\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nmounts = [{ device = \"LABEL=h\", path = \"/home\" }]",
            0,
        ),
    ] {
        place.write("etc/voidclust.d/1.conf", text);
        let ran = place.run(&["check"]).ended(i32::from(problems > 0));
        assert_eq!(ran.err.lines().filter(|line| line.starts_with("ROOT/")).count(), problems, "{text}\n{}", ran.err);
    }
}

#[test]
fn a_node_that_is_not_there_is_told_its_neighbour() {
    let ran = Place::small().run(&["show", "noed1"]).ended(1);
    assert!(ran.err.contains("there is no node `noed1`; did you mean `node1`?"), "{}", ran.err);
}
