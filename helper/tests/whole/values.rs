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

use crate::place::{CRATE, Place, skip};
use crate::readers::Readers;

/// How many near-valid values are tried on each key.
const VALUES: usize = 14;

/// How often sites are put together of them.
const ROUNDS: usize = 30;

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
const ROOTS: &[&str] =
    &["172.23.199.10:/void", "10.0.0.1:/void/{generation}", "10.0.0.1:/a.b/c", "172.23.199.225:/x", "nas:/void", "10.0.0.1:/a,b"];
const WISHES: &[&str] = &["newest", "head", "1", "01", "oldest"];
const COMMAND_LINES: &[&str] = &[
    "loglevel=4 console=ttyS0,115200n8",
    "memmap=64M#1G acpi_osi=!* pci=nomsi,noaer",
    "do done if then else fi while until for in case esac function menuentry select time ! [ [[ ]] test",
    "a=(b)!~%^*?[c] + = , . - @ : /x (tftp)/y",
    "overlay.size=2g overlay.mode=0700 root_timeout=60 rescue",
    "initrd=x ip=dhcp BOOTIF=1 -- #c",
    "APPEND - LABEL x ~ $a ${b} `c`",
];
const POWER: &[&str] =
    &["ipmitool -H {vars.x} chassis power {action}", "/a/b {node} {address} {mac} {action}", "{action}", "x {"];
const OPTIONS: &[&str] =
    &["ro", "rw,nfsvers=4.2,retrans=10", "soft,x-a=b:/c%d@e+f", "ro,nfsvers=3", ",", "-o,ro", "sec=sys,proto=tcp"];
