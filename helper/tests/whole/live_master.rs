//! What happens to the running machine: on a master that runs from its overlay, on one that is to become one, on a client.

use crate::machine::{LOWER, Machine};

#[test]
fn apply_lays_the_masters_overlay_and_tells_each_service_what_is_enough() {
    let machine = Machine::master();
    for (change, told) in [
        // Names of a machine that answers no DNS concern nobody; the nodes' addresses and exports are read again.
        (
            "[[node]]\nname = \"n9\"\nmac = \"52:54:00:00:09:09\"\naddress = \"172.23.199.9\"\n",
            &["exportfs -ra", "sv hup dnsmasq"][..],
        ),
        ("[nfs]\nthreads = 64\n", &["rpc.nfsd 64"]),
        ("[network]\ndhcp = \"off\"\n", &["sv restart dnsmasq"]),
        ("[master]\nservices = [\"!acpid\"]\n", &["sv down acpid"]),
    ] {
        let name = told.join("-").replace(' ', "_");
        machine.configure(&name, change);
        let diff = machine.run(&["diff"]).ended(3).out;
        let announced: Vec<&str> = diff.lines().filter_map(|line| line.strip_prefix("tell: ")).collect();
        assert_eq!(announced, told, "diff: {diff}");
        let said = machine.run(&["apply"]).ended(0).out;
        assert_eq!(machine.told(), told, "{said}");
        machine.run(&["apply"]).ended(0);
        assert_eq!(machine.told(), [""; 0], "once is enough");
    }
    assert!(machine.place.read("etc/dnsmasq.hosts").contains("52:54:00:00:09:09,172.23.199.9"));
    assert_eq!(machine.place.read("etc/sv/nfs-server/conf"), "PROCESSES=64\n");
}

#[test]
fn what_the_administrator_lays_over_ours_is_announced_to_nobody() {
    let machine = Machine::master();
    machine.place.write(&machine.lower("etc/overlays/52:54:00:17:c7:e1/dnsmasq.conf"), "# mine\n");
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), ["sv restart dnsmasq"]);
    machine.configure("1", "[network]\ndhcp = \"off\"\n");
    let out = machine.run(&["diff"]).ended(3).out;
    assert!(!out.contains("tell: "), "{out}");
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), [""; 0]);
}

#[test]
fn what_the_administrator_lays_or_removes_is_known_however_the_card_is_spelled() {
    for (folder, file) in [
        ("52-54-00-17-C7-E1", "dnsmasq.conf"),
        ("52:54:00:17:c7:e1", ".wh.dnsmasq.conf"),
        // Another card of the same machine.
        ("52:54:00:17:C7:E2", "dnsmasq.conf"),
    ] {
        let machine = Machine::master();
        machine.place.write("run/voidclust/macs", "52:54:00:17:c7:e1\n52:54:00:17:c7:e2\n");
        machine.place.write(&machine.lower(&format!("etc/overlays/{folder}/{file}")), "");
        machine.run(&["apply"]).ended(0);
        machine.told();
        machine.configure("1", "[network]\ndhcp = \"off\"\n");
        let out = machine.run(&["diff"]).ended(3).out;
        assert!(!out.contains("tell: "), "{folder}/{file}: {out}");
        machine.run(&["apply"]).ended(0);
        assert_eq!(machine.told(), [""; 0], "{folder}/{file}");
    }
}

#[test]
fn a_run_that_is_killed_while_it_tells_a_service_leaves_word_of_the_reboot() {
    let machine = Machine::master();
    machine.double("sv", "kill -9 $PPID; exit");
    machine.configure("1", "[network]\ndhcp = \"off\"\n[master]\nname = \"head\"\n");
    machine.run(&["apply"]);
    machine.double("sv", "");
    machine.told();
    let out = machine.run(&["apply"]).ended(0).out;
    assert_eq!(machine.told(), ["sv restart dnsmasq"], "{out}");
    assert!(out.contains("reboot the master for: hostname"), "{out}");
}

