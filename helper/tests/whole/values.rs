//! Hostile values on every key that takes a text: what `check` lets through, the programs that read the result accept, and
//! they read it as what it is.
//!
//! Each round takes a value for every key, from near-valid ones that `check` accepted alone, renders the whole site, and
//! asks dnsmasq, exportfs's grammar, GRUB, PXELINUX's rules, fstab's parser and the shells. The values are the same in every
//! run; `RANDOM_VALUES=1 cargo test values` takes others.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::place::{CRATE, Place, program, skip, there_is, tool};

/// How many near-valid values are tried on each key.
const VALUES: usize = 14;

/// A key, how it is set to the value that stands for `@`, what must be there besides, and values of its kind.
struct Field {
    table: &'static str,
    key: &'static str,
    line: &'static str,
    besides: &'static str,
    seeds: &'static [&'static str],
}

const fn field(table: &'static str, key: &'static str, line: &'static str, seeds: &'static [&'static str]) -> Field {
    Field { table, key, line, besides: "", seeds }
}

const NAMES: &[&str] = &["known", "a.b", "x+y@z", "master", "client", "..", "-rf", "a/b", ".git"];
const HOSTS: &[&str] = &["n7", "n.rack1", "3com", "12h", "7", "infinite", "localhost", "a--b", "set", "id", "dead", "node1"];
const MACS: &[&str] = &["52:54:00:00:00:99", "52-54-00-00-00-99", "5254.0000.0099", "525400000099", "ff:ff:ff:ff:ff:ff"];
const ADDRESSES: &[&str] = &["172.23.199.99", "172.23.199.0", "127.0.0.1", "0.0.0.0", "1.1.1.1", "172.23.199.225"];
const SERVICES: &[&str] = &["sshd", "!sshd", "dhcpcd-eth0", "agetty-tty1", "!!a", "-v", "../x"];
const MODULES: &[&str] = &["i915", "nvme-core", "8021q", "-r", "_", "if", "done"];
const KERNELS: &[&str] = &["newest", "6.12.94_1", "6.12.9_1", "6.12.94_1 x"];
const COMMAND_LINES: &[&str] = &[
    "loglevel=4 console=ttyS0,115200n8",
    "memmap=64M#1G acpi_osi=!* pci=nomsi,noaer",
    "do done if then else fi while until for in case esac function menuentry select time ! [ [[ ]] test",
    "a=(b)!~%^*?[c] + = , . - @ : /x (tftp)/y",
    "overlay.size=2g overlay.mode=0700 root_timeout=60 rescue",
    "initrd=x ip=dhcp BOOTIF=1 -- #c",
    "APPEND - LABEL x ~ $a ${b} `c`",
];
const OPTIONS: &[&str] =
    &["ro", "rw,nfsvers=4.2,retrans=10", "soft,x-a=b:/c%d@e+f", "ro,nfsvers=3", ",", "-o,ro", "sec=sys,proto=tcp"];
const PATHS: &[&str] = &["/home", "/data/home", "/a.b/-c/+d@e", "/srv/nfs", "/proc", "/..", "/a b", "none", "/home/$(x)"];
const DEVICES: &[&str] = &[
    "nas:/home",
    "nas.example.org:/",
    "10.0.0.1,10.0.0.2:/",
    "mgs@tcp:/scratch",
    "[fe80::1]:/x",
    "LABEL=a:/b",
    "-o:/x",
    "nas:/a#b",
];

/// Every key that takes a text, in the order of the shipped file.
const FIELDS: &[Field] = &[
    field("[cluster]", "domain", "domain = @", &["cluster", "example.org", "a-b.c", "localhost", "12h", "infinite"]),
    field("[network]", "interface", "interface = @", &["eth0", "enp3s0f0", "eth0.10", "br-lan", "lo", "eth0@if3", "-i", "*"]),
    field("[network]", "address", "address = @", &["172.23.199.225/24", "172.23.199.225/16", "127.0.0.1/8", "172.23.199.0/24"]),
    field("[network]", "gateway", "gateway = @", ADDRESSES),
    field("[network]", "dns", "dns = [@]", ADDRESSES),
    field("[network]", "dhcp", "dhcp = @", &["proxy", "server", "off"]),
    Field {
        besides: "[network]\ndhcp = \"server\"\n",
        ..field(
            "[network]",
            "range",
            "range = @",
            &["172.23.199.100 - 172.23.199.199", "172.23.199.100-172.23.199.100", "1.1.1.1 - 1.1.1.9"],
        )
    },
    field("[master]", "name", "name = @", HOSTS),
    field("[master]", "mac", "mac = @", MACS),
    field("[master]", "storage", "storage = @", &["auto", "zfs", "plain"]),
    field("[master]", "modules", "modules = [@]", MODULES),
    field("[master]", "overlays", "overlays = [@]", NAMES),
    field("[master]", "services", "services = [@]", SERVICES),
    field("[client]", "cmdline", "cmdline = @", COMMAND_LINES),
    field("[client]", "modules", "modules = [@]", MODULES),
    field("[client]", "drivers", "drivers = @", &["all", "autodetect"]),
    field("[client]", "overlays", "overlays = [@]", NAMES),
    field("[client]", "services", "services = [@]", SERVICES),
    field("[client]", "kernel", "kernel = @", KERNELS),
    field("[client]", "mounts", "mounts = [{ device = @, path = \"/data\" }]", DEVICES),
    field("[client]", "mounts", "mounts = [{ device = \"nas:/x\", path = @ }]", PATHS),
    field("[nfs]", "root_options", "root_options = @", OPTIONS),
    field("[nfs]", "home_options", "home_options = @", OPTIONS),
    field("[nfs]", "home", "home = @", PATHS),
    field(
        "[nfs]",
        "root_server",
        "root_server = @",
        &["172.23.199.10:/void", "10.0.0.1:/a.b/c", "172.23.199.225:/x", "nas:/void", "10.0.0.1:/a,b"],
    ),
    field("[nfs]", "home_server", "home_server = @", DEVICES),
    Field {
        besides: "[nfs]\nhome_server = \"nas:/home\"\n",
        ..field("[nfs]", "home_type", "home_type = @", &["nfs4", "ceph", "fuse.sshfs", "swap", "none", "-t", "nfs,ext4"])
    },
    field("[nfs]", "exports", "exports = [{ path = @ }]", PATHS),
    field("[boot]", "firmware", "firmware = [@]", &["bios", "uefi"]),
    field("[profile.p]", "overlays", "overlays = [@]", NAMES),
    field("[profile.p]", "services", "services = [@]", SERVICES),
    field("[profile.p]", "cmdline", "cmdline = @", COMMAND_LINES),
    field("[profile.p]", "modules", "modules = [@]", MODULES),
    field("[profile.p]", "kernel", "kernel = @", KERNELS),
    field("[profile.p]", "mounts", "mounts = [{ device = @, path = \"/scratch\" }]", DEVICES),
    field("[[node]]", "name", "name = @", HOSTS),
    field("[[node]]", "mac", "mac = [@, \"52:54:00:00:01:01\"]", MACS),
    field("[[node]]", "address", "address = @", ADDRESSES),
    field("[[node]]", "profiles", "profiles = [@]", &["p", "q", "-p", "p q"]),
    field("[[node]]", "overlays", "overlays = [@]", NAMES),
    field("[[node]]", "services", "services = [@]", SERVICES),
    field("[[node]]", "cmdline", "cmdline = @", COMMAND_LINES),
    field("[[node]]", "kernel", "kernel = @", KERNELS),
    field("[[node]]", "mounts", "mounts = [{ device = @, path = \"/own\" }]", DEVICES),
];

/// The keys of the shipped file that show a text, with their tables.
fn shipped_keys() -> Vec<(String, String)> {
    let shipped = std::fs::read_to_string(format!("{CRATE}/voidclust.conf")).unwrap();
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in shipped.lines().map(|line| line.trim_start_matches('#')) {
        if line.starts_with('[') {
            table = line.replace("compute", "p");
        } else if let Some((key, value)) = line.split_once(" = ")
            && !key.contains(' ')
            && value.starts_with(['"', '['])
        {
            keys.push((table.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn every_key_that_takes_a_text_is_tried() {
    for (table, key) in shipped_keys() {
        assert!(
            FIELDS.iter().any(|field| (field.table, field.key) == (&table, &key)),
            "no hostile values for `{key}` of {table}"
        );
    }
}

/// Values near the seeds: as they are, with a sign put in, in place of another or left out, and two of them joined.
fn near(seeds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let signs: Vec<String> =
        "\0\t\n\r \"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u{7f}\u{e4}\u{2028}0aZ".chars().map(String::from).collect();
    let words =
        ["..", "--", "$(x)", "${x}", "{{ x }}", "{% x %}", "\\n", "[[", "]]", " # ", "initrd=", "infinite", "::", "%0a", "/../"];
    let signs: Vec<String> = signs.into_iter().chain(words.map(ToOwned::to_owned)).collect();
    let seed = prop::sample::select(seeds);
    let sign = prop::sample::select(signs);
    let at = any::<prop::sample::Index>();
    (seed.clone(), seed, sign, at, 0..6u8).prop_map(|(text, other, sign, at, how)| {
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len() + 1);
        let (before, after): (String, String) = (chars[..at].iter().collect(), chars[at..].iter().collect());
        let rest: String = after.chars().skip(1).collect();
        match how {
            0 => text.to_owned(),
            1 => format!("{before}{sign}{after}"),
            2 => format!("{before}{sign}{rest}"),
            3 => format!("{before}{rest}"),
            4 => format!("{text}{sign}{other}"),
            _ => format!("{sign}{text}"),
        }
    })
}

/// As TOML: the escapes of JSON are its own.
fn literal(value: &str) -> String {
    serde_json::to_string(value).unwrap().replace('\u{7f}', "\\u007f")
}

fn place() -> Option<Place> {
    let place = Place::empty();
    place.copy_tree(&Path::new(CRATE).join("tests/cases/images_are_named_newest_first/root"), "");
    place.write("etc/voidclust/overlays/known/x", "");
    place.write("etc/voidclust/overlays/a.b/x", "");
    place.write("etc/voidclust/overlays/x+y@z/x", "");
    for service in ["sshd", "dhcpcd-eth0", "agetty-tty1"] {
        place.write(&format!("etc/sv/{service}/run"), "");
    }
    place.add_packaged_overlays().then_some(place)
}

/// The site that a value is tried on.
fn site(tables: &BTreeMap<&str, Vec<String>>) -> String {
    let mut text = String::new();
    let fixed: [(&str, &[&str]); 8] = [
        ("[cluster]", &["domain = \"cluster\""]),
        ("[network]", &["address = \"172.23.199.225/24\""]),
        ("[master]", &["mac = \"52:54:00:00:00:01\""]),
        ("[client]", &[]),
        ("[nfs]", &[]),
        ("[boot]", &["timeout = 4"]),
        ("[profile.p]", &[]),
        ("[[node]]", &["name = \"node1\"", "mac = \"52:54:00:00:00:0a\"", "profiles = [\"p\"]"]),
    ];
    for (table, lines) in fixed {
        let set = tables.get(table).cloned().unwrap_or_default();
        let sets = |line: &str| set.iter().any(|own| own.split(" = ").next() == line.split(" = ").next());
        let kept = lines.iter().filter(|line| !sets(line)).map(ToString::to_string);
        text.push_str(&format!("{table}\n{}\n", kept.chain(set.clone()).collect::<Vec<_>>().join("\n")));
    }
    text + "[[node]]\nname = \"other\"\nmac = \"52:54:00:00:00:0b\"\naddress = \"172.23.199.227\"\n"
}

#[test]
fn what_check_lets_through_every_reader_accepts() {
    const TEST: &str = "what_check_lets_through_every_reader_accepts";
    let Some(place) = place() else { return skip(TEST, "the packages' overlays are not in this tree") };
    let readers = Readers::here(TEST);
    let mut runner =
        if std::env::var_os("RANDOM_VALUES").is_some() { TestRunner::default() } else { TestRunner::deterministic() };
    let keys = shipped_keys();
    let there = FIELDS.iter().filter(|field| keys.contains(&(field.table.to_owned(), field.key.to_owned())));

    let mut accepted: Vec<(&Field, Vec<String>)> = Vec::new();
    for field in there {
        let strategy = near(field.seeds);
        let mut values: Vec<String> = field.seeds.iter().map(ToString::to_string).collect();
        values.extend((0..VALUES).map(|_| strategy.new_tree(&mut runner).unwrap().current()));
        values.retain(|value| {
            let line = field.line.replace('@', &literal(value));
            let mut tables = BTreeMap::from([(field.table, vec![line])]);
            let besides = field.besides.lines().filter(|line| !line.starts_with('[')).map(ToOwned::to_owned);
            tables.entry(field.table).or_default().extend(besides);
            place.write("etc/voidclust.conf", site(&tables));
            let ran = place.run(&["check"]);
            assert!(matches!(ran.status, 0 | 1), "{value:?}: {}", ran.err);
            ran.status == 0
        });
        assert!(!values.is_empty(), "no value of `{}` is accepted", field.key);
        accepted.push((field, values));
    }

    let rounds = accepted.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let (mut rendered, mut refused) = (0, Vec::new());
    for round in 0..rounds {
        // All keys at once where they agree; else a part of them, and in the first round each alone.
        for parts in [1, 4, accepted.len()].into_iter().take(if round == 0 { 3 } else { 2 }) {
            let mut agree = true;
            for part in 0..parts {
                let text = site(&settings(&accepted, round, |index| index % parts == part));
                place.write("etc/voidclust.conf", &text);
                if place.run(&["check"]).status == 0 {
                    place.run(&["apply"]).ended(0);
                    readers.read(&place, &text);
                    rendered += 1;
                } else {
                    refused.push(text);
                    agree = false;
                }
            }
            if agree && round > 0 {
                break;
            }
        }
    }
    assert!(rendered > rounds, "only {rendered} of {} sites could be rendered: {refused:#?}", rendered + refused.len());
}

/// The lines of each table: those keys that are `wanted`, with the value whose turn it is.
fn settings<'key>(
    accepted: &[(&Field, Vec<String>)],
    round: usize,
    wanted: impl Fn(usize) -> bool,
) -> BTreeMap<&'key str, Vec<String>> {
    let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (_, (field, values)) in accepted.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let set = tables.entry(field.table).or_default();
        if !set.iter().any(|line| line.split(" = ").next() == Some(field.key)) {
            set.push(field.line.replace('@', &literal(&values[round % values.len()])));
            let besides = field.besides.lines().filter(|line| !line.starts_with('['));
            let missing = besides.filter(|line| !set.iter().any(|own| own.split(" = ").next() == line.split(" = ").next()));
            let missing: Vec<String> = missing.map(ToOwned::to_owned).collect();
            set.extend(missing);
        }
    }
    tables
}

/// The programs that read what we render, as far as they are here.
struct Readers {
    dnsmasq: bool,
    grub: bool,
    findmnt: bool,
    shells: Vec<&'static str>,
}

impl Readers {
    fn here(test: &str) -> Self {
        let is_here = |name: &str| {
            let here = there_is(name);
            if !here {
                skip(test, &format!("{name} is not installed"));
            }
            here
        };
        let shells = ["dash", "bash"].into_iter().filter(|shell| is_here(shell)).collect();
        Self { dnsmasq: is_here("dnsmasq"), grub: is_here("grub-script-check"), findmnt: is_here("findmnt"), shells }
    }

    fn read(&self, place: &Place, site: &str) {
        let tree = place.tree();
        for (path, at) in tree.keys().filter_map(|path| Some((path, path.strip_prefix("srv/tftp/")?))) {
            if at.starts_with("grub/grub.cfg") && self.grub {
                accepts(program("grub-script-check").arg(place.at(path)), path, site);
            }
            if at.starts_with("pxelinux.cfg/") {
                pxelinux(&place.read(path), site);
            }
        }
        for archive in tree.keys().filter(|path| path.ends_with(".tar")) {
            let into = Place::empty();
            accepts(program("tar").arg("-xf").arg(place.at(archive)).arg("-C").arg(into.root()), archive, site);
            self.read_etc(&into, archive, site);
        }
        for file in ["etc/mkinitcpio.net.conf", "etc/mkinitcpio.conf.d/voidclust.conf"] {
            if self.shells.contains(&"bash") && place.at(file).exists() {
                let mut bash = program("bash");
                bash.args(["-c", "set -eu; MODULES=(); HOOKS=(); . \"$1\"; [[ ${MODULES[*]-} != *[!a-zA-Z0-9_\\ -]* ]]", "bash"]);
                accepts(bash.arg(place.at(file)), file, site);
            }
        }
    }

    /// One machine's files.
    fn read_etc(&self, etc: &Place, archive: &str, site: &str) {
        let there = |file: &str| etc.at(file).is_file();
        if there("dnsmasq.conf") && self.dnsmasq {
            etc.write("none/x.conf", "");
            let mut text = etc.read("dnsmasq.conf").replace("/etc/dnsmasq.d", &etc.at("none").display().to_string());
            // It tests no file of hosts, whose lines are arguments of this option.
            if there("dnsmasq.hosts") {
                let hosts = etc.read("dnsmasq.hosts");
                let lines = hosts.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
                text.push_str(&lines.map(|line| format!("dhcp-host={line}\n")).collect::<String>());
                text = text.replace("dhcp-hostsfile=", "#");
            }
            hosts_have_names(&text, site);
            etc.write("tested.conf", text);
            accepts(tool("dnsmasq").args(["--test", "-C"]).arg(etc.at("tested.conf")), archive, site);
        }
        if there("fstab") {
            fstab(&etc.read("fstab"), site);
            if self.findmnt {
                let mut findmnt = tool("findmnt");
                findmnt.arg("--tab-file").arg(etc.at("fstab")).args(["-l", "-n", "-o", "TARGET,SOURCE,FSTYPE,OPTIONS"]);
                let listed = accepts(&mut findmnt, archive, site);
                let lines = etc.read("fstab").lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
                assert_eq!(listed.lines().count(), lines, "{listed}\n{site}");
            }
        }
        if there("exports.d/voidclust.exports") {
            exports(&etc.read("exports.d/voidclust.exports"), site);
        }
        for script in ["rc.local", "runit/voidclust-master", "sv/nfs-server/conf", "sv/netmount/conf", "sv/dnsmasq/conf"] {
            for shell in self.shells.iter().filter(|_| there(script)) {
                accepts(program(shell).arg("-n").arg(etc.at(script)), script, site);
            }
        }
        for conf in ["sv/nfs-server/conf", "sv/netmount/conf"].into_iter().filter(|conf| there(conf)) {
            // It sets variables, and does nothing else.
            let said = accepts(program("sh").args(["-euc", "PATH=; . \"$1\"", "sh"]).arg(etc.at(conf)), conf, site);
            assert_eq!(said, "", "{conf}\n{site}");
        }
        if there("hosts") {
            for line in etc.read("hosts").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
                let mut fields = line.split_whitespace();
                let address = fields.next().unwrap_or_default();
                assert!(address.parse::<std::net::IpAddr>().is_ok(), "{line}\n{site}");
                let own = address.starts_with("127.0.0.") || address == "::1";
                assert!(fields.clone().count() > 0 && fields.all(|name| own || !name.starts_with("localhost")), "{line}\n{site}");
            }
        }
        if there("modules-load.d/voidclust.conf") {
            let modules = etc.read("modules-load.d/voidclust.conf");
            let named =
                |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with(|c: char| c.is_ascii_alphanumeric());
            assert!(modules.lines().all(named), "{modules}\n{site}");
        }
    }
}

/// Insists that a program finds nothing wrong; returns what it printed.
#[track_caller]
fn accepts(command: &mut std::process::Command, what: &str, site: &str) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}{}\n{site}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The last word of each dhcp-host is a name, not a lease time or a keyword (dnsmasq(8)).
fn hosts_have_names(text: &str, site: &str) {
    for host in text.lines().filter_map(|line| line.strip_prefix("dhcp-host=")) {
        let name = host.rsplit(',').next().unwrap_or_default();
        let (number, unit) = name.split_at(name.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
        let time =
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && matches!(unit, "" | "s" | "m" | "h" | "d" | "w");
        assert!(!time && !["infinite", "ignore"].contains(&name) && !name.contains([':', '.']), "{host}\n{site}");
        assert!(host.len() < 1000, "dnsmasq reads lines of 1,024 bytes: {host}");
    }
}

/// What PXELINUX makes of a line (syslinux, com32/elflink/ldlinux: readconfig.c, kernel.c).
fn pxelinux(text: &str, site: &str) {
    let keywords =
        ["DEFAULT", "PROMPT", "SYSAPPEND", "UI", "TIMEOUT", "LABEL", "MENU", "KERNEL", "INITRD", "APPEND", "SAY", "LOCALBOOT"];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        assert!(keywords.contains(&word) && line.len() < 4096, "{line}\n{site}");
        assert!(word != "APPEND" || (rest.starts_with("nfsroot=") && !rest.contains("initrd=")), "{line}\n{site}");
        assert!(word != "TIMEOUT" || rest.parse::<u32>().is_ok_and(|tenths| tenths <= 35996), "{line}\n{site}");
    }
}

/// Six fields, a device, a path and a type (fstab(5)).
fn fstab(text: &str, site: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert!(fields.len() == 6 && !line.contains(['\\', '#', '"', '\'']), "{line}\n{site}");
        assert!(fields[1].starts_with('/') || fields[1] == "none", "{line}\n{site}");
        assert!(!["swap", "ignore"].contains(&fields[2]) && fields.iter().all(|field| !field.starts_with('-')), "{line}\n{site}");
    }
}

/// A path, and clients each with options in parentheses (exports(5)).
fn exports(text: &str, site: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.split(' ');
        assert!(words.next().is_some_and(|path| path.starts_with('/')), "{line}\n{site}");
        for client in words {
            let (address, options) = client.split_once('(').unwrap_or_default();
            let (address, prefix) = address.split_once('/').unwrap_or((address, "32"));
            let sound = address.parse::<std::net::Ipv4Addr>().is_ok() && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= 32);
            assert!(sound && options.ends_with(')') && options.matches(['(', ')', ' ']).count() == 1, "{line}\n{site}");
        }
    }
}
