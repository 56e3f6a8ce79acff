//! From the live tree to what nodes boot: a generation is made, served, and named by the menus, in this order; and the way
//! back.
//!
//! Killed at any moment, nodes boot what they did: who boots which generation is recorded when the new one is served and its
//! images are there, and the menus follow.

use anyhow::{Context, Result, bail};

use super::images::Which;
use super::menus;
use super::senders::send;
use super::target::{Runs, Target};
use super::trees::{Trees, made_of};
use super::wanted::Wanted;
use super::whom;
use super::workflow::{self, Report, Watch, Work};
use crate::disk::lock::Lock;
use crate::generation::{self, Order};
use crate::machine::{clock, roots};
use crate::site::Site;
use crate::types::generation::{Generation, Number, Published, RootWish, Whom};

/// What is to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Who boots it.
    pub whom: &'a Whom,
    /// What the administrator says of it.
    pub text: &'a str,
    /// Replace files that were edited by hand or are not ours.
    pub force: bool,
}

/// What is published next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// One that only some boot: published to all, it is theirs.
    Tried(Number),
    /// One that somebody boots, since another one would be the same.
    Same(Number),
    /// A new one.
    New {
        /// Its number.
        number: Number,
        /// The bytes that it takes on the disk, where that is known.
        takes: Option<u64>,
    },
}

/// What is published next to these.
///
/// # Errors
/// When the live tree cannot be looked through.
pub fn next(target: &Target, site: &Site, whom: &Whom) -> Result<Next> {
    let generations = &site.generations;
    let (newest, published) = (generations.newest(), &generations.published);
    let is_tried = |number| published.nodes.values().chain(published.profiles.values()).any(|tried| *tried == number);
    if let Some(number) = newest.map(|newest| newest.number)
        && whom.is_all()
        && published.all != number
        && is_tried(number)
    {
        return Ok(Next::Tried(number));
    }
    let foreseen = generation::foresee(&target.root, target.machine(), newest, &site.private())?;
    // One that was taken back is not given to nodes again.
    let same = newest.filter(|newest| foreseen.is_same && published.numbers().any(|number| number == newest.number));
    Ok(match same {
        Some(newest) => Next::Same(newest.number),
        None => Next::New { number: generations.next(), takes: foreseen.takes },
    })
}

/// Makes a generation of the live tree, and lets nodes boot it. One that was published to some is published to all.
///
/// # Errors
/// When it cannot be made, or anything that nodes need of it: then all is as it was. What goes wrong later is in the report.
pub fn publish(
    target: &Target,
    mut wanted: Wanted,
    lock: &Lock<'_>,
    order: &Publication<'_>,
    watch: &mut dyn Watch,
) -> Result<Report> {
    refuse_where_nothing_is_published(target, &wanted.site, order.whom)?;
    let next = next(target, &wanted.site, order.whom)?;
    let number = match next {
        Next::New { number, .. } => make(target, &wanted, lock, number, order.text, watch)?,
        Next::Tried(number) => number,
        Next::Same(number) => {
            let text = if order.text.is_empty() { "" } else { ", so what you say of it is not kept" };
            watch.said(&format!("nothing changed since generation {number}, and no other one is made{text}"));
            number
        }
    };
    let is_new = matches!(next, Next::New { .. });
    let before = wanted.site.generations.published.clone();
    let before = Published { last: before.last.max(number), ..before };
    wanted.read_generations(&target.root)?;
    let site = &wanted.site;
    let published = before.to(number, order.whom, |node, profile| whom::has_profile(site, node, profile));
    wanted.publish(&published);
    let served = serve(target, &wanted, lock, Which::Booted, order.force, watch);
    let sent = served.and_then(|trees| {
        // Whatever happens now, a server that got it keeps it under this number: the next one has another.
        lock.publish(&before)?;
        send(target, number, watch).map(|()| trees)
    });
    let trees = match sent {
        Ok(trees) => trees,
        Err(error) => {
            wanted.publish(&before);
            if is_new {
                take_back(target, wanted, lock, number, watch)
                    .with_context(|| format!("{error:#}\nand generation {number} stays"))?;
            }
            return Err(error.context(format!("generation {number} was not published: nodes boot what they did")));
        }
    };
    lock.publish(&published)?;
    watch.said(&format!("published generation {number} for {}", order.whom));
    switch(target, wanted, trees, lock, order.force, watch)
}

