//! From the Site and its overlays to what every machine lays over /etc: a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::archive::Writer;
use crate::disk::tree::{Bytes, Content, Item, Tree};
use crate::parallel;
use crate::paths;
use crate::render::layers::kind;
pub use crate::render::layers::{Machine, Reason};
use crate::render::outline::{Outline, Placed};
use crate::render::overlay::{Origin, Overlays, Piece};
use crate::render::parts::{Parts, Shared, Singles};
use crate::render::template::{OfKind, Scope, Templates};
use crate::site::Site;
use crate::types::Problem;
use crate::types::identity::Identity;

/// Fewer machines are done sooner than a thread is made.
const FEW: usize = 8;

/// The most that templates may render to for all machines together, in bytes.
const RENDERED_MAX: u64 = 1 << 30;

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// Who brings it.
    pub origin: Origin,
    /// Why it is laid.
    pub reason: Reason,
    /// The file on the disk, or the key of the configuration.
    #[serde(rename = "source")]
    pub file: String,
}

/// What a machine lays over /etc, by path, and where each comes from.
pub type Layout = BTreeMap<String, (Item, Source)>;

/// Composes for every machine of the site.
#[derive(Debug)]
pub struct Composer<'a> {
    site: &'a Site,
    overlays: &'a Overlays,
    templates: Templates,
    /// What is wrong whatever the machine: overlays that cannot be read, templates that do not compile.
    problems: Vec<Problem>,
    /// The files of those templates.
    broken: BTreeSet<String>,
}

impl<'a> Composer<'a> {
    /// Compiles every template once.
    #[must_use]
    pub fn new(site: &'a Arc<Site>, overlays: &'a Overlays) -> Self {
        let mut templates = Templates::new(site);
        let mut problems = overlays.problems.clone();
        let mut broken = BTreeSet::new();
        for piece in overlays.named.values().flat_map(BTreeMap::values) {
            if let Some(text) = piece.text()
                && let Err(failure) = templates.add(&piece.file, &text)
            {
                problems.push(failure.in_file(&piece.file));
                broken.insert(piece.file.clone());
            }
        }
        Self { site, overlays, templates, problems, broken }
    }

    /// Whether an overlay of the site has a file at this path.
    #[must_use]
    pub fn site_has(&self, path: &str) -> bool {
        self.overlays.named.values().any(|overlay| overlay.get(path).is_some_and(|piece| piece.origin == Origin::Site))
    }