#[test]
fn what_takes_a_reboot_is_told_until_it_comes() {
    let machine = Machine::master();
    machine.configure("1", "[nfs]\nhome = \"/data/home\"\n[master]\nname = \"head\"\n");
    let note = "note: reboot the master for: hostname, rc.local (";
    assert!(machine.run(&["diff"]).ended(3).out.contains(note));
    for arguments in [&["apply"][..], &["apply"], &["check"], &["diff"]] {
        let out = machine.run(arguments).ended(0).out;
        assert!(out.contains(note) && out.matches("reboot the master").count() == 1, "{arguments:?}: {out}");
    }
    // What the boot does to /run.
    machine.place.remove("run/voidclust/reboot");
    assert!(!machine.run(&["apply"]).ended(0).out.contains("reboot the master"));
}

#[test]
fn a_service_that_cannot_be_told_hides_nothing_else_and_is_told_by_the_next_run() {
    let machine = Machine::master();
    // mkinitcpio is there, and fails.
    machine.double("chroot", "exit 1");
    machine.double("unshare", "exit 1");
    machine.place.write(&machine.lower("usr/bin/mkinitcpio"), "");
    machine.place.write(&machine.lower("boot/vmlinuz-6.12.1_1"), "kernel");
    machine.place.write(&machine.lower("usr/lib/modules/6.12.1_1/modules.dep"), "");
    machine.configure("1", "[network]\ndhcp = \"off\"\n[nfs]\nthreads = 9\n");
    machine.double("sv", "echo no such service >&2; exit 1");
    let ran = machine.run(&["apply"]).ended(1);
    for said in ["client image of 6.12.1_1: ", "`sv restart dnsmasq` failed", "run again: voidclust apply"] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert!(ran.out.contains("note: ") && ran.out.contains("install syslinux"), "notes are told, too: {}", ran.out);
    assert_eq!(machine.told(), ["rpc.nfsd 9"]);
    machine.place.remove(&machine.lower("usr/bin/mkinitcpio"));

    machine.double("sv", "");
    // A change that would only take a reload does not make up for what was missed.
    machine.configure("2", "[[node]]\nname = \"n9\"\nmac = \"52:54:00:00:09:09\"\naddress = \"172.23.199.9\"\n");
    assert!(machine.run(&["diff"]).ended(3).out.contains("tell: sv restart dnsmasq\n"));
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), ["exportfs -ra", "sv restart dnsmasq"]);
    machine.run(&["apply"]).ended(0);
    assert_eq!(machine.told(), [""; 0]);
}

#[test]
fn a_broken_archive_of_the_site_keeps_no_service_from_being_told() {
    let machine = Machine::master();
    machine.place.write(&machine.lower("etc/overlays/52:54:00:17:c7:e1.50-site.tar"), "garbage");
    machine.configure("1", "[network]\ndhcp = \"off\"\n");
    let ran = machine.run(&["apply"]).ended(1);
    assert!(ran.err.contains("50-site.tar"), "{}", ran.err);
    assert_eq!(machine.told(), ["sv restart dnsmasq"]);
}

#[test]
fn a_pool_that_was_imported_read_only_is_told_by_check() {
    let machine = Machine::master();
    let table = "30 1 0:30 / / rw - overlay overlay rw\n23 30 0:24 / /run/rootfs/lower ro - zfs zroot/ROOT/void ro,xattr\n";
    machine.place.write("proc/self/mountinfo", table);
    machine.place.write("proc/cmdline", "root=zfs:zroot/ROOT/void ro quiet\n");
    let out = machine.run(&["check"]).ended(0).out;
    assert!(out.contains("cannot be written; `ro` on the kernel's command line makes ZFS import the pool read-only"), "{out}");
}

