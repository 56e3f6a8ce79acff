//! Those who read what we render: the programs themselves, and where one cannot be asked, the rules of its manual.

use crate::machine::Machine;
use crate::place::{Place, program, skip, there_is, tool};

/// The programs that read what we render, as far as they are here.
pub(crate) struct Readers {
    dnsmasq: bool,
    grub: bool,
    findmnt: bool,
    shells: Vec<&'static str>,
}

impl Readers {
    pub(crate) fn here(test: &str) -> Self {
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

    pub(crate) fn read(&self, place: &Place, site: &str) {
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
        for script in
            ["rc.local", "runit/voidclust-master", "sv/nfs-server/conf", "sv/nfsdcld/conf", "sv/netmount/conf", "sv/dnsmasq/conf"]
        {
            for shell in self.shells.iter().filter(|_| there(script)) {
                accepts(program(shell).arg("-n").arg(etc.at(script)), script, site);
            }
        }
        for conf in ["sv/nfs-server/conf", "sv/netmount/conf"].into_iter().filter(|conf| there(conf)) {
            // It sets variables; for anything else it looks on the machine first.
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
    let keywords = [
        "DEFAULT",
        "PROMPT",
        "SYSAPPEND",
        "UI",
        "TIMEOUT",
        "ONTIMEOUT",
        "ONERROR",
        "LABEL",
        "MENU",
        "KERNEL",
        "INITRD",
        "APPEND",
        "SAY",
    ];
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

#[test]
fn a_service_that_is_to_stay_down_is_never_started() {
    let machine = Machine::master();
    machine.configure("1", "[master]\nservices = [\"!acpid\"]\n");
    machine.double("sv", "kill -9 $PPID; exit");
    machine.run(&["apply"]);
    machine.double("sv", "");
    machine.told();
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), ["sv down acpid"], "not a restart, which would start it");
    machine.place.write(&machine.lower("etc/overlays/52:54:00:17:c7:e1/sv/acpid/run"), "new");
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), [""; 0]);
}
