use super::*;
use std::net::Ipv4Addr;

use crate::testing::example_site;

fn render(text: &str) -> Result<String, Failure> {
    let site = example_site();
    render_for(&site, |site| Machine::Node(&site.nodes[0]), text)
}

#[test]
fn a_template_sees_the_site_and_its_node() {
    let text = "{{ node.name }} {{ node.fqdn }} {{ master.address }} {{ network.netmask }} {{ network.prefix }}\n";
    assert_eq!(render(text).unwrap(), "node1 node1.cluster 172.23.199.225 255.255.255.0 24\n");
    assert_eq!(
        render("{% for n in peers %}{{ n.address }} {% endfor %}").unwrap(),
        "172.23.199.226 172.23.199.227 172.23.199.228 "
    );
}

#[test]
fn what_a_template_sees_of_machines_is_a_mapping_and_a_list() {
    let text =
        "{{ node | list | join(' ') }}; {{ nodes | length }} {{ nodes[2].name }} {{ nodes[3] is defined }} {{ nodes[-1].name }}";
    let seen = "name short fqdn mac macs address profiles modules mounts scratch vars listed is_master; 3 node3 False node3";
    assert_eq!(render(text).unwrap(), seen);
    let text =
        "{% for own in nfs.own %}{{ own.name }} {{ own.client }} {{ own.fsid | length }}\n{% endfor %}{{ nfs.own | length }}";
    let own = render(text).unwrap();
    assert!(
        own.starts_with("52:54:00:17:c7:e2 172.23.199.226 36\n") && own.ends_with("\ndefault 172.23.199.0/24 36\n4"),
        "{own}"
    );
    let others =
        "{{ master.address }} {{ master.mounts }} {{ master.listed }} {{ master.is_master }} {{ node.mac }} {{ node.listed }}";
    let others = render_for(&example_site(), |_| Machine::Unlisted, others).unwrap();
    assert_eq!(others, "172.23.199.225 [] True True None False");
}

/// A template of this text for a machine, and whether it was rendered for this very machine.
fn text_of(templates: &Templates, name: &str, machine: Machine<'_>, of_kind: &mut OfKind) -> (String, bool) {
    let scope = templates.scope(machine);
    let bytes = templates.render(name, &scope, of_kind).unwrap().unwrap();
    let is_own = !of_kind.contains_key(name) && templates.alike[name].get().is_none();
    (String::from_utf8(bytes.whole().into_owned()).unwrap(), is_own)
}

#[test]
fn what_asks_nothing_of_the_machine_or_only_of_its_kind_is_rendered_once() {
    let mut site = example_site();
    site.nodes[2].profiles = vec!["compute".parse().unwrap()];
    let site = Arc::new(site);
    let mut templates = Templates::new(&site);
    templates.add("/other", "{{ node.name }}{% macro it() %}{{ node.name }}{% endmacro %}").unwrap();
    let own = [
        "{{ node.name }}",
        "{% set node = node %}{{ node.name }}",
        "{{ debug() }}",
        "{{ node }}",
        "{% if node == nodes[0] %}x{% else %}y{% endif %}",
        "{% for each in nodes if each.name == node.name %}{{ each.mac }}{% endfor %}",
        "{% include '/other' %}",
        "{% extends '/other' %}",
        "{% from '/other' import it %}{{ it() }}",
    ];
    let of_kind = ["{{ node.profiles }}", "{% if node.listed %}{{ node.mounts }}{% endif %}x{{ node.profiles | length }}"];
    let all = [
        "{{ master.name }}",
        "{% for each in peers %}{{ each.name }}{% endfor %}",
        "{% for each in nodes %}{{ each.vars }}{% endfor %}",
        "x",
    ];
    for text in own.iter().chain(&of_kind).chain(&all) {
        templates.add(text, text).unwrap();
    }
    let [first, second, third] = [0, 1, 2].map(|number| Machine::Node(&site.nodes[number]));
    let mut known = OfKind::new();
    let mut of = |machine, name| text_of(&templates, name, machine, &mut known);
    for text in own {
        let (first, second) = (of(first, text), of(second, text));
        assert!(first.0 != second.0 && first.1 && second.1, "{text}: {first:?} {second:?}");
    }
    for text in of_kind.iter().chain(&all) {
        assert_eq!((of(first, text), of(first, text).1), (of(second, text), false), "{text}");
    }
    assert!(known.len() == of_kind.len() && of_kind.iter().all(|text| known.contains_key(*text)), "{known:?}");
    let of = |machine, name| text_of(&templates, name, machine, &mut OfKind::new()).0;
    assert!(of_kind.iter().all(|text| of(first, text) != of(third, text)));
    assert!(all.iter().all(|text| of(first, text) == of(Machine::Master, text)));
}

