use super::*;

/// What a list becomes: nodes, profiles, and what is left out.
fn imported(format: Format, text: &str, hosts: &str) -> (String, String, Vec<String>) {
    assert_eq!(Format::of(text), Some(format));
    let import = read(format, "list", text, hosts).unwrap();
    let nodes = import.nodes.into_iter().map(|(name, draft)| draft.named(&name).table()).collect::<Vec<_>>().join("\n");
    let profiles = import.profiles.iter().map(|(name, draft)| format!("{name}: {}", draft.lines())).collect();
    (nodes, profiles, import.left_out)
}

fn problems(format: Format, text: &str) -> Vec<String> {
    read(format, "list", text, "").unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_spreadsheet_has_a_node_in_each_line() {
    let text = "\u{feff}Name,MAC,Address,profiles,vars.rack,Generation,cmdline\n# comment\nn1,52:54:00:00:00:01,10.0.0.11,compute gpu,a1,3,\"a=b, \"\"c\"\"\"\n\nn2,52:54:00:00:00:02 52:54:00:00:00:03,,,2,head,\n";
    let (nodes, ..) = imported(Format::Csv, text, "");
    assert_eq!(
        nodes,
        "[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:00:01\"\naddress = \"10.0.0.11\"\nprofiles = [\"compute\", \"gpu\"]\n\
         generation = 3\ncmdline = \"a=b, \\\"c\\\"\"\nvars = { rack = \"a1\" }\n\n\
         [[node]]\nname = \"n2\"\nmac = [\"52:54:00:00:00:02\", \"52:54:00:00:00:03\"]\ngeneration = \"head\"\nvars = { rack = 2 }\n"
    );
    let (nodes, ..) = imported(Format::Csv, "mac;name;profiles\n52:54:00:00:00:01;n1;a,b\n", "");
    assert_eq!(nodes, "[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:00:01\"\nprofiles = [\"a\", \"b\"]\n");
    let (nodes, _, told) = imported(Format::Csv, "name,mac,serial,bmc_pass\nn1,52:54:00:00:00:01,A 1,secret\n", "");
    assert_eq!(nodes, "[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:00:01\"\n");
    assert_eq!(told, ["node n1: serial = A 1", "node n1: bmc_pass, which is not shown"]);
    let told = problems(Format::Csv, "name,adress\nn1,10.0.0.1,x\n");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].starts_with("list:1: there is no column `adress`") && told[0].contains("did you mean `address`?"),
        "{told:?}"
    );
    assert!(told[1].contains("the column `mac` is missing") && told[2].starts_with("list:2: 3 values"), "{told:?}");
}

#[test]
fn ethers_and_hosts_are_one_list() {
    let ethers = "# cards\n52:54:0:0:0:1 n1\n52:54:00:00:00:02 10.0.0.12\n52:54:00:00:00:03 n1 # the second card\n52:54:00:00:00:04 10.0.0.99\n";
    let hosts = "127.0.0.1 localhost\n10.0.0.11 n1.cluster n1\n10.0.0.12 n2 n2.cluster\n::1 n1\n";
    let (nodes, _, left_out) = imported(Format::Ethers, ethers, hosts);
    assert_eq!(
        nodes,
        "[[node]]\nname = \"n1\"\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:03\"]\naddress = \"10.0.0.11\"\n\n\
         [[node]]\nname = \"n2\"\nmac = \"52:54:00:00:00:02\"\naddress = \"10.0.0.12\"\n"
    );
    assert_eq!(left_out, ["list:5: 52:54:00:00:00:04, for hosts has no name of 10.0.0.99"]);
    let told = problems(Format::Ethers, "52:54:00:00:00:01\n52:54:00:00:00 n1\n");
    assert!(told[0].starts_with("list:1: a line is") && told[1].starts_with("list:2: `52:54:00:00:00` is not a MAC"), "{told:?}");
}

#[test]
fn leases_that_have_a_name_are_nodes() {
    let text = "1700000000 52:54:00:00:00:01 10.0.0.11 n1 01:52:54:00:00:00:01\n1700000000 52:54:00:00:00:02 10.0.0.12 * *\nduid 00:01\n1 2 3\n";
    let (nodes, _, left_out) = imported(Format::Leases, text, "");
    assert_eq!(nodes, "[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:00:01\"\naddress = \"10.0.0.11\"\n");
    assert_eq!(left_out, ["list:2: 52:54:00:00:00:02 at 10.0.0.12, which has no name"]);
    assert!(problems(Format::Leases, "1 2 3\n")[0].starts_with("list:1: this is no lease"));
}

