//! Strange files: in the draft's place, and in the configuration's.

use super::*;

const QUIT: &[Option<&str>] = &[Some("q")];

#[test]
fn a_draft_that_is_no_plain_file_of_the_person_is_not_read() {
    for (turn, message) in [
        ("rm \"$1\"; ln -s /etc/passwd \"$1\"", "it is a symbolic link; expected a regular file that only you can write"),
        ("ln \"$1\" other", "it has a second name (a hard link); expected"),
        ("rm \"$1\"; mkfifo \"$1\"", "it is no file; expected"),
        ("rm \"$1\"; mkdir \"$1\"", "it is no file; expected"),
        ("rm \"$1\"", "the file is gone; the editor has deleted it or saved it elsewhere"),
        ("head -c 10000000 /dev/zero >\"$1\"", "it has more than 1024 kB"),
    ] {
        let machine = machine(&[turn]).answering(QUIT);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, live(&machine).as_str()), (5, VALID), "{turn}: {}", ran.messages);
        assert!(ran.messages.contains(message), "{turn}: {}", ran.messages);
        assert!(!draft(&machine).exists(), "{turn}");
    }
}

#[test]
fn a_draft_of_somebody_else_is_not_read() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let machine = machine(&["chown 65534 \"$1\""]).answering(QUIT);
    let ran = machine.run("config edit");
    assert!(ran.messages.contains("it belongs to somebody else; expected"), "{}", ran.messages);
}

#[test]
fn a_directory_that_others_can_change_is_no_place_for_drafts() {
    let machine = machine(&[]).answering(&[]);
    std::fs::create_dir_all(machine.paths().drafts()).unwrap();
    set_mode(&machine.paths().drafts(), 0o777);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, turns_taken(&machine)), (1, 0));
    assert!(ran.messages.contains("is not a directory that only root can change"), "{}", ran.messages);
}

#[test]
fn text_in_another_encoding_is_refused_with_its_place() {
    for (turn, message) in [
        (
            "printf '[hub]\\nname = \"K\\366ln\"\\n' >>\"$1\"",
            "error: the text can't be saved: line 8, column 10: byte 0xf6 is not UTF-8\nhint: save it as UTF-8 in the editor\n",
        ),
        ("printf '\\377\\376[' >\"$1\"", "error: the text can't be saved: it begins like UTF-16, and is not\n"),
    ] {
        let machine = machine(&[turn]).answering(QUIT);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, live(&machine).as_str()), (5, VALID));
        assert!(ran.messages.contains(message), "{}", ran.messages);
    }
}

#[test]
fn what_windows_editors_add_is_left_out() {
    let turn = "sed -i 's/1G/2G/; s/$/\\r/; 1s/^/\\xef\\xbb\\xbf/' \"$1\"";
    let machine = machine(&[turn]).answering(&[Some("y")]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine)), (3, VALID.replace("1G", "2G")), "{}", ran.messages);
    assert!(ran.messages.contains("note: It begins with a byte order mark, which is left out.\n"), "{}", ran.messages);
    assert!(ran.messages.contains("note: Its lines end as on Windows"), "{}", ran.messages);
}

#[test]
fn a_missing_configuration_is_begun() {
    let machine = machine(&["echo '[hub]' >\"$1\""]).answering(&[Some("y")]);
    std::fs::remove_file(live_path(&machine)).unwrap();
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine).as_str()), (3, "[hub]\n"), "{}", ran.messages);
    assert!(ran.messages.contains("you begin with an empty file"), "{}", ran.messages);
}

#[test]
fn a_strange_configuration_says_what_it_is() {
    for (strange, message) in [
        (
            "rm $F; ln -s /tmp/elsewhere.toml $F",
            "is a symbolic link to `/tmp/elsewhere.toml`; expected the file itself\nhint: saving would replace the link: cp --remove-destination /tmp/elsewhere.toml ",
        ),
        ("rm $F; mkdir $F", "is not a regular file\nhint: move it away"),
        ("rm $F; mkfifo $F", "is not a regular file\n"),
        ("head -c 10000000 /dev/zero >$F", "has 9765 kB; expected at most 1024\nhint: hubctl config rollback"),
    ] {
        let machine = machine(&["echo x >\"$1\""]).answering(QUIT);
        let path = live_path(&machine);
        let done = hub_system::command::Command::new("/bin/sh", std::time::Duration::from_secs(30))
            .args(["-euc", &strange.replace("$F", &path.display().to_string())])
            .run();
        done.unwrap();
        for line in [
            "config edit",
            "config set limits.memory 2G",
            "config show",
            "config check",
            "config get limits.memory",
            "config apply",
        ] {
            let ran = machine.run(line);
            assert_eq!((ran.code, turns_taken(&machine)), (1, 0), "{line}: {}", ran.messages);
            assert!(ran.messages.contains(message), "{line}: {}", ran.messages);
        }
    }
}

#[test]
fn a_configuration_in_another_encoding_can_be_put_right_and_not_set() {
    let machine = machine(&["printf '[hub]\\n' >\"$1\""]).answering(&[Some("y")]);
    std::fs::write(live_path(&machine), b"[hub]\nname = \"K\xf6ln\"\n").unwrap();
    let ran = machine.run("config set limits.memory 2G");
    assert_eq!(ran.code, 1);
    assert!(ran.messages.contains("can't be read: line 2, column 10: byte 0xf6 is not UTF-8"), "{}", ran.messages);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine).as_str()), (3, "[hub]\n"), "{}", ran.messages);
}

#[test]
fn a_configuration_others_can_change_is_said_and_put_right() {
    let machine = machine(&["sed -i 's/1G/2G/' \"$1\""]).answering(&[Some("y")]);
    set_mode(&live_path(&machine), 0o666);
    let ran = machine.run("config edit");
    assert!(
        ran.messages.contains("can be changed by others than root (mode 0666); saving it puts that right."),
        "{}",
        ran.messages
    );
    assert_eq!(std::fs::metadata(live_path(&machine)).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_configuration_with_problems_can_be_edited() {
    let machine = machine(&["sed -i 's/banana/2G/' \"$1\""]).answering(&[Some("y")]);
    std::fs::write(live_path(&machine), VALID.replace("1G", "banana")).unwrap();
    assert_eq!(machine.run("config set limits.tasks 200").code, 1, "a file that stays invalid was saved");
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine)), (3, VALID.replace("1G", "2G")), "{}", ran.messages);
}

/// With sudo the editor is the person's: uid, groups, home; and the file it gets is the person's own.
#[test]
fn the_editor_runs_as_the_one_who_called_sudo() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let report = "{ id -u; id -G; echo \"$HOME $USER $LOGNAME\"; stat -c '%u %a' \"$1\" \"$(dirname \"$1\")\"; } >\"$1.seen\"; cp \"$1.seen\" seen";
    let mut machine = machine(&[report]).answering(&[]);
    machine.behind_sudo = Some(65534);
    std::fs::create_dir_all(machine.paths().setpriv().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/usr/bin/setpriv", machine.paths().setpriv()).unwrap();
    for open in [machine.root.path(), &machine.root.path().join("turns")] {
        set_mode(open, 0o777);
    }
    let ran = machine.run("config edit");
    assert_eq!(ran.code, 5, "{}", ran.messages);
    let seen = std::fs::read_to_string(machine.root.path().join("turns/seen")).unwrap();
    assert_eq!(seen, "65534\n65534\n/nonexistent nobody nobody\n65534 600\n65534 700\n");
    assert!(!machine.paths().drafts().join("65534").exists(), "what the editor left is still there");
}
