//! Who reads which file of /etc, and how they are told that it changed: the one place that decides it, for what `diff`
//! announces and for what `apply` does.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;

use super::{Machine, loads};
use crate::lay::{read_at_boot, reader_of};
use crate::paths;
use crate::tools::{Tool, on_path};

const DNSMASQ: &str = "dnsmasq";
const NFS: &str = "nfs-server";

/// One thing that is done for what has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// The kernel's NFS server reads its exports again; no client is interrupted.
    Exports,
    /// The kernel's NFS server runs so many threads from now on; no client is interrupted.
    Threads(u16),
    /// A service goes, which is not to run any more.
    Down(String),
    /// A service comes, which was not to run.
    Up(String),
    /// A service reads its files again; what it is doing goes on.
    Reload(String),
    /// A service starts anew.
    Restart(String),
    /// A file that is read at boot, and only then.
    Reboot(String),
}

impl fmt::Display for Telling {
    /// The command that does it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exports => write!(f, "exportfs -ra"),
            Self::Threads(threads) => write!(f, "rpc.nfsd {threads}"),
            Self::Down(service) => write!(f, "sv down {service}"),
            Self::Up(service) => write!(f, "sv up {service}"),
            Self::Reload(service) => write!(f, "sv hup {service}"),
            Self::Restart(service) => write!(f, "sv restart {service}"),
            Self::Reboot(path) => write!(f, "reboot, for {path}"),
        }
    }
}

impl Telling {
    /// The service that is told.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Exports | Self::Threads(_) => Some(NFS),
            Self::Down(service) | Self::Up(service) | Self::Reload(service) | Self::Restart(service) => Some(service),
            Self::Reboot(_) => None,
        }
    }

    /// Does it, and says what was done. What takes a reboot is left to the administrator.
    ///
    /// # Errors
    /// When the service cannot be told.
    pub fn tell(&self, machine: &Machine, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut words = Vec::new();
        let done = match self {
            Self::Reboot(_) => return Ok(()),
            Self::Exports => {
                words.extend(["exportfs", "-ra"]);
                "exports read again".to_owned()
            }
            Self::Threads(threads) if on_path("rpc.nfsd") => {
                Tool::new("rpc.nfsd").arg(threads.to_string()).output()?;
                say(&format!("the NFS server runs {threads} threads"));
                return Ok(());
            }
            Self::Threads(_) => return Self::Restart(NFS.to_owned()).tell(machine, say),
            Self::Down(service) => {
                words.extend(["sv", "down", service]);
                format!("stopped {service}")
            }
            Self::Up(service) => {
                words.extend(["sv", "up", service]);
                format!("started {service}")
            }
            Self::Reload(service) => {
                words.extend(["sv", "hup", service]);
                format!("reloaded {service}")
            }
            Self::Restart(service) => {
                let broken = if service == DNSMASQ { loads::in_progress(machine)? } else { 0 };
                words.extend(["sv", "restart", service]);
                match broken {
                    0 => format!("restarted {service}"),
                    _ => format!("restarted {service}; {broken} loads by TFTP were broken off: start again what hangs now"),
                }
            }
        };
        Tool::new(words[0]).args(words[1..].iter().copied()).output()?;
        say(&done);
        Ok(())
    }
}

/// What a file of /etc holds, by its path there; `None` when it is not there.
pub type Text<'text> = &'text dyn Fn(&str) -> Option<String>;

/// The file that sets how many threads the NFS server has.
pub const THREADS: &str = "sv/nfs-server/conf";