const TYPES: &[&str] = &["ext4", "nfs4", "fuse.sshfs", "auto", "none", "swap", "nfs5", "-t", "ext4,xfs", "xfs#"];
const PATHS: &[&str] = &["/home", "/data/home", "/a.b/-c/+d@e", "/srv/nfs", "/proc", "/..", "/a b", "none", "/home/$(x)"];
const DISKS: &[&str] = &["/dev/sda", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", "/dev/..", "/dev/a b", "sda", "/dev/$(x)"];
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
/// Nothing of ours reads them, so only the line is at stake.
const VARS: &[&str] = &["a1", "10.0.0.1 iburst", "a \"b\" {{ c }} 'd' $(e)", "", "a\nb"];

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
    field("[client]", "compression", "compression = @", &["zstd", "xz", "gzip"]),
    field("[client]", "overlays", "overlays = [@]", NAMES),
    field("[client]", "services", "services = [@]", SERVICES),
    field("[client]", "kernel", "kernel = @", KERNELS),
    field("[client]", "generation", "generation = @", WISHES),
    field("[client]", "mounts", "mounts = [{ device = @, path = \"/data\" }]", DEVICES),
    field("[client]", "mounts", "mounts = [{ device = \"nas:/x\", path = @ }]", PATHS),
    field("[client]", "mounts", "mounts = [{ device = \"LABEL=x\", path = \"/data\", type = @ }]", TYPES),
    field("[client]", "mounts", "mounts = [{ device = \"nas:/x\", path = \"/data\", options = @ }]", OPTIONS),
    field("[root]", "private", "private = [@]", &["/opt/*.key", "/srv/a?b", "/usr", "/*", "a", "/a/../b", "/a b", "/a\\"]),
    field("[nfs]", "root_options", "root_options = @", OPTIONS),
    field("[nfs]", "home_options", "home_options = @", OPTIONS),
    field("[nfs]", "home", "home = @", PATHS),
    field("[nfs]", "root_server", "root_server = @", ROOTS),
    field("[nfs]", "home_server", "home_server = @", DEVICES),
    Field {
        besides: "[nfs]\nhome_server = \"nas:/home\"\n",
        ..field("[nfs]", "home_type", "home_type = @", &["nfs4", "ceph", "fuse.sshfs", "swap", "none", "-t", "nfs,ext4"])
    },
    field("[nfs]", "exports", "exports = [{ path = @ }]", PATHS),
    field("[boot]", "firmware", "firmware = [@]", &["bios", "uefi"]),
    field("[power]", "command", "command = @", POWER),
    field("[boot]", "transfer", "transfer = @", &["http", "tftp"]),
    field("[vars]", "ntp_servers", "ntp_servers = [@]", VARS),
    field("[profile.p]", "overlays", "overlays = [@]", NAMES),
    field("[profile.p]", "services", "services = [@]", SERVICES),
    field("[profile.p]", "cmdline", "cmdline = @", COMMAND_LINES),
    field("[profile.p]", "modules", "modules = [@]", MODULES),
    field("[profile.p]", "kernel", "kernel = @", KERNELS),
    field("[profile.p]", "generation", "generation = @", WISHES),
    field("[profile.p]", "root_server", "root_server = @", ROOTS),
    field("[profile.p]", "mounts", "mounts = [{ device = @, path = \"/scratch\" }]", DEVICES),
    field("[profile.p]", "mounts", "mounts = [{ device = \"tmpfs\", path = @, type = \"tmpfs\" }]", PATHS),
    field("[[node]]", "name", "name = @", HOSTS),
    field("[[node]]", "mac", "mac = [@, \"52:54:00:00:01:01\"]", MACS),
    field("[[node]]", "address", "address = @", ADDRESSES),
    field("[[node]]", "profiles", "profiles = [@]", &["p", "q", "-p", "p q"]),
    field("[[node]]", "overlays", "overlays = [@]", NAMES),
    field("[[node]]", "services", "services = [@]", SERVICES),
    field("[[node]]", "cmdline", "cmdline = @", COMMAND_LINES),
    field("[[node]]", "kernel", "kernel = @", KERNELS),
    field("[[node]]", "generation", "generation = @", WISHES),
    field("[[node]]", "root_server", "root_server = @", ROOTS),
    field("[[node]]", "mounts", "mounts = [{ device = @, path = \"/own\" }]", DEVICES),
    field("[[node]]", "mounts", "mounts = [{ device = \"//nas/x\", path = \"/own\", type = @ }]", TYPES),
    field("[[node]]", "mounts", "mounts = [{ device = \"LABEL=x\", path = \"/own\", options = @ }]", OPTIONS),
    field("[[node]]", "scratch", "scratch = @", DISKS),
    field("[[node]]", "vars", "vars = { rack = @ }", VARS),
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
    let fixed: [(&str, &[&str]); 9] = [
        ("[cluster]", &["domain = \"cluster\""]),
        ("[network]", &["address = \"172.23.199.225/24\""]),
        ("[master]", &["mac = \"52:54:00:00:00:01\""]),
        ("[client]", &[]),
        ("[nfs]", &[]),
        ("[boot]", &["timeout = 4"]),
        ("[power]", &[]),
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

    // Of fields that set the same key, each round has one.
    let siblings = |(field, _): &&(&Field, Vec<String>)| same_key(&accepted, field).count();
    let rounds = accepted.iter().map(|field| field.1.len() * siblings(&field)).max().unwrap_or(0).min(ROUNDS);
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

/// The fields that set the same key.
fn same_key<'a>(accepted: &'a [(&Field, Vec<String>)], field: &'a Field) -> impl Iterator<Item = usize> + 'a {
    let same = move |other: &Field| (other.table, other.key) == (field.table, field.key);
    accepted.iter().enumerate().filter(move |(_, (other, _))| same(other)).map(|(index, _)| index)
}

/// The lines of each table: those keys that are `wanted`, with the value whose turn it is.
fn settings<'key>(
    accepted: &[(&Field, Vec<String>)],
    round: usize,
    wanted: impl Fn(usize) -> bool,
) -> BTreeMap<&'key str, Vec<String>> {
    let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (index, (field, values)) in accepted.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let siblings: Vec<usize> = same_key(accepted, field).filter(|index| wanted(*index)).collect();
        let set = tables.entry(field.table).or_default();
        if siblings[round % siblings.len()] == index {
            set.push(field.line.replace('@', &literal(&values[round / siblings.len() % values.len()])));
            let besides = field.besides.lines().filter(|line| !line.starts_with('['));
            let missing = besides.filter(|line| !set.iter().any(|own| own.split(" = ").next() == line.split(" = ").next()));
            let missing: Vec<String> = missing.map(ToOwned::to_owned).collect();
            set.extend(missing);
        }
    }
    tables
}
