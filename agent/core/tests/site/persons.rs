//! Who did something stands beside the record and never in it, and can be erased.

use crate::harness::{DOOR, World};
use picket_core::erasure::{self, Erasure};
use picket_core::register::imported::Imported;
use picket_core::sensitivity::{Channel, Label, Sensitivity, WITHHELD};
use picket_core::wire::{Act, Input, Rebased};
use picket_record::kind::Kind;
use picket_record::personal::Personal;
use serde_json::{Value, json};

const FORCED: &str = "door-forced/DOOR-1";

fn acknowledged() -> World {
    let mut world = World::with(|_, _| {});
    world.run_s(1);
    world.contacts[DOOR] = true;
    world.run_s(1);
    world.acknowledge(FORCED);
    world.run_s(1);
    world
}

fn shown(world: &World) -> String {
    world.alarm(FORCED).unwrap().acknowledged_by.unwrap()
}

/// Number of the record that states the act. Record 1 is the opening.
fn act(world: &World) -> u64 {
    let found = world.journal.records.iter().position(|body| body.kind == Kind::ActAcknowledged).unwrap();
    2 + found as u64
}

fn erase(world: &mut World, records: Vec<(u64, u64)>) {
    let erasure = Erasure::new(records, "data protection office", "asked for").unwrap();
    world.give(Input::Act { act: Act::Erase(erasure), ticket: Some(3) });
    world.run_s(1);
}

#[test]
fn a_guards_name_and_words_stand_beside_the_record_of_the_act() {
    let world = acknowledged();
    let body = world.journal.records.iter().find(|body| body.kind == Kind::ActAcknowledged).unwrap();
    let Some(Personal::Said(said)) = &body.personal else { panic!("{body:?}") };
    assert_eq!(said.as_str(), r#"{"by":"Ines","terminal":"10.0.0.7"}"#);
    let told = format!("{body:?} {:?}", world.journal.rows);
    assert!(!told.contains("Ines") && !told.contains("10.0.0.7"), "{told}");
    assert_eq!(shown(&world), "Ines");
}

#[test]
fn a_restart_knows_who_acknowledged_while_the_name_is_kept() {
    let mut world = acknowledged().restarted();
    world.run_s(1);
    assert_eq!(shown(&world), "Ines");
    world.journal.personal.clear();
    let mut world = world.restarted();
    world.run_s(1);
    assert_eq!(shown(&world), "(name not kept)");
}

#[test]
fn an_erasure_is_stated_with_its_authority_and_the_name_is_shown_no_longer() {
    let mut world = acknowledged();
    let seq = act(&world);
    erase(&mut world, vec![(1, seq - 1)]);
    assert_eq!(shown(&world), "Ines");
    erase(&mut world, vec![(seq, seq)]);
    assert_eq!(shown(&world), "(name not kept)");
    let stated = world.journal.records.iter().rposition(|body| body.kind == Kind::PersonalErased).unwrap();
    let number = 2 + stated as u64;
    let data = &world.journal.records[stated].data;
    assert_eq!(erasure::erased(number, data), [(seq, seq)]);
    assert_eq!((&data["authority"], &data["reason"]), (&"data protection office".into(), &"asked for".into()));
    assert_eq!(world.acted.last(), Some(&(3, Ok(number))));
}

#[test]
fn a_name_that_went_with_a_branch_is_shown_no_longer_and_one_from_before_it_is() {
    for (behind, name) in [(1, "Ines"), (0, "(name not kept)")] {
        let mut world = acknowledged();
        let (head, first) = (world.journal.head, act(&world) + behind);
        world.give(Input::Rebased(Rebased {
            tail: "rollback".into(),
            found: head,
            upto: head + 40,
            head: head + 42,
            left: head + 1 - first,
            branch: None,
            summed_up: 0,
            nameless_from: first,
        }));
        assert_eq!(shown(&world), name, "the branch begins at {first} of {head}");
    }
}

#[test]
fn a_channel_shows_what_its_ceiling_lets_and_always_what_rings() {
    let mut world = acknowledged();
    world.scan("XX999");
    world.run_s(1);
    let status = world.status();
    let table = Sensitivity::default();
    assert_eq!(status.on(Channel::Guard, &table), status);
    let page = status.on(Channel::Page, &table);
    let by: Vec<_> = page.alarms.iter().filter_map(|alarm| alarm.acknowledged_by.as_deref()).collect();
    assert_eq!(by, [WITHHELD]);
    assert!(page.alarms.iter().any(|alarm| alarm.facts.values().any(|fact| fact == "XX999")), "{page:#?}");
    let table = table.with_ceiling(Channel::Page, Label::Open);
    let bare = status.on(Channel::Page, &table);
    let ids = |status: &picket_core::status::Status| status.alarms.iter().map(|a| a.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&bare), ids(&status));
    assert!(bare.alarms.iter().flat_map(|alarm| alarm.facts.values()).all(|fact| fact == WITHHELD), "{bare:#?}");
    assert!(bare.equipment.iter().flat_map(|item| item.signals.values()).all(|value| value == WITHHELD));
}

#[test]
fn r12_an_import_of_a_register_is_a_record_and_who_did_it_stands_beside_it() {
    let mut world = World::with(|_, _| {});
    world.run_s(1);
    let fields = [("equipment", "18"), ("added", "1"), ("changed", "2"), ("gone", "3"), ("by", "Ines")];
    let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let import = Imported::read(&"0f".repeat(32), &fields).unwrap();
    world.give(Input::Act { act: Act::Import(import), ticket: Some(3) });
    world.run_s(1);
    let stated: Vec<_> = world.journal.records.iter().filter(|body| body.kind == Kind::RegisterImported).collect();
    assert_eq!(stated.len(), 1);
    let wanted = json!({ "digest": "0f".repeat(32), "equipment": 18, "added": 1, "changed": 2, "gone": 3 });
    assert_eq!(Value::Object(stated[0].data.clone()), wanted);
    let Some(Personal::Said(said)) = &stated[0].personal else { panic!("{stated:?}") };
    assert_eq!(said.as_str(), r#"{"by":"Ines"}"#);
    // It comes into force with a start, and no sooner.
    assert!(
        !world
            .journal
            .records
            .iter()
            .skip_while(|body| body.kind != Kind::RegisterImported)
            .any(|body| body.kind == Kind::RegisterApplied)
    );
}
