//! Generations: read-only copies of the shared root that clients boot, numbered and never changed.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{did_you_mean, shown, whole_number};

/// Counts from 1; a number is never used again.
pub type Number = u32;

/// Which root a client boots, as the configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootWish {
    /// The generation that was published last for it.
    #[default]
    Newest,
    /// This generation.
    Number(Number),
    /// The live tree, which changes under its nodes.
    Head,
}

impl RootWish {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "newest" => Ok(Self::Newest),
            "head" => Ok(Self::Head),
            _ => match whole_number::<Number>(text).filter(|number| *number > 0) {
                Some(number) => Ok(Self::Number(number)),
                None => Err(format!(
                    "`{}` is not a generation; {}write \"newest\", a number such as 3 as `voidclust generation list` shows it, \
                     or \"head\" for the live tree",
                    shown(text),
                    did_you_mean(text, ["newest", "head"])
                )),
            },
        }
    }
}

impl std::str::FromStr for RootWish {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for RootWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest"),
            Self::Number(number) => number.fmt(f),
            Self::Head => f.write_str("head"),
        }
    }
}

impl Serialize for RootWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for RootWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = RootWish;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"newest\", \"head\" or the number of a generation")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RootWish, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<RootWish, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What keeps a generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// A clone of a snapshot: this data set.
    Zfs(String),
    /// A snapshot of the subvolume that the root is.
    Btrfs,
    /// Files, of which those that did not change are one with those of the generation before.
    Copy,
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zfs(_) => "zfs",
            Self::Btrfs => "btrfs",
            Self::Copy => "copy",
        })
    }
}

/// A generation that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Generation {
    /// Its number.
    pub number: Number,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// What the administrator said of it.
    #[serde(default)]
    pub text: String,
    /// What keeps it.
    pub storage: Storage,
    /// The kernels that it has modules of, oldest first.
    pub kernels: Vec<String>,
}

/// Who boots which generation, of those that want the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(default)]
pub struct Published {
    /// The highest number there ever was.
    pub last: Number,
    /// What all boot that are not named below; 0 before the first.
    pub all: Number,
    /// Profiles that boot another one, by name.
    pub profiles: BTreeMap<String, Number>,
    /// Nodes that boot another one, whatever their profiles do.
    pub nodes: BTreeMap<String, Number>,
}

impl Published {
    /// What is published when these boot a number from now on, and all others as before; with nobody named, all. `has` says
    /// whether a node has a profile: what was said of such a node alone is over when its profile is named.
    #[must_use]
    pub fn to(&self, number: Number, whom: &Whom, has: impl Fn(&str, &str) -> bool) -> Self {
        let last = self.last.max(number);
        if whom.is_all() {
            return Self { last, all: number, ..Self::default() };
        }
        let mut published = Self { last, ..self.clone() };
        published.nodes.retain(|node, _| !whom.profiles.iter().any(|profile| has(node, profile)));
        published.profiles.extend(whom.profiles.iter().map(|name| (name.clone(), number)));
        published.nodes.extend(whom.nodes.iter().map(|name| (name.clone(), number)));
        published
    }

    /// Who boots another one than all, with each of these: `4 for node1, profile blue`.
    #[must_use]
    pub fn exceptions(&self) -> Vec<String> {
        self.on_trial().into_iter().map(|(number, whom)| format!("{number} for {whom}")).collect()
    }

    /// The same by number.
    #[must_use]
    pub fn on_trial(&self) -> BTreeMap<Number, Whom> {
        let mut on_trial: BTreeMap<Number, Whom> = BTreeMap::new();
        for (name, number) in self.nodes.iter().filter(|(_, number)| **number != self.all) {
            on_trial.entry(*number).or_default().nodes.push(name.clone());
        }
        for (name, number) in self.profiles.iter().filter(|(_, number)| **number != self.all) {
            on_trial.entry(*number).or_default().profiles.push(name.clone());
        }
        on_trial
    }

    /// All numbers that somebody boots.
    pub fn numbers(&self) -> impl Iterator<Item = Number> {
        self.profiles.values().chain(self.nodes.values()).chain([&self.all]).copied().filter(|number| *number > 0)
    }
}

/// For whom something is published: all, or these alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    /// Profiles, by name.
    pub profiles: Vec<String>,
    /// Nodes, by their names as configured.
    pub nodes: Vec<String>,
}

impl Whom {
    /// Whether nobody is named.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.profiles.is_empty() && self.nodes.is_empty()
    }

    /// As `--only` takes them.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.nodes.iter().chain(&self.profiles).map(String::as_str).collect()
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        let profiles = self.profiles.iter().map(|name| format!("profile {name}"));
        f.write_str(&self.nodes.iter().cloned().chain(profiles).collect::<Vec<_>>().join(", "))
    }
}

/// The generations there are, and who boots which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Generations {
    /// By number.
    pub made: BTreeMap<Number, Generation>,
    /// What was published.
    pub published: Published,
}

impl Generations {
    /// The number that the next one gets.
    #[must_use]
    pub fn next(&self) -> Number {
        self.made.keys().next_back().copied().unwrap_or(0).max(self.published.last) + 1
    }

    /// The newest one.
    #[must_use]
    pub fn newest(&self) -> Option<&Generation> {
        self.made.values().next_back()
    }

    /// The one with a number.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, number: Number) -> anyhow::Result<&Generation> {
        let found = self.made.get(&number);
        found.with_context(|| format!("there is no generation {number}; list them with: voidclust generation list"))
    }

    /// The newest one that is older than a number.
    #[must_use]
    pub fn before(&self, number: Number) -> Option<Number> {
        self.made.range(..number).next_back().map(|(number, _)| *number)
    }

    /// Whether it has the modules of a kernel.
    #[must_use]
    pub fn has_kernel(&self, number: Number, kernel: &str) -> bool {
        self.made.get(&number).is_some_and(|made| made.kernels.iter().any(|own| own == kernel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Table {
        generation: RootWish,
    }

    #[test]
    fn a_generation_is_wished_by_a_word_or_a_number() {
        for (text, wish) in [("\"newest\"", RootWish::Newest), ("\"head\"", RootWish::Head), ("7", RootWish::Number(7))] {
            let table: Table = toml::from_str(&format!("generation = {text}")).unwrap();
            assert_eq!(table.generation, wish);
            assert_eq!(toml::to_string(&table).unwrap().trim(), format!("generation = {text}"));
        }
        for text in ["\"oldest\"", "0", "-1", "\"07\"", "4294967296", "1.5", "[]"] {
            assert!(toml::from_str::<Table>(&format!("generation = {text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_published_to_some_is_over_when_it_is_published_to_all() {
        let some = |profiles: &[&str], nodes: &[&str]| Whom {
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
            nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let has = |node: &str, profile: &str| node == "n1" && profile == "p";
        let published = Published { last: 1, all: 1, ..Published::default() };
        let published = published.to(2, &some(&[], &["n1", "n2"]), has);
        assert_eq!((published.all, published.nodes.len(), published.last), (1, 2, 2));
        let published = published.to(3, &some(&["p"], &[]), has);
        assert_eq!(published.nodes.keys().collect::<Vec<_>>(), ["n2"]);
        assert_eq!(published.exceptions(), ["2 for n2", "3 for profile p"]);
        assert_eq!(published.numbers().collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(published.to(2, &Whom::default(), has), Published { last: 3, all: 2, ..Published::default() });
    }

    #[test]
    fn a_number_is_never_used_again() {
        let mut generations = Generations::default();
        assert_eq!(generations.next(), 1);
        generations.published.last = 4;
        assert_eq!(generations.next(), 5);
    }
}