/// What is to be told after files of /etc have `changed`, whether they are new, other, or gone, from what they are `before`
/// ([`THREADS`] is asked for, no other) to what they are `after`. A service that an earlier run has `missed` starts anew, for nobody knows any more what it has not read.
/// Services that do not run are not told, nor those that have just been enabled: they start by themselves.
#[must_use]
pub fn decide(
    machine: &Machine,
    changed: &BTreeSet<String>,
    missed: &BTreeSet<String>,
    before: Text<'_>,
    after: Text<'_>,
) -> BTreeSet<Telling> {
    let runs = |service: &str| {
        let is_new = changed.contains(&format!("runit/runsvdir/default/{service}"));
        !is_new && machine.path(&format!("{}/{service}", paths::RUNNING_SERVICES)).exists()
    };
    // To restart it would be to start it.
    let is_down = |service: &str| after(&down(service)).is_some();
    let told = changed.iter().filter_map(|path| Some((reader_of(path)?, path)));
    let told = told.filter(|(service, path)| runs(service) && (!is_down(service) || **path == down(service)));
    let mut told: BTreeSet<Telling> = told.filter_map(|(service, path)| telling(service, path, before, after)).collect();
    let anew =
        |service: &String| if is_down(service) { Telling::Down(service.clone()) } else { Telling::Restart(service.clone()) };
    told.extend(missed.iter().filter(|service| runs(service)).map(anew));
    // Who starts anew reads everything; who goes, nothing.
    let whole = told.iter().filter(|told| matches!(told, Telling::Restart(_) | Telling::Down(_)));
    let whole: BTreeSet<String> = whole.filter_map(|told| told.service().map(ToOwned::to_owned)).collect();
    let goes: BTreeSet<String> =
        whole.iter().filter(|service| told.contains(&Telling::Down((*service).clone()))).cloned().collect();
    told.retain(|told| match told {
        Telling::Exports | Telling::Down(_) | Telling::Reboot(_) => true,
        Telling::Restart(service) => !goes.contains(service),
        _ => !told.service().is_some_and(|service| whole.contains(service)),
    });
    told.extend(changed.iter().filter_map(|path| read_at_boot(path)).map(Telling::Reboot));
    told
}

/// Those services without which no node boots that do not run.
///
/// # Errors
/// When what the supervisor tells cannot be read.
pub fn not_running(machine: &Machine) -> Result<Vec<&'static str>> {
    let mut down = Vec::new();
    for service in [DNSMASQ, NFS] {
        let mut state = None;
        for place in paths::supervised(service) {
            state = state.or(machine.text(&place)?);
        }
        if state.is_none_or(|state| state.trim() != "run") {
            down.push(service);
        }
    }
    Ok(down)
}

/// The file of /etc that keeps a service from running.
fn down(service: &str) -> String {
    format!("sv/{service}/down")
}

/// What a service is told that reads a file, if it is told anything.
fn telling(service: &str, path: &str, before: Text<'_>, after: Text<'_>) -> Option<Telling> {
    let owned = service.to_owned();
    if path == down(service) {
        return Some(if after(path).is_some() { Telling::Down(owned) } else { Telling::Up(owned) });
    }
    match path.split('/').next().unwrap_or_default() {
        "exports" | "exports.d" => Some(Telling::Exports),
        // Read only for its names, and nobody is told names when DNS is off.
        "hosts" if after("dnsmasq.conf").is_some_and(|conf| conf.lines().any(|line| line.trim() == "port=0")) => None,
        "hosts" | "ethers" | "dnsmasq.hosts" => Some(Telling::Reload(owned)),
        "ssh" if path.starts_with("ssh/ssh_config") => None,
        _ if path == THREADS => {
            let ((old, _), (new, threads)) = (threads(before(path)), threads(after(path)));
            Some(threads.filter(|_| old == new).map_or(Telling::Restart(owned), Telling::Threads))
        }
        _ => Some(Telling::Restart(owned)),
    }
}

