//! What sudo is told of `hubctl`: nothing that gives anybody a right. The installer has `visudo` judge it and puts it in place.

/// The whole file, in every installation the same.
pub(crate) const RULES: &str = include_str!("../../sudoers.d/hubd-admins");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_anything() {
        let lines: Vec<_> = RULES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(lines, ["Defaults!/opt/hubd/bin/hubctl, /usr/local/bin/hubctl env_keep += \"SUDO_EDITOR VISUAL EDITOR\""]);
    }
}
