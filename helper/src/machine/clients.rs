//! The clients of this machine's NFS server, as the kernel lists them.

use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

use super::Machine;
use crate::paths;

/// What the kernel takes for a lease when nobody says otherwise, in seconds.
const LEASE: u64 = 90;

/// A client of the NFS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address, without the port.
    pub address: String,
    /// What it calls itself.
    pub name: String,
    /// The kernel that it says it runs; clients older than NFS 4.1 do not.
    pub kernel: Option<String>,
    /// When the server came to know it, in seconds since 1970: when it booted, or when the server did after it.
    pub since: u64,
    /// How many seconds ago it spoke last; kernels before 5.12 do not tell.
    pub renewed: Option<u64>,
    /// Whether the server has given it up and keeps its files out of courtesy.
    pub is_given_up: bool,
    /// The files that it has open, as the kernel has them.
    pub states: String,
}

impl Client {
    /// The part of its name that is its own: of nodes the md5 of their boot card's address. It stands before the name that
    /// the machine had when it mounted: `Linux NFSv4.2 IDENTIFIER/(none)`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(before, _)| before.rsplit(' ').next().unwrap_or_default())
    }
}

/// All clients; none where no server runs.
///
/// # Errors
/// When the server cannot be asked.
pub fn list(machine: &Machine) -> Result<Vec<Client>> {
    let folder = machine.path(paths::NFS_CLIENTS);
    let cannot = || format!("{}: cannot list", folder.display());
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(cannot)?,
    };
    let mut clients = Vec::new();
    for entry in entries {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name();
        let file = |file: &str| machine.text(&format!("{}/{}/{file}", paths::NFS_CLIENTS, name.to_string_lossy()));
        // One that has just gone uses nothing.
        let (Some(info), Some(states)) = (file("info")?, file("states")?) else { continue };
        let made = entry.metadata().and_then(|stat| stat.modified()).ok();
        let since = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
        clients.push(client(&info, states, since));
    }
    Ok(clients)
}

/// For how many seconds the server waits for a client that does not speak.
///
/// # Errors
/// When the server tells it and it cannot be read.
pub fn lease(machine: &Machine) -> Result<u64> {
    Ok(machine.text(paths::NFS_LEASE)?.and_then(|text| text.trim().parse().ok()).unwrap_or(LEASE))
}

fn client(info: &str, states: String, since: u64) -> Client {
    let address = value(info, "address").unwrap_or_default();
    let address = address.rsplit_once(':').map_or(address, |(address, _)| address).to_owned();
    // sysname, release, version, machine: as uname(1) has them.
    let kernel = value(info, "Implementation name").and_then(|name| name.strip_prefix("Linux ")?.split(' ').next());
    let line = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    Client {
        address,
        name: value(info, "name").unwrap_or_default().to_owned(),
        kernel: kernel.map(ToOwned::to_owned),
        since,
        renewed: line("seconds from last renew:").and_then(|seconds| seconds.parse().ok()),
        is_given_up: matches!(line("status:"), Some("courtesy" | "expirable")),
        states,
    }
}

/// The text between the quotes behind a key.
#[must_use]
pub fn value<'text>(text: &'text str, key: &str) -> Option<&'text str> {
    let (_, rest) = text.split_once(&format!("{key}: \""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    #[test]
    fn a_client_tells_who_it_is_and_what_it_runs() {
        let info = "clientid: 0x5f3\naddress: \"172.23.199.226:920\"\nstatus: courtesy\nseconds from last renew: 131\n\
            name: \"Linux NFSv4.2 0123abcd/(none)\"\nminor version: 2\nImplementation domain: \"kernel.org\"\n\
            Implementation name: \"Linux 6.12.94_1 #1 SMP PREEMPT_DYNAMIC x86_64\"\nImplementation time: [0, 0]\n";
        let client = client(info, String::new(), 7);
        assert_eq!((client.address.as_str(), client.identifier()), ("172.23.199.226", "0123abcd"));
        assert_eq!(client.kernel.as_deref(), Some("6.12.94_1"));
        assert_eq!((client.renewed, client.is_given_up, client.since), (Some(131), true, 7));
    }

    #[test]
    fn an_old_client_tells_less_and_no_server_has_none() {
        let client = client("address: \"[fd00::7]:920\"\nstatus: confirmed\nname: \"n2\"\n", String::new(), 0);
        assert_eq!((client.address.as_str(), client.identifier(), client.kernel.as_deref()), ("[fd00::7]", "", None));
        assert_eq!((client.renewed, client.is_given_up), (None, false));
        let (_dir, machine) = machine(&[(paths::MOUNTS, "")]);
        assert_eq!((list(&machine).unwrap(), lease(&machine).unwrap()), (Vec::new(), 90));
    }
}
