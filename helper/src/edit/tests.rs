use super::*;
use crate::testing::{EXAMPLE, example_facts, example_site};

fn texts(text: &str) -> Texts {
    vec![("main".to_owned(), text.to_owned())]
}

/// A configuration around nodes.
fn with(nodes: &str) -> Texts {
    texts(&format!("[network]\naddress = \"10.0.0.1/24\"\n[master]\nmac = \"52:54:00:00:00:01\"\n\n{nodes}"))
}

fn draft(set: &[(&'static str, &str)], vars: &[(&str, &str)], unset: &[&str]) -> Draft {
    let mut draft = Draft { unset: unset.iter().map(ToString::to_string).collect(), ..Draft::default() };
    set.iter().for_each(|(key, value)| draft.text(key, value));
    vars.iter().for_each(|(name, value)| draft.var(name, value));
    draft
}

fn node(name: &str, mac: &str) -> Draft {
    draft(&[("name", name), ("mac", mac)], &[], &[])
}

fn site(texts: &Texts) -> Site {
    judged(texts, &example_facts(), None, &[]).unwrap()
}

#[test]
fn a_new_node_stands_at_the_end_of_the_file_with_the_last_one() {
    let before = texts(EXAMPLE);
    let after = add(&before, &[node("x1", "52:54:00:00:00:98"), node("x2", "52:54:00:00:00:99")]).unwrap();
    let new = "\n[[node]]\nname = \"x1\"\nmac = \"52:54:00:00:00:98\"\n\n[[node]]\nname = \"x2\"\nmac = \"52:54:00:00:00:99\"\n";
    assert_eq!(after[0].1, format!("{EXAMPLE}{new}"));
    let judged = judged(&after, &example_facts(), Some(&example_site()), &[]).unwrap();
    assert_eq!(judged.nodes.len(), 5);

    let (main, _) = EXAMPLE.split_once("[[node]]").unwrap();
    let two = vec![("main".to_owned(), main.to_owned()), ("drop-in".to_owned(), EXAMPLE[main.len()..].trim_end().to_owned())];
    let after = add(&two, &[node("x1", "52:54:00:00:00:98")]).unwrap();
    assert_eq!(after[0], two[0]);
    assert!(after[1].1.ends_with("\"\n\n[[node]]\nname = \"x1\"\nmac = \"52:54:00:00:00:98\"\n"), "{}", after[1].1);
}

/// Nodes in every form that we change.
const FORMS: &str = r#"# All of rack 1.
[[node]] # the first
name = "n1"   # its name
mac = ["52:54:00:00:01:01",
       "52:54:00:00:01:02"] # both cards

  [[node]]
  name = 'n2'
  mac = "52:54:00:00:02:01"
  vars = { rack = "a1" }
  # what it mounts
  [[node.mounts]]
  device = "nas:/x"
  path = "/x"

# The last one.
[[node]]
name = "n3"
mac = "52:54:00:00:03:01"
[node.vars]
rack = "a3" # to be moved
# the end
"#;

#[test]
fn a_value_changes_in_its_place_and_a_new_key_stands_below_the_others() {
    let before = with(FORMS);
    let mut first = draft(&[("mac", "52:54:00:00:01:99"), ("address", "10.0.0.11")], &[("rack", "a9")], &[]);
    first.list("profiles", &[], false);
    let second = draft(&[("cmdline", "a=\"b\"")], &[("rack", "a2"), ("units", "3"), ("old", "true")], &[]);
    let third = draft(&[("kernel", "newest")], &[("rack", "a 4"), ("unit", "1.50")], &[]);
    let after = set(&before, &[(0, first), (1, second), (2, third)]).unwrap();
    let wanted = FORMS
        .replace(
            "[\"52:54:00:00:01:01\",\n       \"52:54:00:00:01:02\"] # both cards\n",
            "\"52:54:00:00:01:99\" # both cards\naddress = \"10.0.0.11\"\nvars = { rack = \"a9\" }\n",
        )
        .replace("{ rack = \"a1\" }\n", "{ rack = \"a2\", units = 3, old = true }\n  cmdline = \"a=\\\"b\\\"\"\n")
        .replace("03:01\"\n", "03:01\"\nkernel = \"newest\"\n")
        .replace("\"a3\" # to be moved\n", "\"a 4\" # to be moved\nunit = 1.50\n");
    assert_eq!(after[0].1, with(&wanted)[0].1);
}

#[test]
fn keys_go_with_their_line_and_nodes_with_all_that_is_in_them() {
    let before = with(FORMS);
    let after = set(&before, &[(0, draft(&[], &[], &["mac", "kernel"])), (1, draft(&[], &[], &["vars"]))]).unwrap();
    let cards = "mac = [\"52:54:00:00:01:01\",\n       \"52:54:00:00:01:02\"] # both cards\n";
    assert_eq!(after[0].1, with(&FORMS.replace(cards, "").replace("  vars = { rack = \"a1\" }\n", ""))[0].1);

    let parts: Vec<&str> = FORMS.split("\n\n").collect();
    assert_eq!(remove(&before, &[1]).unwrap()[0].1, with(&[parts[0], parts[2]].join("\n\n"))[0].1);
    let first = remove(&before, &[0]).unwrap();
    assert_eq!(first[0].1, with(&format!("# All of rack 1.\n\n{}\n\n{}", parts[1], parts[2]))[0].1, "what is above stays");
    let none = remove(&before, &[0, 1, 2]).unwrap();
    assert_eq!(none[0].1, with("# All of rack 1.\n\n# The last one.\n# the end\n")[0].1);
    assert!(site(&none).nodes.is_empty());
    let ended = with("[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:01:01\"");
    assert_eq!(remove(&ended, &[0]).unwrap()[0].1, with("")[0].1.trim_end().to_owned() + "\n");
}

#[test]
fn what_has_no_lines_of_its_own_is_left_to_an_editor() {
    let told = |refused: Refused| match refused {
        Refused::ByHand(problem) => problem.to_string(),
        other => panic!("{other:?}"),
    };
    let inline = texts("node = [{ name = \"n1\", mac = \"52:54:00:00:01:01\" }]\n[network]\naddress = \"10.0.0.1/24\"\n");
    let error = told(remove(&inline, &[0]).unwrap_err());
    assert!(error.starts_with("main:1: this node is a part of one list") && error.contains("with an editor"), "{error}");
    let error = told(set(&with(FORMS), &[(1, draft(&[], &[], &["mounts"]))]).unwrap_err());
    assert!(error.starts_with("main:17: this key has tables of its own"), "{error}");
    let dotted = with("[[node]]\nname = \"n1\"\nmac = \"52:54:00:00:01:01\"\nvars.rack = \"a\"\n");
    let error = told(set(&dotted, &[(0, draft(&[], &[("row", "1")], &[]))]).unwrap_err());
    assert!(error.starts_with("main:9: these values are written with dots"), "{error}");
    let after = set(&dotted, &[(0, draft(&[], &[("rack", "b")], &[]))]).unwrap();
    assert!(after[0].1.ends_with("vars.rack = \"b\"\n"), "{}", after[0].1);
}

#[test]
fn a_change_that_is_wrong_or_changes_more_than_it_is_about_is_refused() {
    let before = example_site();
    let copied = add(&texts(EXAMPLE), &[node("node1", "52:54:00:00:00:99")]).unwrap();
    let Refused::Wrong(problems) = judged(&copied, &example_facts(), Some(&before), &[]).unwrap_err() else { panic!() };
    assert!(problems[0].to_string().contains("`node1` already"), "{problems:?}");
    for other in ["\n[boot]\nkeep = 9\n", "\n[vars]\na = 1\n"] {
        let more = texts(&format!("{EXAMPLE}{other}"));
        assert!(matches!(judged(&more, &example_facts(), Some(&before), &[0]), Err(Refused::ByHand(_))), "{other}");
    }
    let fewer = remove(&texts(EXAMPLE), &[0]).unwrap();
    assert!(judged(&fewer, &example_facts(), Some(&before), &[1]).is_err());
    assert_eq!(judged(&fewer, &example_facts(), Some(&before), &[0]).unwrap().nodes, before.nodes[1..]);
    let changed = set(&texts(EXAMPLE), &[(0, draft(&[("cmdline", "a=b")], &[], &[]))]).unwrap();
    assert!(judged(&changed, &example_facts(), Some(&before), &[1]).is_err());
    assert_eq!(judged(&changed, &example_facts(), Some(&before), &[0]).unwrap().nodes[1..], before.nodes[1..]);
}

#[test]
fn two_words_on_one_place_are_one_or_none() {
    let before = with(FORMS);
    let after = set(&before, &[(1, draft(&[], &[("rack", "a1"), ("rack", "a2")], &[]))]).unwrap();
    assert_eq!(after[0].1, with(&FORMS.replace("\"a1\"", "\"a2\""))[0].1, "the later word counts");
    for drafts in [vec![(1, draft(&[], &[("rack", "a2")], &["vars"]))], vec![(0, draft(&[], &[], &["mac", "mac"]))]] {
        let Err(Refused::ByHand(problem)) = set(&before, &drafts) else { panic!("{drafts:?}") };
        assert!(problem.to_string().contains("about the same place"), "{problem}");
    }
}