#[test]
fn of_warewulf_all_is_carried_over_that_ours_has_and_the_rest_is_told() {
    let text = r#"nodeprofiles:
  default:
    comment: This profile is automatically included for each node
    image name: rocky
    kernel:
      args:
        - quiet
        - crashkernel=no
    network devices:
      default:
        netmask: 255.255.255.0
  gpu:
    tags:
      partition: "gpu"
      cuda version: 12
    kernel:
      args: nouveau.modeset=0
nodes:
  n1:
    comment: ""
    discoverable: "false"
    profiles:
    - default
    - gpu
    ipmi:
      ipaddr: 10.1.0.1
      password: secret
      tags: {}
    network devices:
      default:
        device: eno1
        hwaddr: 52:54:00:00:00:01
        ipaddr: 10.0.0.11
      ib:
        hwaddr: 52:54:00:00:00:99
        ipaddr: 10.2.0.11
    primary network: default
    tags:
      rack: 'a1'
  n2:
    profiles: [default]
    network devices:
      default: # the only one
        hwaddr: 52:54:00:00:00:02
"#;
    let (nodes, profiles, left_out) = imported(Format::Warewulf, text, "");
    assert_eq!(
        nodes,
        "[[node]]\nname = \"n1\"\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:99\"]\naddress = \"10.0.0.11\"\n\
         profiles = [\"gpu\"]\nvars = { rack = \"a1\" }\n\n[[node]]\nname = \"n2\"\nmac = \"52:54:00:00:00:02\"\n"
    );
    assert_eq!(profiles, "gpu: cmdline = \"nouveau.modeset=0\"\nvars = { partition = \"gpu\" }\n");
    assert_eq!(
        left_out,
        [
            "profile default: default.netmask = 255.255.255.0",
            "profile default: comment = This profile is automatically included for each node",
            "profile default: image name = rocky",
            "profile default: cmdline = \"quiet crashkernel=no\"; put it under [client] or [vars]",
            "profile gpu: tags.cuda version = 12",
            "node n1: default.device = eno1",
            "node n1: ib.ipaddr = 10.2.0.11",
            "node n1: discoverable = false",
            "node n1: ipmi.ipaddr = 10.1.0.1",
            "node n1: ipmi.password, which is not shown",
        ]
    );
}

#[test]
fn what_a_node_of_warewulf_lists_is_told() {
    let text = "nodes:\n  n1:\n    profiles:\n    - gpu\n    resources:\n      fstab:\n        - spec: warewulf:/home\n          file: /home\n        -   spec: \"x: y\"\n            options: [a, b]\n      other:\n      - a: b\n        c:\n        - d\n      - plain\n    system overlay:\n      - wwinit\n      - \"a: b\"\n    asset key: z\n";
    let (nodes, _, told) = imported(Format::Warewulf, text, "");
    assert_eq!(nodes, "[[node]]\nname = \"n1\"\nprofiles = [\"gpu\"]\n");
    let fstab = "node n1: resources.fstab[1].spec = warewulf:/home;node n1: resources.fstab[1].file = /home;\
        node n1: resources.fstab[2].spec = x: y;node n1: resources.fstab[2].options = a b;node n1: resources.other = plain;\
        node n1: resources.other[1].a = b;node n1: resources.other[1].c = d;node n1: system overlay = wwinit a: b;\
        node n1: asset key = z";
    assert_eq!(told.join(";"), fstab);
}

#[test]
fn yaml_that_wwctl_does_not_write_is_named_by_its_line() {
    for (line, text) in [
        (3, "nodes:\n  n1:\n    comment: |\n      two\n      lines\n"),
        (3, "nodes:\n  n1:\n    - a: b\n"),
        (3, "nodes:\n  n1:\n    - a\n"),
        (2, "nodes:\n- a: b\n"),
        (5, "nodes:\n  n1:\n    x:\n      - a: b\n        c d\n"),
        (6, "nodes:\n  n1:\n    x:\n      - a: b\n        c: d\n       e: f\n"),
        (2, "nodes:\n  n1: { profiles: [a] }\n"),
        (2, "nodes:\n  n1\n"),
        (3, "nodes:\n  n1:\n    comment: \"a\\tb\"\n"),
        (3, "nodes:\n  n1: &a\n"),
    ] {
        let told = problems(Format::Warewulf, text);
        let line = if text.contains("&a") { 2 } else { line };
        assert!(told[0].starts_with(&format!("list:{line}: this line is not as wwctl writes it")), "{text}{told:?}");
    }
    assert_eq!(Format::of("hello world\n"), None);
    assert_eq!(Format::of(""), None);
}