/// What the configuration of the NFS server's service says but for the number of threads, and that number.
fn threads(conf: Option<String>) -> (Vec<String>, Option<u16>) {
    let mut threads = None;
    let mut others = Vec::new();
    for line in conf.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("PROCESSES=") {
            Some(number) => threads = number.parse().ok(),
            None => others.push(line.to_owned()),
        }
    }
    (others, threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    /// What is told of these changes on a machine that runs these services.
    fn told(changed: &[&str], missed: &[&str], files: &[(&str, &str)]) -> Vec<String> {
        let services = ["dnsmasq", "nfs-server", "acpid"].map(|name| format!("{}/{name}/run", paths::RUNNING_SERVICES));
        let mut here = vec![(paths::MOUNTS, "")];
        here.extend(services.iter().map(|path| (path.as_str(), "")));
        let (_dir, machine) = machine(&here);
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let after = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let before = |_: &str| Some("PROCESSES=8\nOWN=1\n".to_owned());
        decide(&machine, &owned(changed), &owned(missed), &before, &after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_file_is_told_by_what_is_enough_for_it() {
        let threads = ("sv/nfs-server/conf", "# ours\nOWN=1\n\nPROCESSES=64\n");
        let other = ("sv/nfs-server/conf", "PROCESSES=64\nLEASE=9\n");
        let (no_dns, dns) = (("dnsmasq.conf", "x\nport=0\n"), ("dnsmasq.conf", "# port=0\n"));
        for (changed, files, want) in [
            (&["exports.d/voidclust.exports"][..], &[][..], &["exportfs -ra"][..]),
            (&["sv/nfs-server/conf"], &[threads], &["rpc.nfsd 64"]),
            (&["sv/nfs-server/conf"], &[other], &["sv restart nfs-server"]),
            (&["sv/nfs-server/conf", "exports", "nfs.conf"], &[threads], &["exportfs -ra", "sv restart nfs-server"]),
            (&["hosts"], &[dns], &["sv hup dnsmasq"]),
            (&["hosts"], &[no_dns], &[]),
            (&["hosts", "dnsmasq.hosts"], &[no_dns], &["sv hup dnsmasq"]),
            (&["dnsmasq.hosts", "dnsmasq.conf"], &[no_dns], &["sv restart dnsmasq"]),
            (&["dnsmasq.d/x.conf"], &[], &["sv restart dnsmasq"]),
            (&["sv/acpid/down"], &[("sv/acpid/down", "")], &["sv down acpid"]),
            (&["sv/acpid/down", "sv/acpid/run"], &[("sv/acpid/down", "")], &["sv down acpid"]),
            (&["sv/acpid/down"], &[], &["sv up acpid"]),
            (&["sv/acpid/run"], &[("sv/acpid/down", "")], &[]),
            (&["dnsmasq.conf", "dnsmasq.hosts"], &[("sv/dnsmasq/down", "")], &[]),
            (&["ssh/sshd_config", "motd"], &[], &[]),
            (&["dnsmasq.conf", "runit/runsvdir/default/dnsmasq"], &[], &[]),
        ] {
            assert_eq!(told(changed, &[], files), want, "{changed:?}");
        }
    }

    #[test]
    fn what_is_read_at_boot_only_takes_a_reboot() {
        let changed = [
            "rc.local",
            "hostname",
            "runit/core-services/09-x.sh",
            "runit/voidclust-master",
            "udev",
            "udev/rules.d/x",
            "rc.localx",
            "runit",
        ];
        let want = ["hostname", "rc.local", "runit/core-services", "runit/voidclust-master", "udev"];
        assert_eq!(told(&changed, &[], &[]), want.map(|path| format!("reboot, for {path}")));
    }

    #[test]
    fn who_was_missed_starts_anew() {
        assert_eq!(told(&["dnsmasq.hosts"], &["dnsmasq", "sshd"], &[]), ["sv restart dnsmasq"]);
        assert_eq!(told(&[], &["nfs-server"], &[]), ["sv restart nfs-server"]);
        // Who was to go would come.
        assert_eq!(told(&[], &["acpid"], &[("sv/acpid/down", "")]), ["sv down acpid"]);
    }
}
