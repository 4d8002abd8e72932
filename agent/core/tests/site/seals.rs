//! Seals and units: what readers read and people report becomes a record, and what is wrong rings.

use crate::harness::{World, row};
use picket_core::fields::Fields;
use picket_core::plan::ManifestRow;
use picket_core::seals::{ITEMS, UnitReport, UnitTask};
use picket_core::wire::{Act, Input};
use picket_device::seal::SealClass;
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::{Value, json};

/// On the manifest with the seal `AB123456`.
const LISTED: &str = "CSQU3054383";
/// On no paper.
const OTHER: &str = "MSKU9070323";
const THIRD: &str = "APZU4812090";
const BY: &str = "gateway:gw-1";
const WHOLE: [(&str, &str); 4] = [("view", "pass"), ("verify", "pass"), ("tug", "pass"), ("twist", "pass")];

fn world() -> World {
    let mut world = World::new();
    world.run_s(1);
    world
}

/// What comes back for a report.
fn tell(world: &mut World, task: &str, unit: &str, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    let report = UnitReport::read(UnitTask::parse(task).unwrap(), unit, &fields).unwrap();
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act: Act::Unit(report), ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

fn seal(world: &mut World, unit: &str, seal: &str) {
    tell(world, "sealing", unit, &[("seal", seal), ("class", "H")]).unwrap();
}

fn checked(world: &mut World, unit: &str, seal: &str) {
    tell(world, "seal-check", unit, &[&[("seal", seal)], WHOLE.as_slice()].concat()).unwrap();
}

fn last(world: &World, kind: Kind) -> Body {
    world.journal.records.iter().rfind(|body| body.kind == kind).cloned().expect("a record of the kind")
}

fn data(body: &Body) -> Value {
    Value::Object(body.data.clone())
}

/// Open alarms by id.
fn open(world: &World) -> Vec<String> {
    world.status().alarms.into_iter().filter(|alarm| alarm.active).map(|alarm| alarm.id).collect()
}

fn inspection(failed: &[&str]) -> Vec<(String, String)> {
    let word = |item: &&str| if failed.contains(item) { "fail" } else { "pass" };
    ITEMS.iter().map(|item| (format!("item.{item}"), word(item).to_owned())).collect()
}

#[test]
fn r20_a_sealing_is_a_record_and_the_reader_expects_that_seal_from_then_on() {
    let mut world = world();
    world.scan(OTHER);
    world.scan("UL-8830018");
    assert_eq!(open(&world), ["seal-mismatch/READER-1#MSKU9070323"], "nobody said that it is on there");
    let stated = [("seal", "ul-883 0018"), ("class", "h"), ("inspection", "WI-7")];
    let record = tell(&mut world, "sealing", "MSKU 907032-3", &stated).unwrap();
    let affixed = last(&world, Kind::SealAffixed);
    assert_eq!(record, 2 + world.journal.records.iter().position(|body| *body == affixed).unwrap() as u64);
    assert_eq!(
        data(&affixed),
        json!({
            "unit": "MSKU9070323", "seal": "UL8830018", "class": "H", "on": "2026-11-22", "inspection": "WI-7",
            "inspected": "unknown", "expected": null, "found": [],
        })
    );
    assert!(affixed.about.is_none() && affixed.severity == Severity::Notice);
    assert!(matches!(&affixed.personal, Some(Personal::Said(said)) if said.as_str() == r#"{"by":"N. N."}"#));
    world.scan("UL8830018");
    assert_eq!(data(&last(&world, Kind::SealChecked))["unit"], "MSKU9070323", "a good read is a record too");
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn r20_a_unit_without_its_seal_is_missed_a_minute_after_it_was_read() {
    let mut world = world();
    world.scan(LISTED);
    world.run_s(60);
    assert_eq!(open(&world), [""; 0], "its time is not over");
    world.run_s(1);
    assert_eq!(open(&world), ["seal-missing/READER-1#CSQU3054383"]);
    let missed = last(&world, Kind::SealMismatch);
    assert_eq!((missed.severity, missed.about.as_ref().unwrap().equipment.as_str()), (Severity::Security, "READER-1"));
    let facts = json!({
        "read": null, "is": "seal", "unit": "CSQU3054383", "expected": "AB123456", "found": ["seal-missing"],
    });
    assert_eq!(data(&missed), facts);
    // The seal that comes after all ends it.
    world.scan(LISTED);
    world.scan("AB123456");
    assert_eq!(open(&world), [""; 0]);
    world.run_s(300);
    assert_eq!(open(&world), [""; 0], "it was read");
}

#[test]
fn r20_no_seal_is_missed_where_none_is_known_to_be() {
    let mut world = world();
    world.scan(OTHER);
    world.run_s(120);
    world.scan("AB123456");
    world.run_s(120);
    assert_eq!((open(&world), world.count(Kind::SealMismatch)), (Vec::new(), 0));
}

#[test]
fn r20_a_seal_that_is_waited_for_is_missed_once_whenever_the_agent_is_killed() {
    let mut world = world();
    world.scan(LISTED);
    let mut world = world.restarted();
    world.run_s(61);
    assert_eq!(open(&world), ["seal-missing/READER-1#CSQU3054383"]);
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(300);
    assert_eq!(open(&world), ["seal-missing/READER-1#CSQU3054383"]);
    assert_eq!(world.told_since(since), [""; 0], "it is not told twice");
    // One that was read before the kill is not missed behind it.
    world.scan(LISTED);
    world.scan("AB123456");
    let mut world = world.restarted();
    world.run_s(300);
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn r20_a_seal_that_gives_way_is_broken_and_one_that_holds_is_a_good_check() {
    let mut world = world();
    checked(&mut world, LISTED, "AB-123456");
    let good = data(&last(&world, Kind::SealChecked));
    assert_eq!((&good["result"], &good["tug"], &good["read"]), (&json!("pass"), &json!("pass"), &json!("AB123456")));
    assert_eq!(open(&world), [""; 0]);
    let gave_way = [("seal", "AB123456"), ("view", "pass"), ("verify", "pass"), ("tug", "fail"), ("twist", "fail")];
    tell(&mut world, "seal-check", LISTED, &gave_way).unwrap();
    let alarm = format!("seal-broken/{BY}#{LISTED}");
    assert_eq!(open(&world), [alarm.as_str()]);
    assert_eq!(world.alarm(&alarm).unwrap().facts["failed"], "tug, twist");
    let bad = last(&world, Kind::SealMismatch);
    assert_eq!((&data(&bad)["found"], bad.severity), (&json!(["seal-broken"]), Severity::Security));
    // It is still there after a start, and the next seal, properly reported, ends it.
    let mut world = world.restarted();
    assert_eq!(open(&world), [alarm.as_str()]);
    let again = [("seal", "AB999"), ("class", "H"), ("instead", "AB123456"), ("why", "cable cut")];
    tell(&mut world, "sealing", LISTED, &again).unwrap();
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn r20_a_seal_on_two_units_or_taken_off_before_is_a_duplicate() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    world.scan("H1");
    assert_eq!(open(&world), [""; 0], "it is on one unit");
    seal(&mut world, THIRD, "H-1");
    let alarm = format!("seal-duplicate/{BY}#{THIRD}");
    assert_eq!(open(&world), [alarm.as_str()]);
    assert_eq!(world.alarm(&alarm).unwrap().facts["also_on"], OTHER);
    world.acknowledge(&alarm);
    tell(&mut world, "unsealing", THIRD, &[("seal", "H-1"), ("why", "unloaded")]).unwrap();
    assert_eq!(data(&last(&world, Kind::SealRemoved))["spent"], json!(["H1"]));
    // Used up: whoever reads it again, and after a start too.
    let mut world = world.restarted();
    world.scan(OTHER);
    world.scan("H1");
    let alarm = "seal-duplicate/READER-1#MSKU9070323";
    assert_eq!(world.alarm(alarm).unwrap().facts["was_on"], THIRD);
}

#[test]
fn r20_a_seal_that_left_with_its_unit_may_come_back_on_it_and_on_no_other() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    let leaves = [("from", "gate"), ("to", "Haulier Ltd"), ("seal", "H-1"), ("leaves", "yes")];
    tell(&mut world, "custody", OTHER, &leaves).unwrap();
    let back = [("from", "Haulier Ltd"), ("to", "gate"), ("seal", "H-1")];
    tell(&mut world, "custody", OTHER, &back).unwrap();
    assert_eq!(data(&last(&world, Kind::CustodyChanged))["found"], json!([]));
    tell(&mut world, "custody", OTHER, &leaves).unwrap();
    tell(&mut world, "custody", THIRD, &back).unwrap();
    assert_eq!(data(&last(&world, Kind::CustodyChanged))["found"], json!(["seal-duplicate"]));
    assert_eq!(open(&world), [format!("seal-duplicate/{BY}#{THIRD}")]);
}

#[test]
fn r20_another_seal_than_was_put_on_is_a_reseal_unless_it_was_reported() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    world.scan(OTHER);
    world.scan("H2");
    let alarm = "seal-reseal/READER-1#MSKU9070323";
    assert_eq!(open(&world), [alarm]);
    assert_eq!(world.alarm(alarm).unwrap().facts["expected"], "H1");
    let stated = [("seal", "H-2"), ("class", "H"), ("instead", "H-1"), ("why", "customs")];
    tell(&mut world, "sealing", OTHER, &stated).unwrap();
    let affixed = data(&last(&world, Kind::SealAffixed));
    let said = (&affixed["instead"], &affixed["why"], &affixed["spent"], &affixed["found"]);
    assert_eq!(said, (&json!("H1"), &json!("customs"), &json!(["H1"]), &json!([])));
    world.scan("H2");
    assert_eq!(open(&world), [""; 0]);
    // What it took the place of is used up.
    world.scan("H1");
    assert_eq!(open(&world), ["seal-duplicate/READER-1#MSKU9070323"]);
}

#[test]
fn r20_an_exchange_that_names_another_old_seal_than_was_on_there_is_told() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    tell(&mut world, "sealing", OTHER, &[("seal", "H-3"), ("class", "H"), ("instead", "H-2"), ("why", "torn")])
        .unwrap();
    let affixed = data(&last(&world, Kind::SealAffixed));
    assert_eq!((&affixed["found"], &affixed["spent"]), (&json!(["seal-reseal"]), &json!(["H1", "H2"])));
    // And one that names none.
    seal(&mut world, OTHER, "H-4");
    assert_eq!(data(&last(&world, Kind::SealAffixed))["found"], json!(["seal-reseal"]));
    assert_eq!(open(&world), [format!("seal-reseal/{BY}#{OTHER}")]);
}

#[test]
fn r20_a_seal_of_a_lower_class_than_its_unit_needs_is_told_and_an_unread_class_is_not() {
    let mut world = World::with(|plan, _| {
        let (unit, seal) = (OTHER.to_owned(), "S1".to_owned());
        plan.manifest.push(ManifestRow { unit, seal, reader: String::new(), class: Some(SealClass::High) });
    });
    world.run_s(1);
    let custody = [("from", "ship"), ("to", "gate"), ("seal", "S-1")];
    tell(&mut world, "custody", OTHER, &custody).unwrap();
    assert_eq!(open(&world), [""; 0], "nobody read its class");
    tell(&mut world, "custody", OTHER, &[custody.as_slice(), &[("class", "S")]].concat()).unwrap();
    let alarm = format!("seal-class/{BY}#{OTHER}");
    assert_eq!(open(&world), [alarm.as_str()]);
    let facts = world.alarm(&alarm).unwrap().facts;
    assert_eq!((facts["class"].as_str(), facts["needed"].as_str()), ("S", "H"));
    assert_eq!(last(&world, Kind::CustodyChanged).severity, Severity::Fault);
    let exchanged = [("seal", "H-9"), ("class", "H"), ("instead", "S-1"), ("why", "too weak")];
    tell(&mut world, "sealing", OTHER, &exchanged).unwrap();
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn r20_each_change_of_custody_says_what_its_check_found() {
    let cases = [
        (LISTED, "AB123456", "pass", json!([])),
        (LISTED, "none", "fail", json!(["seal-missing"])),
        (LISTED, "XX999", "fail", json!(["seal-mismatch"])),
        // Of another unit, as the papers say.
        (OTHER, "AB123456", "fail", json!(["seal-mismatch"])),
        // No paper and nobody says what should be there: neither good nor wrong.
        (OTHER, "H-1", "unknown", json!([])),
        (OTHER, "none", "unknown", json!([])),
    ];
    for (unit, seal, result, found) in cases {
        let mut world = world();
        tell(&mut world, "custody", unit, &[("from", "ship"), ("to", "gate"), ("seal", seal)]).unwrap();
        let changed = data(&last(&world, Kind::CustodyChanged));
        assert_eq!((&changed["result"], &changed["found"]), (&json!(result), &found), "{unit} {seal}");
        assert_eq!((&changed["from"], &changed["to"]), (&json!("ship"), &json!("gate")));
        let rings: Vec<String> = found.as_array().unwrap().iter().map(|rule| rule.as_str().unwrap().into()).collect();
        let told: Vec<String> = rings.iter().map(|rule: &String| format!("{rule}/{BY}#{unit}")).collect();
        assert_eq!(open(&world), told, "{unit} {seal}");
    }
}

#[test]
fn r20_the_seal_that_a_unit_came_with_is_expected_from_then_on() {
    let mut world = world();
    tell(&mut world, "custody", OTHER, &[("from", "ship"), ("to", "gate"), ("seal", "H-1")]).unwrap();
    tell(&mut world, "custody", OTHER, &[("from", "gate"), ("to", "yard"), ("seal", "H-2")]).unwrap();
    let changed = data(&last(&world, Kind::CustodyChanged));
    assert_eq!((&changed["expected"], &changed["found"]), (&json!("H1"), &json!(["seal-reseal"])));
    tell(&mut world, "custody", OTHER, &[("from", "yard"), ("to", "dock"), ("seal", "H-1")]).unwrap();
    assert_eq!(data(&last(&world, Kind::CustodyChanged))["result"], "pass");
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn r20_an_inspection_before_loading_is_a_record_and_the_sealing_says_how_it_ended() {
    let mut world = world();
    for (failed, result, severity) in
        [(&[][..], "pass", Severity::Notice), (&["floor", "contamination"][..], "fail", Severity::Fault)]
    {
        let items = inspection(failed);
        let items: Vec<(&str, &str)> = items.iter().map(|(name, word)| (name.as_str(), word.as_str())).collect();
        tell(&mut world, "unit-inspection", OTHER, &items).unwrap();
        let inspected = last(&world, Kind::UnitInspected);
        assert_eq!((&inspected.data["result"], inspected.severity), (&json!(result), severity));
        assert_eq!(inspected.data["items"]["inside-outside-doors"], "pass");
        world = world.restarted();
        seal(&mut world, OTHER, &format!("H-{result}"));
        let affixed = last(&world, Kind::SealAffixed);
        assert_eq!((&affixed.data["inspected"], affixed.severity >= severity), (&json!(result), true));
        tell(&mut world, "unsealing", OTHER, &[("seal", &format!("H-{result}")), ("why", "unloaded")]).unwrap();
    }
    // It counts for one loading.
    seal(&mut world, OTHER, "H-9");
    assert_eq!(last(&world, Kind::SealAffixed).data["inspected"], "unknown");
}

#[test]
fn r20_a_container_number_with_a_wrong_check_digit_is_a_record_of_its_own_and_no_seal() {
    let mut world = world();
    world.scan("CSQU3054384");
    let misread = last(&world, Kind::SealMismatch);
    assert_eq!(
        data(&misread),
        json!({ "read": "CSQU3054384", "is": "container", "found": ["check-digit"], "should_be": 3, "aim": null })
    );
    assert_eq!((open(&world), misread.severity), (Vec::new(), Severity::Notice));
    // What is read behind it is not held against a unit that nobody knows, and says so.
    world.scan("XX999");
    assert_eq!(world.alarm("seal-mismatch/READER-1#XX999").unwrap().facts["misread"], "CSQU3054384");
    world.scan("AB123456");
    let good = data(&last(&world, Kind::SealChecked));
    assert_eq!((&good["unit"], &good["misread"]), (&json!(LISTED), &json!("CSQU3054384")));
}

#[test]
fn r20_a_restart_keeps_every_seal_in_force_and_tells_nothing_twice() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    world.scan(OTHER);
    world.scan("H2");
    checked(&mut world, OTHER, "H-3");
    let before = open(&world);
    assert_eq!(before, ["seal-reseal/READER-1#MSKU9070323".to_owned(), format!("seal-reseal/{BY}#{OTHER}")]);
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(300);
    let mut after = open(&world);
    after.sort();
    assert_eq!(after, before);
    assert_eq!(world.told_since(since), [""; 0]);
    world.scan(OTHER);
    world.scan("H1");
    assert_eq!(open(&world), [format!("seal-reseal/{BY}#{OTHER}")]);
    let again = tell(&mut world, "sealing", OTHER, &[("seal", "H-1"), ("class", "H")]);
    assert_eq!(again.unwrap_err(), "seal H1 is on MSKU9070323 already");
}

#[test]
fn r20_what_is_reported_late_is_recorded_and_changes_nothing() {
    let mut world = world();
    seal(&mut world, OTHER, "H-1");
    let late = [("on", "2026-11-20"), ("seal", "H-0"), ("class", "H")];
    tell(&mut world, "sealing", OTHER, &late).unwrap();
    let affixed = data(&last(&world, Kind::SealAffixed));
    assert_eq!((&affixed["late"], &affixed["seal"]), (&json!(true), &json!("H0")));
    world.scan(OTHER);
    world.scan("H1");
    assert_eq!(open(&world), [""; 0]);
    let ahead = tell(&mut world, "sealing", THIRD, &[("on", "2026-12-24"), ("seal", "H-5"), ("class", "H")]);
    assert!(ahead.unwrap_err().starts_with("on=2026-12-24 is in the future"));
    // Nobody vouches for the clock.
    let mut world = world.restarted_with(false);
    let undated = tell(&mut world, "sealing", THIRD, &[("seal", "H-5"), ("class", "H")]);
    assert!(undated.unwrap_err().contains("say which day it was"));
    assert_eq!(world.count(Kind::SealAffixed), 2);
}
