//! The real dnsmasq serves from what we render: in a network of its own, where a veth pair is the cable.

use std::os::unix::fs::PermissionsExt;

use crate::place::{Place, Ran, program, skip, there_is};

/// The most cards that a node may have.
pub(crate) const MAX_CARDS: usize = 50;

const SITE: &str = r#"
[network]
interface = "cable0"
address = "10.0.0.1/24"
dhcp = "server"

[master]
mac = "52:54:00:00:00:ff"
storage = "plain"

[[node]]
name = "node1"
mac = "52:54:00:00:00:01"
address = "10.0.0.5"
"#;

/// As many cards as a node may have, beside the longest name that one line must hold.
fn many_cards() -> String {
    let cards: Vec<String> = (0..MAX_CARDS).map(|card| format!("\"52:54:00:00:01:{card:02x}\"")).collect();
    format!("\n[[node]]\nname = \"{}\"\nmac = [{}]\naddress = \"10.0.0.250\"\n", "a".repeat(63), cards.join(", "))
}

const NODE2: &str = "\n[[node]]\nname = \"node2\"\nmac = \"52:54:00:00:00:02\"\naddress = \"10.0.0.6\"\n";

/// `$1` is the folder of all files; `client MAC [ARCHITECTURE]` prints what a machine is told.
const SCENE: &str = r#"
    cd "$1"
    ip link set lo up
    dnsmasq -k -C dnsmasq.conf -u root --log-facility=- --pid-file="$1/pid" --dhcp-leasefile="$1/leases" >log 2>&1 & server=$!
    trap 'kill $server' EXIT
    within() { for _ in 1 2 3 4 5 6 7 8 9 10; do ! "$@" 2>/dev/null || return 0; sleep 0.3; done; cat log; exit 1; }
    within grep -q started log
    # A card that comes late, as one does whose driver takes its time.
    ip link add cable0 type veth peer name card; ip addr add 10.0.0.1/24 dev cable0; ip link set cable0 up
    printf '#!/bin/sh\n[ "$1" != bound ] || echo "$ip ${boot_file:-nothing}"\n' >told; chmod +x told
    client() {
        ip link set card down; ip link set card address "$1"; ip link set card up
        busybox udhcpc -i card -n -q -f -t 8 -T 1 -s ./told ${2:+-x 0x5d:$2} 2>/dev/null || echo none
    }
"#;

/// A script in a network of its own, which finds the folder of its files as `$1`.
fn in_network(place: &Place, script: &str) -> Ran {
    let mut command = program("unshare");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).args(["--net", "sh", "-euc", script, "sh"]).arg(place.root());
    place.ran(&mut command)
}

/// What the boot server of a site reads, as `FILE.new`, with folders of the test in place of the machine's.
fn render(place: &Place, etc: &Place) {
    let here = etc.root().display().to_string();
    etc.write("additions/none.conf", "");
    etc.write("tftp/none", "");
    for file in ["dnsmasq.conf", "dnsmasq.hosts"] {
        let text = place.run(&["show", "master", file]).ended(0).out;
        let text = text.replace("/etc/dnsmasq.d", &format!("{here}/additions")).replace("/etc/", &format!("{here}/"));
        etc.write(&format!("{file}.new"), text.replace("/srv/tftp", &format!("{here}/tftp")));
    }
}

#[test]
fn machines_get_their_addresses_and_boot_files_and_new_ones_without_a_restart() {
    const TEST: &str = "machines_get_their_addresses_and_boot_files_and_new_ones_without_a_restart";
    for tool in ["dnsmasq", "busybox", "ip", "unshare"] {
        if !there_is(tool) {
            return skip(TEST, &format!("{tool} is not installed"));
        }
    }
    if in_network(&Place::empty(), "ip link add cable0 type veth peer name card; busybox udhcpc --help 2>&1 | grep -q -e OPT:VAL")
        .status
        != 0
    {
        return skip(TEST, "no network of one's own here, or a busybox without udhcpc");
    }
    let place = Place::empty();
    if !place.add_packaged_overlays() {
        return skip(TEST, "the packages' overlays are not in this tree");
    }
    let etc = Place::empty();
    place.write("etc/voidclust.conf", format!("{SITE}{}", many_cards()));
    render(&place, &etc);
    etc.write("dnsmasq.conf", etc.read("dnsmasq.conf.new"));
    etc.write("dnsmasq.hosts", etc.read("dnsmasq.hosts.new"));
    place.append("etc/voidclust.conf", NODE2);
    render(&place, &etc);
    assert_eq!(etc.read("dnsmasq.conf"), etc.read("dnsmasq.conf.new"), "one more node and the server must restart");

    let last = format!("52:54:00:00:01:{:02x}", MAX_CARDS - 1);
    let script = format!(
        "{SCENE}
        client 52:54:00:00:00:01 0000; client 52:54:00:00:00:01 0007; client 52:54:00:00:00:01 0009; client 52:54:00:00:00:01 000b
        client {last} 0000
        client 52:54:00:00:00:02
        cp dnsmasq.hosts.new dnsmasq.hosts; kill -HUP $server
        within sh -c '[ $(grep -c \"read .*hosts\" log) -ge 2 ]'
        client 52:54:00:00:00:02 0000
        ! grep -i -e 'bad ' -e duplicate -e 'failed' log"
    );
    let said = in_network(&etc, &script).ended(0).out;
    let told = [
        "10.0.0.5 lpxelinux.0",
        "10.0.0.5 grub/grubx64.efi",
        "10.0.0.5 grub/grubx64.efi",
        "10.0.0.5 nothing",
        "10.0.0.250 lpxelinux.0",
        "none",
        "10.0.0.6 lpxelinux.0",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), told);
}

