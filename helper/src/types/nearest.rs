//! What somebody may have meant.

/// The one of `known` that `wrong` is most likely a slip of the pen for; `None` when none is near,
/// or several are as near.
#[must_use]
pub fn nearest<'known>(wrong: &str, known: impl IntoIterator<Item = &'known str>) -> Option<&'known str> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().take(LONGEST).collect();
    let near = known.into_iter().filter_map(|known| {
        let word: Vec<char> = known.to_lowercase().chars().take(LONGEST).collect();
        let distance = distance(&wrong, &word);
        // One slip in three letters, and never more than three.
        (distance <= (wrong.len().max(word.len()) / 3).min(3)).then_some((distance, known))
    });
    // Of two that are as near, neither is the likelier.
    let mut near: Vec<(usize, &str)> = near.collect();
    near.sort_unstable();
    near.dedup();
    match near[..] {
        [(distance, first), ref rest @ ..] if rest.first().is_none_or(|(next, _)| *next > distance) => Some(first),
        _ => None,
    }
}

/// Nobody mistypes a longer word so that it can be told; the time is that of its square.
const LONGEST: usize = 64;

/// How many letters are to be put in, left out, changed or swapped with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let swapped = i > 0 && j > 0 && left[i - 1] == *r && right[j - 1] == *l;
            let ways = [rows[i][j] + usize::from(l != r), rows[i][j + 1] + 1, row[j] + 1];
            let swap = if swapped { rows[i - 1][j - 1] + 1 } else { usize::MAX };
            row.push(ways.into_iter().min().unwrap_or(0).min(swap));
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

/// The guess as the beginning of a remedy, or nothing.
#[must_use]
pub fn did_you_mean<'known>(wrong: &str, known: impl IntoIterator<Item = &'known str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |meant| format!("did you mean `{meant}`? "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let known = ["address", "dns", "dhcp", "gateway", "mac"];
        for (wrong, meant) in [("adress", "address"), ("dsn", "dns"), ("GateWay", "gateway"), ("dhpc", "dhcp"), ("macs", "mac")] {
            assert_eq!(nearest(wrong, known), Some(meant), "{wrong}");
        }
        assert_eq!(nearest("node9", ["node1", "node2"]), None);
        assert_eq!(nearest("nod1", ["node1", "node2", "node1"]), Some("node1"));
        for wrong in ["", "x", "route", "name", "no"] {
            assert_eq!(nearest(wrong, known), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn one_swapped_changed_or_missing_letter_is_near(word in "[a-z]{4,12}", at in 0usize..3, letter in "[a-z]") {
            let mut swapped: Vec<char> = word.chars().collect();
            swapped.swap(at, at + 1);
            let mut missing = word.clone();
            missing.remove(at);
            let mut changed = word.clone();
            changed.replace_range(at..=at, &letter);
            for wrong in [swapped.iter().collect(), missing, changed] {
                prop_assert_eq!(nearest(&wrong, [word.as_str()]), Some(word.as_str()), "{}", wrong);
            }
        }
    }
}