#[test]
fn what_is_removed_from_memory_only_leaves_the_disk_alone() {
    let machine = Machine::master();
    let before = machine.place.tree();
    for (hook, command) in [
        (&["hook", "remove"][..], "xbps-remove cluster-master"),
        (&["hook", "kernel-remove", "6.12.9_1"], "vkpurge rm 6.12.9_1"),
        (&["hook", "kernel-install", "6.12.9_1"], "xbps-install linux6.12"),
    ] {
        let ran = machine.run(hook).ended(0);
        assert!(ran.out.ends_with(&format!("to keep it: voidclust shell -- {command}\n")), "{}", ran.out);
    }
    let lower = |tree: std::collections::BTreeMap<String, crate::place::Stands>| {
        tree.into_iter().filter(|(path, _)| path.starts_with(LOWER)).collect::<Vec<_>>()
    };
    assert_eq!(lower(machine.place.tree()), lower(before));
}

#[test]
fn a_machine_whose_overlay_is_gone_keeps_what_it_has() {
    let machine = Machine::master();
    machine.place.remove(&machine.lower("var/lib/voidclust/nodes/52:54:00:17:c7:e1.00-voidclust.tar"));
    let ran = machine.run(&["hook", "live"]).ended(0);
    assert!(ran.out.contains("it keeps what it has until it reboots"), "{}", ran.out);
    assert_eq!(machine.place.read("etc/hostname"), "master.cluster\n");
}

#[test]
fn file_systems_that_clients_do_not_see_are_told() {
    let machine = Machine::master();
    machine.mounts(
        "40 30 8:2 / /opt rw - xfs /dev/sda2 rw\n41 40 8:3 / /opt/deep rw - xfs /dev/sda3 rw\n\
         42 30 0:41 / /var rw - tmpfs none rw\n43 30 0:42 / /tmp rw - tmpfs none rw\n44 30 0:43 / /net rw - nfs4 nas:/x rw\n\
         45 30 8:5 / /home rw - ext4 /dev/sda5 rw\n46 30 8:6 / /boot/efi rw - vfat /dev/sda6 rw\n\
         47 30 8:7 / /both rw - xfs /dev/sda7 rw\n48 23 8:7 / /run/rootfs/lower/both rw - xfs /dev/sda7 rw\n\
         49 23 0:41 / /run/rootfs/lower/var rw - tmpfs none rw\n",
    );
    let out = machine.run(&["check"]).ended(0).out;
    let told: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("note: /")?.split(':').next()).collect();
    assert_eq!(told, ["opt", "opt/deep"], "{out}");
}

#[test]
fn what_would_not_be_served_or_read_is_refused_until_it_is() {
    let machine = Machine::master();
    for (point, line) in [
        ("/srv", "40 30 8:2 / /srv rw - xfs /dev/sda2 rw\n"),
        ("/srv/tftp", "40 30 8:2 / /srv/tftp rw - xfs /dev/sda2 rw\n"),
        ("/boot", "40 30 8:2 / /boot rw - ext4 /dev/sda2 rw\n"),
        ("/var", "40 30 8:2 / /var rw - xfs /dev/sda2 rw\n"),
        // Of the lower tree we would read what the administrator no longer sees.
        ("/etc/voidclust", "40 30 8:2 / /etc/voidclust rw - xfs /dev/sda2 rw\n"),
        ("/etc/voidclust.d", "40 30 8:2 / /etc/voidclust.d rw - xfs /dev/sda2 rw\n"),
        ("/etc/voidclust/overlays/client", "40 30 8:2 / /etc/voidclust/overlays/client rw - xfs /dev/sda2 rw\n"),
        ("/run/rootfs/lower/srv", "40 23 8:2 / /run/rootfs/lower/srv rw - xfs /dev/sda2 rw\n"),
    ] {
        machine.mounts(line);
        let before = machine.place.tree();
        for command in [&["check"][..], &["diff"], &["apply"], &["image", "prune"]] {
            let ran = machine.run(command).ended(1);
            let message = format!("{point}: a file system of its own");
            assert!(ran.err.contains(&message) && ran.err.contains("mount --rbind"), "{command:?}: {}", ran.err);
        }
        assert_eq!(machine.place.tree(), before);
    }
    machine.mounts("40 30 8:2 / /srv rw - xfs /dev/sda2 rw\n41 23 8:2 / /run/rootfs/lower/srv rw - xfs /dev/sda2 rw\n");
    machine.run(&["apply"]).ended(0);
}

