//! Output that nobody reads any more, as in `hubctl user list | head`.

use super::*;

#[test]
fn says_nothing_when_whoever_reads_has_had_enough() {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", "[roles]\nadmins = [\"ada\"]\n");
    for line in ["--help", "env --help", "config show", "config show --json", "config get roles.admins"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = ["hubctl"].into_iter().chain(line.split(' ')).map(OsString::from);
        let (ended, messages) = machine.run_to(&mut Told(writer), |world| run(arguments, world));
        assert!(nobody_reads(&ended.unwrap_err()), "{line}");
        assert_eq!(messages, "", "{line}");
    }
}
