use crate::folder::Folder;
use picket::settings;

#[test]
fn look() {
    for (n, t) in [
        (32, "unit = 300"),
        (30, "profile = \"moxa-1210\""),
        (
            48,
            "unit = 3\n[[device]]\nname=\"p2\"\nline=\"bus\"\nprofile=\"alarm-panel-contacts\"\nequipment=\"P2\"\nunit=3",
        ),
        (33, "pol_ms = 500"),
        (8, "host = 10.0.0.5"),
        (2, ""),
        (1, "[sight]"),
        (7, ""),
        (4, "[console]\nlisten=\"0.0.0.0:80\""),
    ] {
        let f = Folder::with_line(n, t);
        println!("{}\n=======", f.anonymous(&settings::check(f.path()).to_string()));
    }
    let f = Folder::empty();
    println!("{}\n=======", f.anonymous(&settings::check(f.path()).to_string()));
    let f = Folder::whole();
    f.write("register.csv", "id,kind,knd\nA,door,\nB,dor,\nA,door,\n");
    f.write("profiles/moxa-e1210.toml", "name='x'\nmake='a'\nmodel='b'\nmanual='c'\n[modbus]\nmax_bitz=3\n");
    f.write("manifest.csv", b"unit,seal\nA\xff,b\n");
    println!("{}\n=======", f.anonymous(&settings::check(f.path()).to_string()));
}