/// The master has a second network, where a machine knows a way to its address in the cluster. `from PROCESS` tells what the
/// machine in the networks of that process gets.
const TWO_NETWORKS: &str = r#"
    cd "$1"
    ip link set lo up
    own="$(readlink /proc/self/ns/net)"
    peers=
    trap 'kill $peers' EXIT
    for cable in cable0 other0; do
        unshare --net sleep 60 & peers="$peers $!"
        until [ "$(readlink /proc/$!/ns/net)" != "$own" ]; do sleep 0.1; done
        ip link add "$cable" type veth peer name card netns "$!"
        nsenter -t "$!" -n ip link set card up; ip link set "$cable" up
    done
    set -- $peers
    ip addr add 10.0.0.1/24 dev cable0; nsenter -t "$1" -n ip addr add 10.0.0.9/24 dev card
    ip addr add 10.9.9.1/24 dev other0; nsenter -t "$2" -n ip addr add 10.9.9.9/24 dev card
    nsenter -t "$2" -n ip route add 10.0.0.0/24 via 10.9.9.1
    echo menu >tftp/menu
    dnsmasq -k -C dnsmasq.conf -u root --log-facility=- --pid-file=pid --dhcp-leasefile=leases >log 2>&1 & peers="$peers $!"
    for _ in 1 2 3 4 5 6 7 8 9 10; do ! grep -q started log || break; sleep 0.3; done
    from() {
        nsenter -t "$1" -n timeout 5 busybox tftp -g -l got -r menu 10.0.0.1 2>/dev/null && cat got || echo "no file"
        nsenter -t "$1" -n timeout 9 busybox udhcpc -i card -n -q -f -t 6 -T 1 -s /bin/true >/dev/null 2>&1 && echo lease || echo "no lease"
        rm -f got
    }
    from "$1"; from "$2"
"#;

#[test]
fn the_boot_server_answers_in_the_cluster_only() {
    const TEST: &str = "the_boot_server_answers_in_the_cluster_only";
    for tool in ["dnsmasq", "busybox", "ip", "unshare", "nsenter"] {
        if !there_is(tool) {
            return skip(TEST, &format!("{tool} is not installed"));
        }
    }
    let can =
        "ip link add cable0 type veth peer name card; for applet in udhcpc tftp; do busybox --list | grep -qx $applet; done";
    if in_network(&Place::empty(), can).status != 0 {
        return skip(TEST, "no network of one's own here, or a busybox without udhcpc and tftp");
    }
    let (place, etc) = (Place::empty(), Place::empty());
    if !place.add_packaged_overlays() {
        return skip(TEST, "the packages' overlays are not in this tree");
    }
    place.write("etc/voidclust.conf", SITE.replace("\"server\"\n", "\"server\"\nrange = \"10.0.0.100 - 10.0.0.110\"\n"));
    render(&place, &etc);
    etc.write("dnsmasq.conf", etc.read("dnsmasq.conf.new"));
    etc.write("dnsmasq.hosts", etc.read("dnsmasq.hosts.new"));
    let said = in_network(&etc, TWO_NETWORKS).ended(0).out;
    assert_eq!(said.lines().collect::<Vec<_>>(), ["menu", "lease", "no file", "no lease"]);
}

#[test]
fn nothing_that_is_written_can_be_changed_by_others_whatever_the_umask() {
    let place = Place::small();
    place.add_packaged_overlays();
    let before = place.tree();
    let script = "umask 0; exec \"$2\" --root \"$1\" apply";
    let binary = env!("CARGO_BIN_EXE_voidclust");
    place.ran(program("sh").args(["-euc", script, "sh"]).arg(place.root()).arg(binary).env("PATH", "/usr/bin:/bin")).ended(0);
    let written: Vec<String> = place.tree().into_keys().filter(|path| !before.contains_key(path)).collect();
    assert!(written.iter().any(|path| path.starts_with("srv/tftp/grub/")), "{written:?}");
    for path in written {
        let meta = place.at(&path).symlink_metadata().unwrap();
        assert!(meta.is_symlink() || meta.permissions().mode() & 0o022 == 0, "{path}: {:o}", meta.permissions().mode());
    }
}

#[test]
fn a_master_of_many_nodes_has_room_for_their_cards_and_their_loads() {
    let place = Place::empty();
    if !place.add_packaged_overlays() {
        return;
    }
    let ours = |nodes: u16| {
        let node = |at: u16| {
            let [high, low] = (at + 256).to_be_bytes();
            format!("[[node]]\nname = \"n{at}\"\nmac = \"52:54:00:01:{high:02x}:{low:02x}\"\naddress = \"10.0.{high}.{low}\"\n")
        };
        let text = SITE.replace("/24", "/16") + &(0..nodes).map(node).collect::<String>();
        place.write("etc/voidclust.conf", text);
        let files = ["sysctl.d/voidclust.conf", "sv/dnsmasq/conf"];
        files.map(|file| {
            place
                .run(&["show", "master", file])
                .out
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(ours(100), [const { Vec::<String>::new() }; 2], "what the kernel has is enough");
    let table = |value: u32, place: u8| format!("net.ipv4.neigh.default.gc_thresh{place} = {value}");
    assert_eq!(ours(1000), [vec![table(2048, 1), table(4096, 2), table(8192, 3)], vec!["ulimit -n 2248".to_owned()]]);
}