    /// What the machine lays over /etc.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn layout(&self, machine: Machine<'a>) -> Result<Layout, Vec<Problem>> {
        self.layout_of(machine, &|_| true)
    }

    /// The same, with only those of the files that are rendered which are `asked` for: the master has some with a line for
    /// each node.
    ///
    /// # Errors
    /// Everything that is wrong with these.
    pub fn layout_of(&self, machine: Machine<'a>, asked: &dyn Fn(&str) -> bool) -> Result<Layout, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems.clone());
        }
        let (scope, mut of_kind) = (self.templates.scope(machine), OfKind::new());
        let mut outline = Outline::of(self.site, self.overlays, machine, |_| true);
        if outline.conditional {
            outline = self.outline_by_rendering(machine, &scope, &mut of_kind);
        }
        let mut parts = Parts::of(&outline, self.overlays);
        parts.single.retain(|(path, _)| asked(path));
        let (rendered, mut problems) = self.rendered(&parts, machine, &scope, &mut of_kind);
        problems.extend(outline.problems.iter().cloned());
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut layout = Layout::new();
        for (path, placed) in &outline.placed {
            let Placed { piece, reason, .. } = placed;
            let item = if placed.is_single() { rendered.get(path.as_ref()).cloned() } else { Some(piece.item.clone()) };
            if let Some(item) = item {
                let source = Source { origin: piece.origin, reason: reason.clone(), file: piece.file.clone() };
                layout.insert(path.to_string(), (item, source));
            }
        }
        Ok(layout)
    }

    /// Everything that is wrong for any machine, each once: a template that fails for ten thousand nodes is one mistake.
    /// Nothing is kept of what is rendered.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let budget = AtomicU64::new(RENDERED_MAX);
        let found = parallel::shares(&self.machines(), FEW, |machines| self.each(machines, &budget, |_, _, _| Ok(())));
        self.and_all(found.into_iter().flatten())
    }

    /// The archives of all machines.
    ///
    /// # Errors
    /// What [`Composer::check`] returns.
    pub fn archives(&self) -> Result<Tree, Vec<Problem>> {
        let (budget, shared) = (AtomicU64::new(RENDERED_MAX), Shared::default());
        let parts = parallel::shares(&self.machines(), FEW, |machines| {
            let (mut tree, mut writer) = (Tree::default(), Writer::default());
            let problems = self.each(machines, &budget, |machine, parts, rendered| {
                for (overlay, archive) in parts.archives(rendered, &shared, &mut writer)? {
                    for name in self.names(machine) {
                        let path = overlay.map_or_else(|| paths::archive(&name), |overlay| paths::shared_archive(&name, overlay));
                        tree.insert(path, archive.clone());
                    }
                }
                Ok(())
            });
            (tree, problems)
        });
        let mut tree = Tree::default();
        let mut problems = Vec::new();
        for (part, found) in parts {
            tree.extend(part);
            problems.extend(found);
        }
        let problems = self.and_all(problems);
        if problems.is_empty() { Ok(tree) } else { Err(problems) }
    }

    /// These problems and those of no machine, by file and line, each once.
    fn and_all(&self, found: impl IntoIterator<Item = Problem>) -> Vec<Problem> {
        let all: BTreeSet<Problem> = self.problems.iter().cloned().chain(found).collect();
        all.into_iter().collect()
    }

    /// All machines, those that are alike one after the other.
    fn machines(&self) -> Vec<Machine<'a>> {
        let nodes = self.site.nodes.iter().map(Machine::Node);
        let mut machines: Vec<Machine<'_>> = [Machine::Master, Machine::Unlisted].into_iter().chain(nodes).collect();
        machines.sort_by_cached_key(|machine| kind(self.site, *machine));
        machines
    }

    /// Renders for each machine, and hands what came of it on. Returns what is wrong. `budget` is what all machines may
    /// still render to, in bytes.
    fn each(
        &self,
        machines: &[Machine<'a>],
        budget: &AtomicU64,
        mut use_it: impl FnMut(Machine<'a>, &Parts<'_>, &Singles<'_>) -> anyhow::Result<()>,
    ) -> BTreeSet<Problem> {
        let mut problems = BTreeSet::new();
        for alike in machines.chunk_by(|left, right| kind(self.site, *left) == kind(self.site, *right)) {
            // What they have in common is worked out once.
            let outline = Outline::of(self.site, self.overlays, alike[0], |_| true);
            let parts = Parts::of(&outline, self.overlays);
            let mut of_kind = OfKind::new();
            for machine in alike {
                let scope = self.templates.scope(*machine);
                let own = outline.conditional.then(|| self.outline_by_rendering(*machine, &scope, &mut of_kind));
                let own_parts = own.as_ref().map(|own| Parts::of(own, self.overlays));
                let parts = own_parts.as_ref().unwrap_or(&parts);
                problems.extend(own.as_ref().unwrap_or(&outline).problems.iter().cloned());
                let (rendered, failed) = self.rendered(parts, *machine, &scope, &mut of_kind);
                problems.extend(failed);
                if let Some(problem) = spend(budget, &rendered, parts) {
                    problems.insert(problem);
                    return problems;
                }
                if problems.is_empty()
                    && let Err(error) = use_it(*machine, parts, &rendered)
                {
                    problems.insert(format!("{error:#}").into());
                }
            }
        }
        problems
    }

    /// What stands where on this very machine, by what its templates bring.
    fn outline_by_rendering(&self, machine: Machine<'a>, scope: &Arc<Scope>, of_kind: &mut OfKind) -> Outline<'a> {
        // What fails is told when it is rendered in earnest.
        let brings = |piece: &Piece| self.templates.render(&piece.file, scope, of_kind).map_or(true, |file| file.is_some());
        Outline::of(self.site, self.overlays, machine, brings)
    }

    /// What the templates become for a node, and what is its own; a template that renders to nothing brings no file.
    fn rendered<'o>(
        &self,
        parts: &Parts<'o>,
        machine: Machine<'_>,
        scope: &Arc<Scope>,
        of_kind: &mut OfKind,
    ) -> (Singles<'o>, Vec<Problem>) {
        let mut rendered = Singles::new();
        let mut problems = Vec::new();
        let own = if let Machine::Node(node) = machine { self.site.identity_of(node) } else { None };
        for (name, bytes) in own.into_iter().flat_map(|identity| &identity.0) {
            let (path, mode) = Identity::place(name);
            // Not where the site has something else.
            if let Some((path, _)) = parts.single.iter().find(|(at, piece)| *at == path && !piece.template) {
                rendered.insert(path, Item::file(bytes.to_vec()).with_mode(mode));
            }
        }
        let templates = parts.single.iter().filter(|(_, piece)| piece.template);
        for (path, piece) in templates.filter(|(_, piece)| !self.broken.contains(&piece.file)) {
            match self.templates.render(&piece.file, scope, of_kind) {
                Ok(None) => {}
                Ok(Some(bytes)) => _ = rendered.insert(path, Item { content: Content::File(bytes), ..piece.item.clone() }),
                Err(failure) => problems.push(failure.in_file(&piece.file)),
            }
        }
        (rendered, problems)
    }

    fn names(&self, machine: Machine<'_>) -> Vec<String> {
        match machine {
            Machine::Master => vec![self.site.master.mac.to_string()],
            Machine::Node(node) => node.macs.iter().map(ToString::to_string).collect(),
            Machine::Unlisted => vec![paths::DEFAULT_NODE.to_owned()],
        }
    }
}

/// Takes what was rendered off the budget; the problem is of the file that takes the most when nothing is left.
fn spend(budget: &AtomicU64, rendered: &Singles<'_>, parts: &Parts<'_>) -> Option<Problem> {
    let sum: usize = rendered.values().filter_map(Item::bytes).map(Bytes::len).sum();
    if budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(sum as u64)).is_ok() {
        return None;
    }
    let size = |path: &str| rendered.get(path).and_then(Item::bytes).map_or(0, Bytes::len);
    let (path, piece) = parts.single.iter().max_by_key(|(path, _)| size(path))?;
    let what = format!(
        "templates render to more than {} MiB for all nodes, this one to {} bytes for one",
        RENDERED_MAX >> 20,
        size(path)
    );
    Some(Problem::new(piece.file.as_str(), what).remedy("let it write less; what is the same for all nodes needs no template"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{copied, example_site, overlays, template};

    #[test]
    fn a_failing_template_is_named_with_its_line_once_for_all_nodes() {
        let site = Arc::new(example_site());
        let overlays = overlays(&[("client", &[("a", template("\n{{ nope }}"))])]);
        let composer = Composer::new(&site, &overlays);
        let problems = composer.archives().unwrap_err();
        assert_eq!((problems.len(), &problems), (1, &composer.check()));
        assert!(problems[0].to_string().starts_with("client/a:2: a variable is not defined"), "{problems:?}");
    }

    #[test]
    fn a_template_that_does_not_compile_is_named_whoever_uses_it() {
        let site = Arc::new(example_site());
        let overlays = overlays(&[("spare", &[("b", template("{% if %}"))]), ("client", &[("c", template("{% if %}"))])]);
        let composer = Composer::new(&site, &overlays);
        let files: Vec<_> = composer.check().into_iter().map(|problem| (problem.file, problem.line)).collect();
        assert_eq!(files, [("client/c".to_owned(), 1), ("spare/b".to_owned(), 1)], "each once");
        assert_eq!(composer.archives().unwrap_err(), composer.check());
        assert_eq!(composer.layout(Machine::Master).unwrap_err(), composer.check());
    }

    #[test]
    fn what_overlays_have_wrong_is_told_with_the_rest_by_file() {
        let site = Arc::new(example_site());
        let mut overlays = overlays(&[("client", &[("a", template("{{ nope }}"))])]);
        overlays.problems.extend(["b", "x"].map(|file| Problem::new(file, "odd")));
        let problems = Composer::new(&site, &overlays).check();
        let files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
        assert_eq!(files, ["b", "client/a", "x"]);
    }

    #[test]
    fn a_node_with_two_cards_has_the_same_archive_under_both() {
        let mut site = example_site();
        site.nodes[0].macs.push("52:54:00:00:00:99".parse().unwrap());
        let site = Arc::new(site);
        let overlays = overlays(&[("client", &[("motd", copied("x"))])]);
        let tree = Composer::new(&site, &overlays).archives().unwrap();
        assert_eq!(tree.0[&paths::archive("52:54:00:00:00:99")], tree.0[&paths::archive(&site.nodes[0].macs[0].to_string())]);
        assert_eq!(tree.0.len(), 6, "master, default, three nodes, one of them twice");
    }

    #[test]
    fn what_all_templates_render_to_has_a_limit_that_names_the_largest() {
        let mut site = example_site();
        let node = site.nodes.pop().unwrap();
        site.nodes = vec![node; 80];
        let site = Arc::new(site);
        let overlays = overlays(&[("client", &[("small", template("x")), ("large", template("{{ 'x' * 16000000 }}"))])]);
        let problems = Composer::new(&site, &overlays).check();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().starts_with("client/large: templates render to more than 1024 MiB"), "{problems:?}");
    }
}
