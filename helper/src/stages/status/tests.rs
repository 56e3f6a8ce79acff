use super::*;
use crate::testing::example_site;

const NOW: u64 = 10_000;

fn client(node: &Node, kernel: Option<&str>, since: u64, renewed: u64) -> Client {
    let address = node.address.map_or_else(|| "10.0.0.9".to_owned(), |address| address.to_string());
    let name = format!("Linux NFSv4.2 {}/(none)", identifier(node.macs[0]));
    let kernel = kernel.map(ToOwned::to_owned);
    Client { address, name, kernel, since, renewed: Some(renewed), is_given_up: false, states: String::new() }
}

fn boots(_: &Node) -> Option<Boots> {
    Some(Boots { kernel: "6.12.10_1".to_owned(), image: "6.12.10_1-bbb".to_owned(), root: Root::Generation(3), line_since: 0 })
}

fn sight(clients: Vec<(Client, BTreeSet<Number>)>, log: &str) -> Sight {
    Sight { now: NOW, lease: 90, clients, log: Some(Log::parse(log, NOW, "")), fetched: BTreeMap::new() }
}

#[test]
fn a_node_is_up_as_long_as_its_lease_lasts() {
    let site = example_site();
    let (a, b) = (&site.nodes[0], &site.nodes[1]);
    let up = (client(a, None, 5000, 60), [3].into());
    // An earlier boot of the same machine, whose lease has not ended.
    let before = (client(a, None, 4000, 80), [2].into());
    let gone = (client(b, None, 5000, 91), [3].into());
    let nodes = of(&site, &sight(vec![before, up, gone], ""), boots);
    assert_eq!((nodes[0].state, nodes[0].since, nodes[0].generation), (State::Up, Some(5000), Some(3)));
    assert_eq!((nodes[1].state, nodes[1].since, nodes[1].generation), (State::Silent, Some(NOW - 91), None));
    assert_eq!((nodes[2].state, nodes[2].since), (State::Silent, None));
    assert!(nodes[1].wants_attention() && nodes[1].changes().is_empty() && nodes[1].unknown().is_empty());
    // Of old kernels, which do not tell how long ago that was.
    let courtesy = Client { is_given_up: true, renewed: None, ..client(a, None, 5000, 0) };
    assert_eq!(of(&site, &sight(vec![(courtesy, [3].into())], ""), boots)[0].state, State::Silent);
}

#[test]
fn who_was_sent_something_after_it_came_up_boots_for_a_while() {
    let site = example_site();
    let log = |seconds: u64, of: &Node| {
        let sent = format!("dnsmasq-tftp[1]: sent /srv/tftp/images/6.12.10_1-aaa/initramfs.img to {}", of.address.unwrap());
        format!(
            "Nov 30 01:00:00 {sent}\nNov 30 {:02}:{:02}:{:02} dnsmasq[1]: x\n",
            1 + seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    };
    let a = &site.nodes[0];
    let state = |ago, since| of(&site, &sight(vec![(client(a, None, since, 1), [3].into())], &log(ago, a)), boots)[0].clone();
    assert_eq!((state(30, 9000).state, state(30, 9000).since), (State::Booting, Some(NOW - 30)));
    let up = state(30, 9980);
    assert_eq!((up.state, up.image.as_deref(), up.changes()), (State::Up, Some("6.12.10_1-aaa"), vec!["image".to_owned()]));
    let silent = of(&site, &sight(Vec::new(), &log(BOOTING, a)), boots)[0].clone();
    assert_eq!((silent.state, silent.since), (State::Silent, Some(NOW - BOOTING)));
}

#[test]
fn what_a_reboot_would_change_is_said_and_what_is_not_known_is_no_change() {
    let site = example_site();
    let a = &site.nodes[0];
    let mut known = sight(vec![(client(a, Some("6.12.9_1"), 5000, 1), [2].into())], "");
    known.fetched.insert(a.macs[0], Fetched::Behind(vec!["hosts".to_owned()]));
    let node = of(&site, &known, boots)[0].clone();
    assert_eq!(node.changes(), ["kernel", "generation", "1 file"]);
    assert_eq!(node.unknown(), ["image"]);
    let node = of(&site, &sight(vec![(client(a, None, 5000, 1), BTreeSet::new())], ""), boots)[0].clone();
    assert!(node.changes().is_empty() && !node.wants_attention());
    assert_eq!(node.unknown(), ["kernel", "image", "generation"]);
    let to_head = |node: &Node| boots(node).map(|boots| Boots { root: Root::Head, ..boots });
    let node = of(&site, &sight(vec![(client(a, Some("6.12.10_1"), 5000, 1), [2].into())], ""), to_head)[0].clone();
    assert_eq!(node.changes(), ["generation"]);
}

#[test]
fn a_node_without_an_address_is_known_by_its_identifier_and_a_stranger_by_neither() {
    let mut site = example_site();
    let other = client(&site.nodes[2], None, 5000, 1);
    site.nodes[0].address = None;
    let mine = client(&site.nodes[0], None, 5000, 1);
    site.nodes.pop();
    let known = sight(vec![(mine, [3].into()), (other, [3].into())], "");
    assert_eq!(of(&site, &known, boots)[0].state, State::Up);
    assert_eq!(strangers(&site, &known), 1);
    // md5 of `52:54:00:17:c7:e2` and a line end, as md5sum(1) has it.
    assert_eq!(identifier("52:54:00:17:c7:e2".parse().unwrap()), "f41eadba1cd82c7a29c7691945bcfac2");
}

#[test]
fn a_command_line_that_changed_after_the_menu_was_sent_waits_for_a_reboot() {
    let site = example_site();
    let a = &site.nodes[0];
    let since = |line_since| move |node: &Node| boots(node).map(|boots| Boots { line_since, ..boots });
    let sent = format!("dnsmasq-tftp[1]: sent /srv/tftp/pxelinux.cfg/default to {}", a.address.unwrap());
    // The menu was sent 60 seconds ago, and a minute later the node was up.
    let log = format!("Nov 30 01:00:00 {sent}\nNov 30 01:01:00 dnsmasq[1]: x\n");
    let node = |up, log: &str, line_since| {
        let known = sight(vec![(client(a, Some("6.12.10_1"), up, 1), [3].into())], log);
        of(&site, &known, since(line_since))[0].clone()
    };
    assert_eq!(node(NOW - 5, &log, NOW - 61).changes(), [""; 0]);
    assert_eq!(node(NOW - 5, &log, NOW - 30).changes(), ["command line"], "while it booted");
    // Without a log it is known as long as the node was up already.
    assert_eq!(node(NOW - 50, "", NOW - 40).changes(), ["command line"]);
    let unknown = node(NOW - 50, "", NOW - 60);
    assert_eq!((unknown.changes(), unknown.unknown()), (Vec::new(), vec!["image", "command line"]));
    assert_eq!(node(NOW - 50, "", 0).unknown(), ["image"]);
}
