use super::*;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// A book and the rows that its records leave, as the journal keeps them.
#[derive(Default)]
struct Kept {
    book: Book,
    rows: BTreeMap<String, StateRow>,
    seq: u64,
}

impl Kept {
    fn take(&mut self, kind: Kind, data: Value) {
        let data = object(data);
        self.seq += 1;
        for (key, body) in rows(kind, &data) {
            match body {
                Some(body) => {
                    let row = StateRow { key: key.clone(), body: body.to_string(), seq: self.seq };
                    self.rows.insert(key, row);
                }
                None => drop(self.rows.remove(&key)),
            }
        }
        self.book.stated(kind, &data);
    }

    /// A sealing, which says what gives way.
    fn seal(&mut self, unit: &str, seal: &str, spent: &[&str]) {
        let gone = self.book.gives_way(Some(unit), spent);
        let data =
            json!({ "unit": unit, "seal": seal, "class": "H", "on": "2026-11-22", "spent": spent, "gave_way": gone });
        self.take(Kind::SealAffixed, data);
    }

    fn recovered(&self) -> Book {
        Book::recover(&self.rows.values().cloned().collect::<Vec<_>>())
    }
}

#[test]
fn r20_the_unit_sealed_longest_ago_gives_way_before_a_start_and_behind_it() {
    let mut kept = Kept::default();
    for n in 0..UNITS_MAX {
        kept.seal(&format!("U{n}"), &format!("S{n}"), &[]);
    }
    assert_eq!(kept.rows.len(), UNITS_MAX);
    // The first is sealed anew: it is not the oldest any more.
    kept.seal("U0", "S0A", &["S0"]);
    assert!(kept.book.in_force("U1").is_some());
    kept.book = kept.recovered();
    kept.seal("NEW", "S", &[]);
    assert!(kept.book.in_force("U1").is_none() && kept.book.in_force("U0").is_some());
    assert_eq!(kept.rows.keys().filter(|key| key.starts_with(SEAL)).count(), UNITS_MAX);
    assert!(kept.recovered().in_force("U1").is_none());
}

#[test]
fn r20_the_seals_used_up_longest_ago_give_way() {
    let mut kept = Kept::default();
    for n in 0..SPENT_MAX {
        kept.seal("U", &format!("S{n}"), &[&format!("OLD{n}")]);
    }
    kept.seal("U", "S", &["A", "B"]);
    for book in [&kept.book, &kept.recovered()] {
        assert_eq!((book.spent("OLD0"), book.spent("OLD1")), (None, None));
        assert_eq!(book.spent("OLD2"), Some(("U", Spent::Replaced)));
        assert_eq!(book.spent("B"), Some(("U", Spent::Replaced)));
    }
    assert_eq!(kept.rows.keys().filter(|key| key.starts_with(SPENT)).count(), SPENT_MAX);
}

#[test]
fn r20_the_inspection_made_longest_ago_gives_way() {
    let mut kept = Kept::default();
    for n in 0..=UNITS_MAX {
        let unit = format!("U{n}");
        let gone = kept.book.inspection_gives_way(&unit);
        kept.take(Kind::UnitInspected, json!({ "unit": unit, "on": "2026-11-22", "result": "pass", "gave_way": gone }));
    }
    for book in [&kept.book, &kept.recovered()] {
        assert_eq!((book.inspected("U0"), book.inspected("U1")), (None, Some(true)));
    }
    assert_eq!(kept.rows.len(), UNITS_MAX);
}

#[test]
fn a_late_report_leaves_no_row() {
    let data = object(json!({ "unit": "U", "seal": "S", "on": "2026-11-22", "spent": ["OLD"], "late": true }));
    for kind in [Kind::SealAffixed, Kind::SealRemoved, Kind::CustodyChanged] {
        assert_eq!(rows(kind, &data), []);
    }
}
