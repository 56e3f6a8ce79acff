//! What the boot server is sending at this moment.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Machine;
use crate::paths;

/// The ports on which dnsmasq listens: DNS, DHCP, TFTP, proxy DHCP. For each load by TFTP it opens one more socket.
const LISTENING: &[u16] = &[53, 67, 68, 69, 547, 4011];

/// How many loads by TFTP a restart of dnsmasq would break off. 0 when that cannot be known.
///
/// # Errors
/// When the machine's table of sockets is there and cannot be read.
pub fn in_progress(machine: &Machine) -> Result<usize> {
    let mut process = None;
    for place in paths::BOOT_SERVER {
        process = process.or(machine.text(place)?);
    }
    let Some(process) = process else { return Ok(0) };
    let folder = machine.path(&paths::open_files(process.trim()));
    let Ok(entries) = folder.read_dir() else { return Ok(0) };
    let socket = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    let sockets: BTreeSet<String> = entries.filter_map(|entry| socket(entry.ok()?)).collect();
    let table = machine.text(paths::UDP_SOCKETS)?.unwrap_or_default();
    Ok(table.lines().filter(|line| is_load(line, &sockets)).count())
}

/// `SLOT ADDRESS:PORT …`, in hexadecimal digits, with the socket's inode as the tenth field, as proc(5) has it. The sockets
/// of DNS queries have no address of their own.
fn is_load(line: &str, sockets: &BTreeSet<String>) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (Some(local), Some(inode)) = (fields.get(1), fields.get(9)) else { return false };
    let Some((address, port)) = local.split_once(':') else { return false };
    let port = u16::from_str_radix(port, 16).unwrap_or(0);
    sockets.contains(*inode) && address != "00000000" && port != 0 && !LISTENING.contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_socket_beside_those_that_listen_is_a_load() {
        let line = |port: u16, address: &str, inode: &str| {
            format!(" 1: {address}:{port:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 {inode} 2 0 0\n")
        };
        let mine = "E1C717AC";
        let table = ["sl local_address\n".to_owned(), line(69, mine, "10"), line(40000, mine, "11"), line(40001, mine, "99")]
            .concat()
            + &line(50000, "00000000", "12");
        let (dir, machine) = machine(&[
            (paths::MOUNTS, ""),
            ("run/runit/supervise.dnsmasq/pid", "7\n"),
            ("proc/7/fd/x", ""),
            ("proc/net/udp", &table),
        ]);
        for inode in ["10", "11", "12"] {
            symlink(format!("socket:[{inode}]"), dir.path().join(format!("proc/7/fd/{inode}"))).unwrap();
        }
        assert_eq!(in_progress(&machine).unwrap(), 1);
    }
}