#[test]
fn values_of_the_site_are_asked_of_the_machine() {
    let site = Arc::new(with_vars());
    let mut templates = Templates::new(&site);
    templates.add("t", "{{ vars.b }}").unwrap();
    let of = |number: usize| text_of(&templates, "t", Machine::Node(&site.nodes[number]), &mut OfKind::new());
    assert_eq!([of(0), of(1)], [("compute".to_owned(), true), ("site".to_owned(), true)]);
}

#[test]
fn an_undefined_variable_is_an_error_with_its_line() {
    let failure = render("a\n{{ node.nmae }}\n").unwrap_err();
    assert!(failure.line == 2 && failure.why.contains("not defined: `node.nmae`;"), "{failure:?}");
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let text = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    assert!(render(text).unwrap_err().why.contains("too many steps"));
}

#[test]
fn a_template_that_takes_too_much_memory_is_stopped_before_it_has_it() {
    for text in [
        "{{ 'x' | indent(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000d}'.format(1) }}",
        "{{ 'x' * 100000000000 }}",
        "{% set ns = namespace(s='x') %}{% for n in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s | length }}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) | length }}",
        "{{ (['x' * 1000000] * 100000) | join }}",
        "{{ ''.join(['x' * 1000000] * 100000) }}",
        "{{ [['x' * 1000000] * 1000] * 1000 }}",
        "{% set ns = namespace(l=['x']) %}{% for n in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    ] {
        let failure = render(text).unwrap_err();
        assert!(failure.why.contains("too much memory") && failure.line == 1, "{text}: {failure:?}");
    }
    let failure = render("{{ 'x' * 40000000 }}").unwrap_err();
    assert!(failure.why.starts_with("renders to 38 MiB"), "{failure:?}");
}

#[test]
fn the_files_of_the_largest_cluster_are_within_the_limits() {
    let mut site = example_site();
    let last = site.nodes.pop().unwrap();
    // A /16 is the largest subnet that a cluster may have.
    site.nodes.extend((0..65_533u32).map(|number| Node { address: Some(Ipv4Addr::from(0x0a01_0002 + number)), ..last.clone() }));
    let mut templates = Templates::new(&Arc::new(site));
    let exports = "/srv/nfs/home{% for c in nfs.clients %} {{ c }}(rw,sec=sys,no_subtree_check,mountpoint,crossmnt,root_squash){% endfor %}\n";
    let hosts = "{% for n in nodes %}{{ n.address }}\t{{ n.fqdn }}{% if n.short != n.fqdn %} {{ n.short }}{% endif %}\n{% for mac in n.macs %}# {{ mac }}\n{% endfor %}{% endfor %}";
    templates.add("exports", &exports.repeat(3)).unwrap();
    templates.add("hosts", hosts).unwrap();
    for name in ["exports", "hosts"] {
        let rendered = templates.render(name, &templates.scope(Machine::Master), &mut OfKind::new());
        assert!(rendered.unwrap().unwrap().len() > 1 << 20);
    }
}

#[test]
fn the_methods_that_strings_have_in_jinja_are_there() {
    assert_eq!(
        render("{{ node.address.split('.')[3] }} {{ node.name.upper() }} {{ node.name.startswith('node') }}").unwrap(),
        "226 NODE1 True"
    );
    assert_eq!(
        render("{{ node.mac.replace(':', '-') }}").unwrap(),
        example_site().nodes[0].macs[0].to_string().replace(':', "-")
    );
    assert!(render("{{ node.name.nope() }}").unwrap_err().why.contains("nope"));
}

#[test]
fn the_subnet_may_mount_when_a_machine_without_an_address_may_come() {
    let mut site = example_site();
    assert_eq!(exports::nfs_clients(&site), ["172.23.199.226", "172.23.199.227", "172.23.199.228"]);
    site.nodes[1].address = None;
    assert_eq!(exports::nfs_clients(&site), ["172.23.199.0/24"]);
    site.nodes.clear();
    assert_eq!(exports::nfs_clients(&site), ["172.23.199.0/24"]);
}

#[test]
fn the_boot_server_is_ready_for_twice_the_nodes_and_adding_one_seldom_changes_that() {
    let mut site = example_site();
    assert_eq!(machines(&site), 512);
    site.nodes = vec![site.nodes[0].clone(); 1200];
    assert_eq!(machines(&site), 4096);
    site.nodes.pop();
    assert_eq!(machines(&site), 4096);
    site.network.dhcp = Dhcp::Server(Some("10.0.0.0 - 10.255.255.255".parse().unwrap()));
    assert_eq!(machines(&site), 16384);
}