/// Lets nodes boot a generation that is there; without a number the one before that which all boot now.
///
/// # Errors
/// When there is none, or it cannot be served: then all is as it was.
pub fn roll_back(
    target: &Target,
    mut wanted: Wanted,
    lock: &Lock<'_>,
    number: Option<Number>,
    whom: &Whom,
    watch: &mut dyn Watch,
) -> Result<Report> {
    refuse_where_nothing_is_published(target, &wanted.site, whom)?;
    let generations = &wanted.site.generations;
    let now = whom::now_of(&wanted.site, whom);
    let number = match number {
        Some(number) => generations.find(number)?.number,
        None => match now.and_then(|now| generations.before(now)) {
            Some(number) => number,
            None => bail!("there is no generation before the one that is booted now; list them with: voidclust generation list"),
        },
    };
    let before = generations.published.clone();
    let published = before.to(number, whom, |node, profile| whom::has_profile(&wanted.site, node, profile));
    wanted.publish(&published);
    let trees = serve(target, &wanted, lock, Which::Booted, false, watch)?;
    lock.publish(&published)?;
    watch.said(&format!("generation {number} is booted by {whom} from now on"));
    switch(target, wanted, trees, lock, false, watch)
}

/// Whether the first generation is to be made: some machine wants the newest, and there is none.
#[must_use]
pub fn is_first_due(target: &Target, site: &Site) -> bool {
    // Only the machine itself knows what it is on, and shows how it gets on.
    let is_seen = matches!(target.runs, Runs::Overlay(_));
    let is_wanted = || site.clients().any(|node| site.uses_generations(node) && site.wish_of(node) == RootWish::Newest);
    is_seen && site.generations.made.is_empty() && is_wanted()
}

/// Makes the first generation, and publishes it.
///
/// # Errors
/// Those of [`publish`].
pub fn first(target: &Target, wanted: Wanted, lock: &Lock<'_>, force: bool, watch: &mut dyn Watch) -> Result<Report> {
    publish(target, wanted, lock, &Publication { whom: &Whom::default(), text: "the first", force }, watch)
}

/// Everything that follows from the configuration, with the first generation, and without those that nobody needs any more.
/// `trees` were made of `wanted`.
///
/// # Errors
/// Those of [`workflow::run`].
pub fn apply(
    target: &Target,
    wanted: Wanted,
    trees: Trees,
    lock: &Lock<'_>,
    force: bool,
    watch: &mut dyn Watch,
) -> Result<Report> {
    if is_first_due(target, &wanted.site) {
        return first(target, wanted, lock, force, watch);
    }
    let going = superfluous(target, &wanted)?;
    everything_but(target, wanted, trees, lock, &going, force, watch)
}

/// Has the menus name what is served by now. All else is in `trees` as it was for [`serve`].
fn switch(target: &Target, wanted: Wanted, trees: Trees, lock: &Lock<'_>, force: bool, watch: &mut dyn Watch) -> Result<Report> {
    let going = superfluous(target, &wanted)?;
    let trees = Trees { menus: menus::tree(&wanted, &target.root)?, made_of: made_of(&wanted, &target.root)?, ..trees };
    everything_but(target, wanted, trees, lock, &going, force, watch)
}

/// Everything that follows from the configuration, without these generations, which nobody needs.
///
/// # Errors
/// Those of [`workflow::run`].
pub fn without(target: &Target, wanted: Wanted, lock: &Lock<'_>, going: &[Number], watch: &mut dyn Watch) -> Result<Report> {
    let (mut report, stay) = everything(target, wanted, None, lock, going, false, watch)?;
    report.failures.extend(stay);
    Ok(report)
}

/// The same where nobody asked for their removal: that one stays is no more than a note.
fn everything_but(
    target: &Target,
    wanted: Wanted,
    trees: Trees,
    lock: &Lock<'_>,
    going: &[Number],
    force: bool,
    watch: &mut dyn Watch,
) -> Result<Report> {
    let (mut report, stay) = everything(target, wanted, Some(trees), lock, going, force, watch)?;
    report.notes.extend(stay);
    Ok(report)
}

