//! `voidclust init`: the first configuration, of what the machine tells and the administrator says to it.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

use super::Status;
use super::change::finish;
use crate::cli::{Dry, Global};
use crate::edit::first::{self, Said};
use crate::image::SWITCH;
use crate::machine::Machine;
use crate::machine::dhcp::{self, Asked};
use crate::machine::seen::{Link, Seen};
use crate::print::say;
use crate::stages::edits::{self, Edit, Standing};
use crate::stages::initramfs::{self, Next};
use crate::stages::target::Target;
use crate::types::HostNet;

/// Proposes a first configuration and writes it.
///
/// # Errors
/// When there is a configuration already, this machine has no address, or the configuration cannot be written.
pub fn run(global: &Global, yes: bool, dry: Dry) -> Result<Status> {
    let target = Target::open(global)?;
    let standing = edits::read(&target, global.config.as_deref())?;
    let file = standing.texts.first().map(|(name, _)| name.clone()).unwrap_or_default();
    if standing.site.is_some() {
        bail!("{file}: says something already; change it with voidclust node, or with an editor");
    }
    let Some(machine) = target.machine() else {
        bail!("{}: does not run here, so it tells nothing; set the keys of {file} with an editor", target.root.display(""));
    };
    let seen = Seen::of(machine)?;
    if seen.links.is_empty() {
        bail!(
            "this machine has no address yet, and must have one that stays; give it one (dhcpcd.conf(5), static), run this again"
        );
    }
    let asks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !yes && !dry.dry_run;
    let said = questions(machine, &standing, &seen, asks)?;
    let edit = judged(&standing, &said)?;
    if !asks && !yes {
        let status = finish(&target, global, Dry { dry_run: true }, edit, "", "")?;
        tell_initramfs(&initramfs::next(&target, kind(&seen), &seen.below)?);
        say!("nothing was written; to take it: voidclust init --yes");
        return Ok(status);
    }
    if asks {
        say!("");
    }
    let next = "voidclust node add NAME --mac MAC, for each node; then voidclust apply";
    let status = finish(&target, global, dry, edit, "configured", next)?;
    if !dry.dry_run {
        switch_initramfs(&target, &seen, asks)?;
    }
    Ok(status)
}

fn kind(seen: &Seen) -> Option<&str> {
    seen.root.as_ref().map(|(kind, _)| kind.as_str())
}

/// Each proposal, taken or answered.
fn questions(machine: &Machine, standing: &Standing, seen: &Seen, asks: bool) -> Result<Vec<Said>> {
    let mut probe = |net: HostNet, link: &Link| match link.mac {
        _ if !machine.is_slash() => Asked::Not("this is not the machine itself".to_owned()),
        Some(mac) => {
            say!("asking on {} whether anybody gives out addresses …", link.name);
            dhcp::ask(net, mac)
        }
        None => Asked::Not(format!("{} has no MAC", link.name)),
    };
    if asks {
        if let Some((kind, source)) = &seen.root {
            say!("The root is {kind} on {source}; that needs no key.");
        }
        say!("Return takes what stands in brackets, - leaves the key out.\n");
    }
    let mut said: Vec<Said> = Vec::new();
    while let Some(proposal) = first::next(seen, &said, &mut probe) {
        if !asks {
            said.push(proposal);
            continue;
        }
        loop {
            let mut answer = proposal.clone();
            let value = answer.value.clone().unwrap_or_default();
            match line(&format!("{}: {}\n  {} [{value}]: ", answer.key, answer.found, answer.key))?.as_str() {
                "" => {}
                "-" => answer.value = None,
                other => (answer.value, answer.found) = (Some(other.to_owned()), "as it was answered".to_owned()),
            }
            // With all that would follow, so that what is wrong is the fault of this answer.
            let mut whole = said.clone();
            whole.push(answer.clone());
            while let Some(next) = first::next(seen, &whole, &mut |_, _| Asked::Not(String::new())) {
                whole.push(next);
            }
            match judged(standing, &whole) {
                Ok(_) => {
                    said.push(answer);
                    break;
                }
                Err(error) => say!("{error:#}"),
            }
        }
    }
    Ok(said)
}

/// The configuration with what was said, if it is right.
fn judged(standing: &Standing, said: &[Said]) -> Result<Edit> {
    let mut texts = standing.texts.clone();
    if let Some((_, text)) = texts.first_mut() {
        *text = first::written(text, said);
    }
    standing.changed(Ok(texts), &[])
}

/// One line from the terminal.
fn line(question: &str) -> Result<String> {
    let mut out = std::io::stdout();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).context("cannot ask")?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")? == 0 {
        bail!("there was no answer; nothing was written");
    }
    Ok(answer.trim().to_owned())
}

fn tell_initramfs(next: &Next) {
    match next {
        Next::Nothing => {}
        Next::Switch => {
            say!("the initramfs is made by another program than mkinitcpio, which the overlay needs; init switches it: {SWITCH}");
        }
        Next::ByHand(first) => {
            say!("the initramfs must be made by mkinitcpio, for the overlay:");
            first.iter().for_each(|line| say!("  {line}"));
        }
    }
}

/// Has mkinitcpio make the initramfs, where nothing must be done before.
fn switch_initramfs(target: &Target, seen: &Seen, asks: bool) -> Result<()> {
    let next = initramfs::next(target, kind(seen), &seen.below)?;
    if next != Next::Switch {
        tell_initramfs(&next);
        return Ok(());
    }
    say!(
        "The initramfs is made by another program, and the overlay needs mkinitcpio. The root is on no LUKS, LVM or RAID that mkinitcpio would have to be told of."
    );
    if asks && !matches!(line(&format!("  {SWITCH} [yes]: "))?.as_str(), "" | "y" | "yes") {
        say!("left as it is; before the reboot run: {SWITCH}");
        return Ok(());
    }
    initramfs::switch(target)?;
    say!("done: {SWITCH}");
    Ok(())
}