#[test]
fn a_machine_that_is_to_become_the_master_is_told_what_will_hide_our_files() {
    let machine = Machine::plain();
    machine.place.write(
        "proc/self/mountinfo",
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /srv rw - xfs /dev/sda2 rw\n3 1 8:3 / /boot rw - ext4 /dev/sda3 rw\n",
    );
    let out = machine.run(&["apply"]).ended(0).out;
    assert!(out.contains("etc/fstab: /srv /run/rootfs/lower/srv none rbind,X-mount.mkdir 0 0\n"), "{out}");
    assert!(!out.contains("note: /boot:") && out.contains("note: this machine does not run from its overlay yet"), "{out}");
}

#[test]
fn the_card_and_the_interface_are_those_of_this_machine() {
    let machine = Machine::plain();
    let check = |text: &str| {
        machine.place.write("etc/voidclust.d/1.conf", text);
        machine.run(&["check"])
    };
    let ran = check("[master]\nmac = \"52:54:00:17:c7:1e\"\n").ended(1);
    for said in ["1.conf:2:7: this machine has no network card with the MAC 52:54:00:17:c7:1e", "\"52:54:00:17:c7:e1\" (eth0)"] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    let ran = check("[network]\ninterface = \"eth7\"\n").ended(1);
    assert!(
        ran.err.contains("this machine has no network interface `eth7`") && ran.err.ends_with("\n1 problem\n"),
        "{}",
        ran.err
    );
    // A bridge is one, though it is no card.
    machine.place.write("sys/class/net/br0/address", "52:54:00:17:c7:e1\n");
    let ran = check("[network]\ninterface = \"br0\"\n").ended(0);
    assert!(ran.out.contains("note: 172.23.199.225 is an address of eth0, not of `interface` br0"), "{}", ran.out);
    let ran = check("[network]\naddress = \"172.23.199.224/24\"\n").ended(0);
    assert!(ran.out.contains("does not have the address 172.23.199.224 yet; give it to eth0"), "{}", ran.out);
    // In two networks the address alone says nothing of who asks.
    let alone = machine.place.read("proc/net/fib_trie");
    machine.place.write("proc/net/fib_trie", format!("{alone} |-- 10.9.9.1\n /32 host LOCAL\n"));
    let example = machine.place.read("etc/voidclust.conf");
    machine.place.write("etc/voidclust.conf", example.replace("interface = ", "#interface = "));
    let out = check("").ended(0).out;
    assert!(out.contains("`interface` under [network] is not set") && out.contains("(10.9.9.1)"), "{out}");
    assert!(out.contains("set interface = \"eth0\""), "{out}");
    machine.place.write("etc/voidclust.conf", example);
    machine.place.write("proc/net/fib_trie", alone);
    let said = check("").ended(0).out;
    // Its services are enabled in the tree that it shares, which is another matter.
    let is_usual = |line: &str| {
        let usual = ["clients do not start", "can read what is laid", "no file system of its own", "the identity of", "by TFTP"];
        usual.iter().any(|said| line.contains(said))
    };
    assert!(!said.lines().any(|line| line.starts_with("note: ") && !is_usual(line)), "{said}");
    // Not to be able to ask is not the same as to have none.
    machine.place.remove("sys/class/net");
    machine.place.write("sys/class/net", "");
    assert!(check("").ended(1).err.contains("sys/class/net: cannot list the network interfaces"));
}