#[test]
fn peers_stay_out_of_large_clusters() {
    let mut site = example_site();
    site.nodes = vec![site.nodes[0].clone(); PEERS_MAX + 1];
    let text = "{{ peers | length }} {{ nodes | length }}";
    assert_eq!(render_for(&site, |_| Machine::Unlisted, text).unwrap(), format!("0 {}", PEERS_MAX + 1));
}

#[test]
fn the_manual_page_has_the_methods_that_there_are() {
    let page = include_str!("../../../../docs/voidclust.8");
    let list = page.split("there are these:\n").nth(1).unwrap().split("of mappings").next().unwrap();
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(ToOwned::to_owned).filter(|word| word != ".Li").collect() };
    let (strings, rest) = list.split_once("of strings,").unwrap();
    let (lists, mappings) = rest.split_once("of lists, and").unwrap();
    let is_unknown = |value: &str, method: &str| {
        let failed = render(&format!("{{{{ {value}.{method}() }}}}")).err();
        failed.is_some_and(|failure| failure.why.ends_with("; voidclust(8) lists the methods there are"))
    };
    let mut checked = 0;
    for (value, methods) in [("'a'", strings), ("[1]", lists), ("{'a': 1}", mappings)] {
        assert!(is_unknown(value, "partition"), "{value}");
        for method in words(methods) {
            assert!(!is_unknown(value, &method), "{value}.{method}");
            checked += 1;
        }
    }
    assert_eq!(checked, 30);
}

/// The example with values of the site, and its first node in a profile with some of its own.
fn with_vars() -> Site {
    let mut site = example_site();
    let vars = |text: &str| toml::from_str::<crate::types::Vars>(text).unwrap();
    site.vars = vars("a = 1\nb = \"site\"\nlist = [1, \"two\", 2.5, true]");
    let compute = crate::site::Profile { vars: vars("b = \"compute\"\nc = \"compute\""), ..Default::default() };
    let late = crate::site::Profile { vars: vars("c = \"late\"\nd = \"late\""), ..Default::default() };
    site.profiles.insert("compute".parse().unwrap(), compute);
    site.profiles.insert("late".parse().unwrap(), late);
    site.nodes[0].profiles = vec!["compute".parse().unwrap(), "late".parse().unwrap()];
    site.nodes[0].vars = vars("d = \"node\"");
    site
}

fn render_for(site: &Site, machine: impl Fn(&Site) -> Machine<'_>, text: &str) -> Result<String, Failure> {
    let site = Arc::new(site.clone());
    let mut templates = Templates::new(&site);
    templates.add("t", text)?;
    let rendered = templates.render("t", &templates.scope(machine(&site)), &mut OfKind::new())?;
    Ok(rendered.map_or_else(String::new, |bytes| String::from_utf8(bytes.whole().into_owned()).unwrap()))
}

#[test]
fn values_of_the_site_are_vars_and_the_later_word_wins() {
    let site = with_vars();
    fn node(site: &Site) -> Machine<'_> {
        Machine::Node(&site.nodes[0])
    }
    let text = "{{ vars.a }} {{ vars.b }} {{ vars.c }} {{ vars.d }} {{ vars.list | join(',') }}";
    assert_eq!(render_for(&site, node, text).unwrap(), "1 compute late node 1,two,2.5,True");
    assert_eq!(
        render_for(&site, node, "{{ node.vars.d }} {{ nodes[0].vars.d }} {{ nodes[1].vars.b }}").unwrap(),
        "node node site"
    );
    let others: [fn(&Site) -> Machine<'_>; 3] =
        [|site| Machine::Node(&site.nodes[1]), |_| Machine::Master, |_| Machine::Unlisted];
    for machine in others {
        let text = "{{ vars.b }} {{ vars.c is defined }} {{ vars.c | default('none') }}";
        assert_eq!(render_for(&site, machine, text).unwrap(), "site False none");
    }
}

#[test]
fn a_value_that_is_not_set_is_an_error_that_names_it_and_says_where_to_set_it() {
    let site = with_vars();
    let why = "`vars.c` is not set for every machine of this overlay; write `c = …` under [vars], or for its profile or node";
    for text in ["{{ vars.c }}", "{% if vars.c %}x{% endif %}", "{{ node.vars.c ~ 'x' }}", "{{ vars.b ~ vars.c }}"] {
        let failure = render_for(&site, |site| Machine::Node(&site.nodes[1]), text).unwrap_err();
        assert_eq!(failure.why, why, "{text}");
    }
}