fn everything(
    target: &Target,
    mut wanted: Wanted,
    trees: Option<Trees>,
    lock: &Lock<'_>,
    going: &[Number],
    force: bool,
    watch: &mut dyn Watch,
) -> Result<(Report, Vec<String>)> {
    // Whatever is rendered from now on does not know them: nothing serves one when it goes.
    let going: Vec<Generation> = going.iter().filter_map(|number| wanted.without_generation(*number)).collect();
    // Trees that were made before name those that go.
    let trees = match trees.filter(|_| going.is_empty()) {
        Some(trees) => trees,
        None => Trees::of(&wanted, &target.root)?,
    };
    let work = Work { force, ..Work::everything(&trees) };
    let report = workflow::run(target, &wanted, lock, &work, watch)?;
    // The program ends soon, and to give back piece by piece what ten thousand nodes took is work of its own.
    std::mem::forget((wanted, trees));
    let mut stay = Vec::new();
    if report.failures.is_empty() {
        for generation in going {
            match remove(target, lock, &generation) {
                Ok(()) => watch.said(&format!("removed generation {}", generation.number)),
                Err(error) => stay.push(format!("generation {} stays: {error:#}", generation.number)),
            }
        }
    }
    Ok((report, stay))
}

/// Goes on as if the generations were gone that nobody needs any more, and says which these are.
///
/// # Errors
/// When the server's records cannot be read.
pub fn forget_superfluous(target: &Target, wanted: &mut Wanted) -> Result<Vec<Number>> {
    let going = superfluous(target, wanted)?;
    going.iter().for_each(|number| _ = wanted.without_generation(*number));
    Ok(going)
}

/// The generations that neither a menu nor a node needs, and that `keep` does not hold.
fn superfluous(target: &Target, wanted: &Wanted) -> Result<Vec<Number>> {
    // Who runs what is only seen on the machine itself.
    let Some(machine) = target.machine() else { return Ok(Vec::new()) };
    let generations = &wanted.site.generations;
    if generations.made.len() < 2 {
        return Ok(Vec::new());
    }
    let used = whom::in_use(target, &wanted.site, machine)?;
    Ok(generation::superfluous(generations, &wanted.site.named_generations(), &used, usize::from(wanted.site.root.keep)))
}

/// Removes a generation that is served no longer.
///
/// # Errors
/// When something still has it.
pub fn remove(target: &Target, lock: &Lock<'_>, generation: &Generation) -> Result<()> {
    if let Some(machine) = target.machine() {
        roots::withdraw(machine, generation.number)?;
    }
    generation::remove(lock, &target.root, target.machine(), generation)
}

/// Refuses what would be of no use.
fn refuse_where_nothing_is_published(target: &Target, site: &Site, whom: &Whom) -> Result<()> {
    if !whom::use_generations(site, whom) {
        bail!("`root_server` names one root for all, so there is nothing to publish; put {{generation}} into its path");
    }
    if let Runs::Outside = target.runs {
        bail!("this is a chroot of the lower tree, which does not see who uses what; run this outside of it");
    }
    Ok(())
}

fn make(target: &Target, wanted: &Wanted, lock: &Lock<'_>, number: Number, text: &str, watch: &mut dyn Watch) -> Result<Number> {
    let generations = &wanted.site.generations;
    let private = wanted.site.private();
    let now = clock::now()?;
    let order = Order { text, private: &private, now };
    let (storage, why) = generation::storage(&target.root, target.machine());
    let progress = watch.progress();
    progress.begin(&format!("making generation {number} ({storage}: {why})"));
    generation::make(lock, &target.root, target.machine(), number, generations.newest(), &order, progress)?;
    progress.done(&format!("made generation {number}"));
    Ok(number)
}

/// Serves all that nodes need who will boot what is `wanted`, but for the menus.
fn serve(target: &Target, wanted: &Wanted, lock: &Lock<'_>, images: Which, force: bool, watch: &mut dyn Watch) -> Result<Trees> {
    let trees = Trees::of(wanted, &target.root)?;
    let work = Work { files: Some(&trees), images, menus: false, prune: false, force };
    workflow::run(target, wanted, lock, &work, watch)?.is_done()?;
    Ok(trees)
}

/// Nobody boots it, and nothing shall be left of it.
fn take_back(target: &Target, mut wanted: Wanted, lock: &Lock<'_>, number: Number, watch: &mut dyn Watch) -> Result<()> {
    let Some(generation) = wanted.without_generation(number) else { return Ok(()) };
    serve(target, &wanted, lock, Which::Present, false, watch)?;
    remove(target, lock, &generation)
}