#[test]
fn an_address_of_the_master_that_every_node_would_take_is_told() {
    let machine = Machine::plain();
    let told = |path: &str, text: &str| {
        machine.place.write(path, text);
        let out = machine.run(&["check"]).ended(0).out;
        machine.place.remove(path);
        out.contains(&format!("/{path} of the lower tree: it sets the master's address"))
    };
    assert!(told("etc/rc.local", "ip addr add 172.23.199.225/24 dev eth0\n"));
    assert!(told("etc/runit/core-services/90-net.sh", "ip addr add 172.23.199.225 dev eth0\n"));
    assert!(!told(
        "etc/rc.local",
        "# ip addr add 172.23.199.225/24\nip addr add 172.23.199.22/24 dev eth0\nping 172.23.199.225\n"
    ));
}

#[test]
fn an_edit_in_memory_is_refused_only_where_it_would_be_read() {
    let machine = Machine::master();
    let upper = |path: &str| format!("run/rootfs/cowspace/upper/{path}");
    let config = upper("etc/voidclust.conf");
    machine.place.write(&config, "# mine\n");
    assert!(machine.run(&["check"]).ended(1).err.contains("was changed in memory"));
    let other = machine.place.at("other.conf").display().to_string();
    machine.place.write("other.conf", machine.place.read(&machine.lower("etc/voidclust.conf")));
    machine.run(&["check", "--config", &other]).ended(0);
    machine.place.remove(&config);
    machine.place.write(&upper("etc/voidclust/overlays/unused/motd"), "mine\n");
    machine.place.write(&upper("etc/voidclust.d/README"), "mine\n");
    machine.run(&["check"]).ended(0);
    machine.place.write(&upper("etc/voidclust/overlays/client/motd"), "mine\n");
    assert!(machine.run(&["check", "--config", &other]).ended(1).err.contains("client/motd: was changed in memory"));
}

#[test]
fn refresh_prints_how_to_tell_the_services() {
    let machine = Machine::master();
    machine.place.write("etc/sv/nfs-server/conf", "PROCESSES=1\n");
    let ran = machine.run(&["refresh"]).ended(0);
    assert_eq!(ran.out, "changed sv/nfs-server/conf\nneeded: rpc.nfsd 8\n1 change\n");
    assert_eq!(machine.told(), [""; 0]);
    assert_eq!(machine.run(&["refresh"]).ended(0).out, "up to date\n");
    machine.place.write("etc/rc.local", "x\n");
    let needed = "needed: reboot, for rc.local\n";
    assert_eq!(machine.run(&["refresh"]).ended(0).out, format!("changed rc.local\n{needed}1 change\n"));
    assert_eq!(machine.run(&["refresh"]).ended(0).out, format!("{needed}up to date\n"), "until it comes");
}

#[test]
fn snapshots_that_users_of_clients_could_look_into_are_told() {
    let machine = Machine::master();
    assert!(!machine.run(&["check"]).ended(0).out.contains("snapdir"), "no ZFS here");
    let on_zfs = "24 23 0:24 / /run/rootfs/lower rw - zfs z/r rw\n31 30 0:26 / /home rw - zfs z/home rw\n";
    machine.mounts(on_zfs);
    for (told, note) in [
        ("z/r\\tdisabled\\nz/home\\tdisabled", ""),
        ("z/home\\thidden\\nz/r\\tdisabled", "note: z/home: users of clients can look"),
        ("z/home\\tvisible\\nz/r\\thidden", "run: zfs set snapdir=disabled z/home z/r\n"),
    ] {
        machine.double("zfs", &format!("printf '{told}\\n'"));
        let out = machine.run(&["check"]).ended(0).out;
        assert!(if note.is_empty() { !out.contains("snapdir") } else { out.contains(note) }, "{told}: {out}");
        assert!(machine.told().contains(&"zfs get -H -o name,value snapdir z/home z/r".to_owned()));
    }
    machine.double("zfs", "echo 'no modules' >&2; exit 1");
    let out = machine.run(&["check"]).ended(0).out;
    assert!(out.contains("note: z/home, z/r: cannot ask whether .zfs/snapshot") && out.contains("no modules"), "{out}");
}
