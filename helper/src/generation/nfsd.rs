//! Who uses which generation, as the NFS server tells.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::disk::generations::load;
use crate::disk::root::Root;
use crate::machine::Machine;
use crate::machine::clients::{self, value};
use crate::paths;
use crate::types::generation::{Generations, Number, Storage};
use crate::types::whole_number;

/// A client of the NFS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Its address.
    pub address: String,
    /// What it calls itself.
    pub name: String,
    /// Whether it is known to use the generation; else nothing is known of it, and it may use any.
    pub certain: bool,
}

/// The clients of the server, each with the generations that it is known to use.
///
/// # Errors
/// When the server cannot be asked, or a record cannot be understood.
pub fn clients(machine: &Machine, root: &Root) -> Result<Vec<(clients::Client, BTreeSet<Number>)>> {
    let devices = devices(machine, &load(root)?);
    let known = clients::list(machine)?.into_iter().map(|client| {
        let numbers = numbers(&client.states, &devices);
        (client, numbers)
    });
    Ok(known.collect())
}

/// Who uses which generation. A client of which nothing can be told counts for all.
///
/// # Errors
/// When the server cannot be asked, or a record cannot be understood.
pub fn in_use(machine: &Machine, root: &Root) -> Result<BTreeMap<Number, Vec<Client>>> {
    let generations = load(root)?;
    let mut used: BTreeMap<Number, Vec<Client>> = BTreeMap::new();
    for (clients::Client { address, name, .. }, numbers) in clients(machine, root)? {
        let certain = !numbers.is_empty();
        let numbers = if certain { numbers } else { generations.made.keys().copied().collect() };
        for number in numbers {
            used.entry(number).or_default().push(Client { address: address.clone(), name: name.clone(), certain });
        }
    }
    used.values_mut().for_each(|clients| clients.sort());
    Ok(used)
}

/// The generations that have a file system of their own, by its device.
fn devices(machine: &Machine, generations: &Generations) -> BTreeMap<(u64, u64), Number> {
    let device = |text: &str| {
        let (major, minor) = text.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let sets = generations.made.values().filter_map(|made| match &made.storage {
        Storage::Zfs(set) => Some((set, made.number)),
        _ => None,
    });
    let mounted = sets.flat_map(|(set, number)| {
        let mounts = machine.mounts();
        let mounts = mounts.all().filter(move |mount| mount.source == *set && mounts.is_visible(mount));
        mounts.filter_map(move |mount| Some((device(&mount.device)?, number)))
    });
    mounted.collect()
}

/// The generations that a client has files of.
fn numbers(states: &str, devices: &BTreeMap<(u64, u64), Number>) -> BTreeSet<Number> {
    let of = |line: &str| {
        let marked = value(line, "filename").and_then(|name| {
            let (_, last) = name.rsplit_once('/').unwrap_or(("", name));
            last.strip_prefix(paths::GENERATION_MARKER).and_then(whole_number)
        });
        marked.or_else(|| {
            let mut device = value(line, "superblock")?.split(':').map(|part| u64::from_str_radix(part, 16).ok());
            devices.get(&(device.next()??, device.next()??)).copied()
        })
    };
    states.lines().filter_map(of).collect()
}

/// The generations that nothing needs: no menu or wish names them, nobody uses them, and `keep` newer ones are there.
#[must_use]
pub fn superfluous(
    generations: &Generations,
    named: &BTreeSet<Number>,
    used: &BTreeMap<Number, Vec<Client>>,
    keep: usize,
) -> Vec<Number> {
    let old = generations.made.keys().rev().skip(keep.max(1));
    let mut numbers: Vec<_> = old.copied().filter(|number| !named.contains(number) && !used.contains_key(number)).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::lock::Lock;
    use crate::machine::tests::machine;
    use crate::types::generation::Generation;

    fn generation(number: Number) -> Generation {
        Generation { number, made: 0, text: String::new(), storage: Storage::Copy, kernels: Vec::new() }
    }

    fn generations(count: Number) -> Generations {
        Generations { made: (1..=count).map(|number| (number, generation(number))).collect(), ..Generations::default() }
    }

    #[test]
    fn the_server_tells_who_uses_what() {
        let info = |address: &str, name: &str| {
            format!("clientid: 0x5f3\naddress: \"{address}\"\nstatus: confirmed\nname: \"{name}\"\nminor version: 2\n")
        };
        let open = |superblock: &str, filename: &str| {
            format!(
                "- 0x00000001aab0066bb5b13e932f620200: {{ type: open, access: r-, deny: --, superblock: \"{superblock}\", \
                 filename: \"{filename}\", owner: \"open id:x\" }}\n"
            )
        };
        let mounts = "30 1 0:30 / / rw - overlay overlay rw\n31 30 0:38 / /srv/nfs/root/2 ro - zfs z/voidclust/r/2 ro\n";
        let (dir, machine) = machine(&[
            (paths::MOUNTS, mounts),
            ("proc/fs/nfsd/clients/1/info", &info("172.23.199.226:920", "Linux NFSv4.2 a/n1")),
            ("proc/fs/nfsd/clients/1/states", &(open("fe:00:2", "bin/bash") + &open("fe:00:280801", "1/.generation-1"))),
            ("proc/fs/nfsd/clients/2/info", &info("[fd00::7]:920", "n2")),
            ("proc/fs/nfsd/clients/2/states", &open("00:26:15460", "bin/perl")),
            ("proc/fs/nfsd/clients/3/info", &info("172.23.199.228:1", "n3")),
            ("proc/fs/nfsd/clients/3/states", ""),
            ("proc/fs/nfsd/clients/4/info", &info("gone", "n4")),
        ]);
        let root = Root::open(dir.path()).unwrap();
        let lock = Lock::take(&root).unwrap();
        lock.record_generation(&generation(1)).unwrap();
        lock.record_generation(&Generation { storage: Storage::Zfs("z/voidclust/r/2".to_owned()), ..generation(2) }).unwrap();
        let used = in_use(&machine, &root).unwrap();
        let told = |number| used[&number].iter().map(|client| (client.address.as_str(), client.certain)).collect::<Vec<_>>();
        assert_eq!(told(1), [("172.23.199.226", true), ("172.23.199.228", false)]);
        assert_eq!(told(2), [("172.23.199.228", false), ("[fd00::7]", true)]);
        assert_eq!((used.len(), used[&1][0].name.as_str()), (2, "Linux NFSv4.2 a/n1"));
    }

    #[test]
    fn without_a_server_nobody_uses_anything() {
        let (dir, machine) = machine(&[(paths::MOUNTS, "")]);
        assert_eq!(in_use(&machine, &Root::open(dir.path()).unwrap()).unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_is_named_used_or_new_stays() {
        let client = Client { address: String::new(), name: String::new(), certain: false };
        let used = BTreeMap::from([(3, vec![client])]);
        assert_eq!(superfluous(&generations(8), &BTreeSet::from([1]), &used, 3), [2, 4, 5]);
        assert_eq!(superfluous(&generations(2), &BTreeSet::new(), &BTreeMap::new(), 3), [0; 0]);
        assert_eq!(superfluous(&generations(2), &BTreeSet::new(), &BTreeMap::new(), 0), [1], "the newest always stays");
    }
}
