//! What the options say of each of several nodes.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::cli::Keys;
use crate::config;
use crate::edit::draft::Draft;
use crate::types::{Address, Mac, did_you_mean};
use crate::words::counted;

/// What wwctl takes for "remove it".
const UNSET: &str = "UNSET";

/// The drafts for so many nodes, without names.
pub(super) fn drafts(keys: &Keys, count: usize) -> Result<Vec<Draft>> {
    let texts = [("cmdline", &keys.cmdline), ("kernel", &keys.kernel), ("generation", &keys.generation)];
    if let Some((key, _)) = texts.iter().find(|(_, text)| text.as_deref() == Some(UNSET)) {
        bail!("--{key} {UNSET}: removes nothing; write --unset {key}");
    }
    let cards = |text: &String| each("--mac", text, count, |first: Mac, behind| first.plus(behind));
    let cards: Vec<Vec<String>> = keys.mac.iter().map(cards).collect::<Result<_>>()?;
    let behind = |Address(first): Address, behind| u32::from(first).checked_add(behind).map(|sum| Address(sum.into()));
    let addresses = keys.address.as_deref().map(|text| each("--address", text, count, behind)).transpose()?;
    let vars: Vec<(&str, &str)> = keys
        .var
        .iter()
        .map(|var| var.split_once('=').with_context(|| format!("--var {var}: has no `=`; write --var NAME=VALUE")))
        .collect::<Result<_>>()?;
    let draft = |number: usize| {
        let mut draft = Draft::default();
        draft.list("mac", &cards.iter().map(|of_each| of_each[number].clone()).collect::<Vec<_>>(), true);
        if let Some(addresses) = &addresses {
            draft.text("address", &addresses[number]);
        }
        draft.list("profiles", &keys.profile, false);
        draft.list("overlays", &keys.overlay, false);
        draft.list("services", &keys.service, false);
        keys.cmdline.iter().for_each(|text| draft.text("cmdline", text));
        keys.kernel.iter().for_each(|text| draft.text("kernel", text));
        keys.generation.iter().for_each(|text| draft.generation(text));
        vars.iter().for_each(|(name, value)| draft.var(name, value));
        draft
    };
    Ok((0..count).map(draft).collect())
}

/// Adds keys to remove.
pub(super) fn unset(drafts: &mut [Draft], keys: &[String]) -> Result<()> {
    let keys: BTreeSet<&String> = keys.iter().collect();
    let known = config::node_keys();
    if let Some(wrong) = keys.iter().find(|key| !known.contains(&key.as_str())) {
        let hint = did_you_mean(wrong, known.iter().copied());
        bail!("--unset {wrong}: there is no such key; {hint}there are {}", known.join(", "));
    }
    for draft in drafts {
        let is_set = |key: &str| draft.set.iter().any(|(set, _)| *set == key) || (key == "vars" && !draft.vars.is_empty());
        if let Some(key) = keys.iter().find(|key| is_set(key)) {
            bail!("--unset {key}: this key is set in the same command; leave out one of the two");
        }
        draft.unset = keys.iter().map(ToString::to_string).collect();
    }
    Ok(())
}

/// As many texts as there are nodes.
pub(super) fn for_each(option: &str, texts: &[String], count: usize) -> Result<Vec<String>> {
    if texts.len() == count {
        return Ok(texts.to_vec());
    }
    let (texts, nodes) = (texts.len(), counted(count, "node"));
    bail!("{option}: {texts} for {nodes}; name one for each, in their order, or the first one with a + behind it")
}

/// The value of each node: that many behind the first, or those between commas.
fn each<T: FromStr<Err = String> + Display + Copy>(
    option: &str,
    text: &str,
    count: usize,
    behind: impl Fn(T, u32) -> Option<T>,
) -> Result<Vec<String>> {
    let parse = |text: &str| text.trim().parse::<T>().map_err(|why| anyhow::anyhow!("{option}: {why}"));
    let values: Vec<String> = if let Some(first) = text.strip_suffix('+') {
        let first = parse(first)?;
        let counted = |number: usize| behind(first, u32::try_from(number).ok()?).map(|value| value.to_string());
        let values: Option<Vec<String>> = (0..count).map(counted).collect();
        values.with_context(|| format!("{option} {text}: there are not so many behind it; name one for each node"))?
    } else {
        text.split(',').map(|text| parse(text).map(|value| value.to_string())).collect::<Result<_>>()?
    };
    for_each(option, &values, count)
}
